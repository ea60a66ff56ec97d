-- Question: how much of what landed carries a declaration of who wrote it, per repository and month?
-- One row: one repository and calendar month (UTC) of landing. Counts are of non-merge commits; automation is counted
--   apart. declared: by a mark, a note, a record or a statement of a person, not by a policy of assuming.
-- Parameters, each null for "any": $repository; $since and $until, bounds of landed_at, UTC, the second one exclusive.
-- Order: month, repository.
WITH landed AS (
    SELECT repository, date_trunc('month', landed_at) AS "month", unnest(commits) AS sha
    FROM changes
    WHERE ($repository IS NULL OR repository = $repository)
        AND ($since IS NULL OR landed_at >= $since)
        AND ($until IS NULL OR landed_at < $until)
)
SELECT
    CAST(l."month" AS TIMESTAMP) AS "time",
    l.repository,
    count(*) AS commit_count,
    count(*) FILTER (WHERE p.origin = 'automation') AS automation_count,
    count(*) FILTER (WHERE p.origin = 'ai') AS ai_count,
    count(*) FILTER (WHERE p.origin = 'human' AND p.basis <> 'policy') AS human_count,
    count(*) FILTER (WHERE p.origin = 'human' AND p.basis = 'policy') AS assumed_count,
    count(*) FILTER (WHERE coalesce(p.origin, 'unknown') = 'unknown') AS unknown_count,
    count(*) FILTER (WHERE n.sha IS NOT NULL OR t.sha IS NOT NULL) AS note_count
FROM landed AS l
LEFT JOIN commit_provenance AS p ON p.repository = l.repository AND p.sha = l.sha
LEFT JOIN commit_notes AS n ON n.repository = l.repository AND n.sha = l.sha
LEFT JOIN (SELECT DISTINCT sha FROM attested_lines) AS t ON t.sha = l.sha
GROUP BY l."month", l.repository
ORDER BY l."month", l.repository
