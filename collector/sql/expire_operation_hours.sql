-- Task: forget hours whose last span was received before $failures_before (UTC).
DELETE FROM operation_hours
WHERE last_received_at < $failures_before
