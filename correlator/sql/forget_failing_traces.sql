-- Task: forget what was known of the traces that were looked at again.
-- Parameters: $slice, those traces.
DELETE FROM failing_traces WHERE trace_id IN (SELECT trace_id FROM touched_traces WHERE slice = $slice)
