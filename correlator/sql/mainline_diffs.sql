-- Question: which lines did the changes of a mainline remove and add, in the order in which they landed?
-- One row: one hunk of one path of one change; a path without hunks is one row with null in their place.
-- Parameters: $repository; $after, a position: only younger changes (-1: all); $until (UTC).
-- Order: position, path, hunk.
SELECT
    m."position",
    p.path,
    p.old_path,
    p.status,
    p.is_binary,
    h.old_start,
    h.old_count,
    h.new_start,
    h.new_count,
    h.removed_digests,
    h.added_digests
FROM mainline AS m
JOIN change_paths AS p ON p.repository = m.repository AND p.sha = m.sha
LEFT JOIN hunks AS h ON h.repository = p.repository AND h.sha = p.sha AND h.path = p.path
WHERE m.repository = $repository AND m."position" > $after AND m.landed_at <= $until
ORDER BY m."position", p.path, h."position"
