-- Question: which changes landed, what became of them, and how much blame do they carry?
-- One row: one change.
-- Parameters, each null for "any": $repository, $origin; $since and $until, bounds of landed_at, UTC, the second
--   one exclusive; $sha_prefix, lower-case hex; $cursor_at, $cursor_repository, $cursor_position, the last row of
--   the page before. $row_count, rows at most.
-- Order: newest landing first, then repository, then position on the mainline, newest first.
WITH page AS (
    -- The keys of the page first: wide columns and sums are then looked up for these alone.
    SELECT c.repository, c.sha
    FROM changes AS c
    WHERE ($repository IS NULL OR c.repository = $repository)
        AND ($origin IS NULL OR c.origin = $origin)
        AND ($since IS NULL OR c.landed_at >= $since)
        AND ($until IS NULL OR c.landed_at < $until)
        AND ($sha_prefix IS NULL OR starts_with(c.sha, $sha_prefix))
        AND (
            $cursor_at IS NULL
            OR c.landed_at < $cursor_at
            OR (c.landed_at = $cursor_at AND c.repository > $cursor_repository)
            OR (
                c.landed_at = $cursor_at AND c.repository = $cursor_repository AND c."position" < $cursor_position
            )
        )
    ORDER BY c.landed_at DESC, c.repository, c."position" DESC
    LIMIT $row_count
),
deployed AS (
    SELECT d.repository, d.sha, min(d.deployed_at) AS deployed_at, list_sort(list(DISTINCT d.service)) AS services
    FROM change_deployments AS d
    SEMI JOIN page AS p ON p.repository = d.repository AND p.sha = d.sha
    GROUP BY d.repository, d.sha
),
blame AS (
    SELECT
        o.repository,
        o.sha,
        -- Weights have six decimals: as integers their sum does not depend on the order of the rows.
        sum(CASE WHEN o.kind = 'incident' THEN CAST(round(o.weight * 1000000) AS BIGINT) ELSE 0 END)
            AS incident_millionths,
        sum(CASE WHEN o.kind = 'failure_group' THEN CAST(round(o.weight * 1000000) AS BIGINT) ELSE 0 END)
            AS failure_group_millionths
    FROM change_outcomes AS o
    SEMI JOIN page AS p ON p.repository = o.repository AND p.sha = o.sha
    WHERE o.candidate = 'change'
    GROUP BY o.repository, o.sha
)
SELECT
    c.repository,
    c.sha,
    c.subject,
    c.number,
    c."position",
    c.landed_at,
    d.deployed_at,
    coalesce(d.services, CAST([] AS VARCHAR[])) AS services,
    c.merge_method,
    c.kind,
    c.kind_rule,
    c.is_code,
    c.origin,
    c.ai_share,
    c.tools,
    c.suggesting_tools,
    c.conflict,
    c.confidence,
    c.origin_basis,
    c.lines_added,
    c.lines_deleted,
    c.files_changed,
    c.size_band,
    c.commits,
    c.reverts,
    c.fixes,
    c.closes,
    CAST(coalesce(b.incident_millionths, 0) AS DOUBLE) / 1000000 AS incident_weight,
    CAST(coalesce(b.failure_group_millionths, 0) AS DOUBLE) / 1000000 AS failure_group_weight
FROM changes AS c
JOIN page AS p ON p.repository = c.repository AND p.sha = c.sha
LEFT JOIN deployed AS d ON d.repository = c.repository AND d.sha = c.sha
LEFT JOIN blame AS b ON b.repository = c.repository AND b.sha = c.sha
ORDER BY c.landed_at DESC, c.repository, c."position" DESC
