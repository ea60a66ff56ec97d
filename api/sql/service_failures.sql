-- Question: how does each service fail, and how many of its frames are found in its repository?
-- One row: one service with a failure group. raised_count: groups that have a stack if one was sent (what drifts has none);
--   stacked_count: groups with a line of the repository.
-- Parameters: none.
-- Order: none that matters.
WITH framed AS (
    SELECT
        group_id,
        count(*) AS frame_count,
        count(path) AS resolved_frame_count,
        count(*) FILTER (WHERE mapping = 'unmapped') AS unmapped_frame_count
    FROM group_frames
    GROUP BY group_id
)
SELECT
    g.service,
    count(*) AS failure_group_count,
    count(*) FILTER (WHERE g.detector IS NULL) AS raised_count,
    count(*) FILTER (WHERE f.resolved_frame_count > 0) AS stacked_count,
    coalesce(sum(f.frame_count), 0)::BIGINT AS frame_count,
    coalesce(sum(f.resolved_frame_count), 0)::BIGINT AS resolved_frame_count,
    coalesce(sum(f.unmapped_frame_count), 0)::BIGINT AS unmapped_frame_count
FROM failure_groups AS g
LEFT JOIN framed AS f ON f.group_id = g.group_id
GROUP BY g.service
