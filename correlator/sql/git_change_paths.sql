-- Question: which paths did those changes touch?
-- One row: one path of one mainline commit. Parameters: $repository; $until (UTC). Order: sha, path.
SELECT p.repository, p.sha, p.path, p.old_path, p.status, p.is_binary, p.is_generated, p.lines_added, p.lines_deleted
FROM change_paths AS p
JOIN mainline AS m ON m.repository = p.repository AND m.sha = p.sha
WHERE p.repository = $repository AND m.landed_at <= $until
ORDER BY p.sha, p.path
