-- Task: forget what was counted of the minutes of moved_minutes.
DELETE FROM failure_minutes WHERE alike_id IN (SELECT alike_id FROM moved_minutes)
