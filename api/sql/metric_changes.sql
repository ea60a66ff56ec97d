-- Question: which changes do the rates count, and since when did each run in production?
-- One row: one change, with its first production deployment.
-- Parameters: $as_of, UTC, what came later is not known yet; $environments, names of production.
-- Order: by repository and sha.
WITH deployed AS (
    SELECT
        repository,
        sha,
        min(deployed_at) AS deployed_at,
        list_sort(list(DISTINCT service)) AS services,
        bool_or(has_traces) AS has_traces,
        bool_or(has_revision) AS has_revision
    FROM change_deployments
    WHERE deployed_at <= $as_of AND list_contains($environments, environment)
    GROUP BY repository, sha
),
modelled AS (
    SELECT c.repository, c.sha, list_sort(list(DISTINCT p.model)) AS models
    FROM (SELECT repository, sha, unnest(commits) AS "commit" FROM changes) AS c
    JOIN (
        SELECT repository, sha, unnest(models) AS model FROM commit_provenance WHERE origin = 'ai'
    ) AS p ON p.repository = c.repository AND p.sha = c."commit"
    GROUP BY c.repository, c.sha
)
SELECT
    c.repository,
    c.sha,
    c."position",
    c.landed_at,
    c.subject,
    c.number,
    c.merge_method,
    c.kind,
    c.kind_rule,
    c.is_code,
    c.commits,
    c.origin,
    c.ai_share,
    c.tools,
    coalesce(m.models, CAST([] AS VARCHAR[])) AS models,
    c.confidence,
    c.origin_basis,
    c.lines_added,
    c.lines_deleted,
    c.files_changed,
    c.size_band,
    c.reverts,
    c.fixes,
    c.closes,
    d.deployed_at,
    coalesce(d.services, CAST([] AS VARCHAR[])) AS services,
    coalesce(d.has_traces, false) AS has_traces,
    coalesce(d.has_revision, false) AS has_revision
FROM changes AS c
LEFT JOIN deployed AS d ON d.repository = c.repository AND d.sha = c.sha
LEFT JOIN modelled AS m ON m.repository = c.repository AND m.sha = c.sha
WHERE c.landed_at <= $as_of
ORDER BY c.repository, c.sha
