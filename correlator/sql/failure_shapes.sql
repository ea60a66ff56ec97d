-- Question: what do the failures of each shape look like?
-- One row: one shape that the service did not survive, by its first root cause.
-- Order: failed_at, trace_id, span_id.
SELECT * REPLACE (trace_hex(trace_id) AS trace_id, span_hex(span_id) AS span_id)
FROM failure_shapes
WHERE NOT is_handled
ORDER BY failed_at, trace_id, span_id, shape_id
