-- Task: remember the traces that were looked at.
-- Parameters: $slice, those traces.
INSERT INTO failing_traces BY NAME
SELECT t.trace_id, t.first_ns, t.last_ns, l.linked_trace_ids
FROM touched_traces AS t
LEFT JOIN (SELECT DISTINCT trace_id, linked_trace_ids FROM arrived_causes) AS l ON l.trace_id = t.trace_id
WHERE t.slice = $slice
