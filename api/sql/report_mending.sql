-- Question: how much of what landed in a window was mending?
-- One row: the window.
-- Parameters: $since and $until, bounds of landed_at, UTC, the second one exclusive.
-- Order: one row.
SELECT
    count(*) AS change_count,
    count(*) FILTER (WHERE kind IN ('fix', 'revert')) AS mending_count,
    count(*) FILTER (WHERE kind = 'revert') AS revert_count,
    CAST(coalesce(sum(lines_added), 0) AS BIGINT) AS lines_added,
    CAST(coalesce(sum(lines_added) FILTER (WHERE kind IN ('fix', 'revert')), 0) AS BIGINT) AS mending_lines
FROM changes
WHERE is_code AND landed_at >= $since AND landed_at < $until
