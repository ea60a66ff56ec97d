-- Task: forget exceptions received before $failures_before (UTC).
DELETE FROM exceptions
WHERE received_at < $failures_before
