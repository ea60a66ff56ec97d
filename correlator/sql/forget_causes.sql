-- Task: forget the root causes of the traces that were looked at again.
-- Parameters: $slice, those traces.
DELETE FROM root_causes WHERE trace_id IN (SELECT trace_id FROM touched_traces WHERE slice = $slice)
