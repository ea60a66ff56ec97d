-- Question: what else was recorded as an exception in these traces?
-- One row: one exception of a span of a trace in $trace_ids, with when it was recorded first.
-- Parameters: $trace_ids, hex trace ids; $until, recorded until then (UTC).
-- Order: trace, span, exception.
SELECT
    trace_hex(trace_id) AS trace_id,
    span_hex(span_id) AS span_id,
    exception_id,
    message,
    min("time")::TIMESTAMP AS recorded_at
FROM exceptions
WHERE trace_id IN (SELECT unnest($trace_ids)::UUID) AND "time" <= $until::TIMESTAMP_NS
GROUP BY trace_id, exceptions.span_id, exception_id, message
ORDER BY trace_id, span_id, exception_id, message
