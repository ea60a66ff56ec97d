-- Question: where did those changes add lines?
-- One row: one hunk of one mainline commit. Parameters: $repository; $until (UTC). Order: sha, path, position.
SELECT h.repository, h.sha, h.path, h."position", h.new_start, h.new_count
FROM hunks AS h
JOIN mainline AS m ON m.repository = h.repository AND m.sha = h.sha
WHERE h.repository = $repository AND m.landed_at <= $until
ORDER BY h.sha, h.path, h."position"
