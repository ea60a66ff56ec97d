-- Question: through which lines do these failures pass, and who last wrote each?
-- One row: one frame of the sample stack of a group.
-- Parameters: $group_ids, 16 hex digits each.
-- Order: group, then innermost first.
SELECT group_id, "position", file, function, line, in_app, path, mapping, blamed_sha, blamed_change
FROM group_frames
WHERE list_contains($group_ids, group_id)
ORDER BY group_id, "position"
