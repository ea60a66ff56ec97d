-- Task: forget stack traces that no exception received since $failures_before (UTC) can name: each is stored anew every
--   day that it is seen.
DELETE FROM stacks
WHERE loaded_at < $failures_before - INTERVAL 1 DAY
