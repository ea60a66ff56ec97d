-- Question: what did the exception of this span say, word for word?
-- One row: the message; none when the span is no longer stored.
-- Parameters: $trace_id, 32 hex digits; $span_id, 16 hex digits; $started_at, start of the span, UTC, to the
--   microsecond: the bounds around it let the engine skip all but a few row groups.
-- Order: the smallest, should the span be stored twice with different texts.
SELECT coalesce(s.exception_message, s.status_message) AS message
FROM spans AS s
WHERE s.start_time >= CAST($started_at AS TIMESTAMP) - INTERVAL 1 SECOND
    AND s.start_time <= CAST($started_at AS TIMESTAMP) + INTERVAL 1 SECOND
    AND s.trace_id = CAST($trace_id AS UUID)
    AND s.span_id = CAST('0x' || $span_id AS UBIGINT)
ORDER BY 1 NULLS LAST
LIMIT 1
