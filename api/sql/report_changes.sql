-- Question: which changes carry the weight of what failed in a window, and what became of them?
-- One row: one change with weight on an incident or a failure group that occurred in the window.
-- Parameters: $since and $until, bounds of the outcome's time, UTC, the second one exclusive; $row_count, rows at most.
-- Order: most incident weight first, then failure group weight, then sha and repository.
WITH carried AS (
    SELECT
        repository,
        sha,
        -- Weights have six decimals: as integers their sum does not depend on the order of the rows.
        sum(CASE WHEN kind = 'incident' THEN CAST(round(weight * 1000000) AS BIGINT) ELSE 0 END) AS incidents,
        sum(CASE WHEN kind = 'failure_group' THEN CAST(round(weight * 1000000) AS BIGINT) ELSE 0 END) AS groups
    FROM change_outcomes
    WHERE candidate = 'change' AND occurred_at >= $since AND occurred_at < $until
    GROUP BY repository, sha
),
rolled AS (
    SELECT DISTINCT repository, sha
    FROM change_outcomes
    WHERE candidate = 'change' AND kind = 'rollback' AND weight >= 0.5
)
SELECT
    c.repository,
    c.sha,
    c.subject,
    c.origin,
    c.tools,
    c.landed_at,
    CAST(w.incidents AS DOUBLE) / 1000000 AS incident_weight,
    CAST(w.groups AS DOUBLE) / 1000000 AS failure_group_weight,
    CASE
        WHEN k.reverted_by IS NOT NULL THEN 'reverted'
        WHEN r.sha IS NOT NULL THEN 'rolled back'
        WHEN coalesce(k.lines_fixed_30d, 0) > 0 THEN 'mended'
        ELSE 'in place'
    END AS state
FROM carried AS w
JOIN changes AS c ON c.repository = w.repository AND c.sha = w.sha
LEFT JOIN change_rework AS k ON k.repository = w.repository AND k.sha = w.sha
LEFT JOIN rolled AS r ON r.repository = w.repository AND r.sha = w.sha
WHERE w.incidents + w.groups >= 100000
ORDER BY w.incidents DESC, w.groups DESC, c.sha, c.repository
LIMIT $row_count
