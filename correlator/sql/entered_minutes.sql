-- Task: note in the temporary table moved_minutes the minutes of the root causes of shaped_causes.
-- One row: one alike_id with its root causes that come.
INSERT INTO moved_minutes
SELECT alike_id, min(failed_at), max(failed_at)
FROM shaped_causes
WHERE alike_id IS NOT NULL
GROUP BY alike_id
