-- Question: what else was recorded as an exception in these traces?
-- One row: one exception of a span of a trace in $trace_ids.
-- Parameters: $trace_ids, hex trace ids; $until, recorded until then (UTC).
-- Order: trace, span, exception.
SELECT DISTINCT
    trace_hex(trace_id) AS trace_id,
    span_hex(span_id) AS span_id,
    exception_id,
    message
FROM exceptions
WHERE trace_id IN (SELECT unnest($trace_ids)::UUID) AND "time" <= $until::TIMESTAMP_NS
ORDER BY trace_id, span_id, exception_id
