-- Question: which shapes failed in these traces?
-- One row: one shape and one trace in which it failed.
-- Parameters: $trace_ids, 32 hex digits each.
-- Order: shape_id, trace_id.
SELECT DISTINCT shape_id, trace_hex(trace_id) AS trace_id
FROM root_causes
WHERE trace_id IN (SELECT unnest($trace_ids)::UUID)
ORDER BY shape_id, trace_id
