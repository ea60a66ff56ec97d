-- Task: forget hours of signals whose last span was received before $failures_before (UTC).
DELETE FROM signal_hours
WHERE last_received_at < $failures_before
