-- Task: note in the temporary table moved_minutes the minutes of the root causes of shaped_causes.
-- One row: one root cause that comes.
INSERT INTO moved_minutes
SELECT alike_id, failed_at
FROM shaped_causes
WHERE alike_id IS NOT NULL
