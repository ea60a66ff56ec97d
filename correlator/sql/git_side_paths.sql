-- Question: how many lines did each commit beside the mainline add, path by path?
-- One row: one path of one side commit. Parameters: $repository; $until (UTC), by committer time. Order: sha, path.
SELECT p.sha, p.path, p.lines_added
FROM side_commit_paths AS p
JOIN commits AS c ON c.repository = p.repository AND c.sha = p.sha
WHERE p.repository = $repository AND c.committed_at <= $until
ORDER BY p.sha, p.path
