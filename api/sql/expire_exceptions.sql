-- Task: forget exceptions received before $before (UTC), but for those of the traces of failure groups.
DELETE FROM exceptions
WHERE received_at < $before
  AND (trace_id IS NULL OR trace_hex(trace_id) NOT IN (SELECT trace_id FROM group_traces))
