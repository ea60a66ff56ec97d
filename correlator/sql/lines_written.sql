-- Question: how many lines had each change written by then, and where?
-- One row: one path of one change. Parameters: $repository; $until (UTC). Order: sha, path.
SELECT w.repository, w.sha, w.path, w.lines_added, w.lines_moved
FROM lines_written AS w
JOIN mainline AS m ON m.repository = w.repository AND m.sha = w.sha
WHERE w.repository = $repository AND m.landed_at <= $until
ORDER BY w.sha, w.path
