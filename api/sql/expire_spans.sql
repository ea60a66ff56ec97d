-- Task: forget raw spans received before $before (UTC), but for the traces of failure groups, which are kept whole.
DELETE FROM spans
WHERE received_at < $before
  AND trace_hex(trace_id) NOT IN (SELECT trace_id FROM group_traces)
