-- Task: note in the temporary table moved_minutes the minutes that traces leave, which are looked at again.
-- One row: one alike_id with its root causes that go.
-- Parameters: $slice, those traces.
INSERT INTO moved_minutes
SELECT alike_id, min(failed_at), max(failed_at)
FROM root_causes
WHERE alike_id IS NOT NULL AND trace_id IN (SELECT trace_id FROM touched_traces WHERE slice = $slice)
GROUP BY alike_id
