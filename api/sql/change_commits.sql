-- Question: which commits landed with these changes, and who wrote each, by which evidence?
-- One row: one commit of one change; no person is named.
-- Parameters: $shas, mainline commits, full hex.
-- Order: change, then the order in which its commits are listed.
WITH landed AS (
    SELECT
        c.repository,
        c.sha AS change_sha,
        unnest(c.commits) AS sha,
        generate_subscripts(c.commits, 1) AS place
    FROM changes AS c
    WHERE list_contains($shas, c.sha)
)
SELECT
    l.change_sha,
    l.sha,
    split_part(g.message, chr(10), 1) AS subject,
    g.authored_at,
    coalesce(p.origin, 'unknown') AS origin,
    coalesce(p.role, 'none') AS role,
    coalesce(p.tools, CAST([] AS VARCHAR[])) AS tools,
    coalesce(p.models, CAST([] AS VARCHAR[])) AS models,
    p.confidence,
    coalesce(p.basis, 'none') AS basis,
    coalesce(p.conflict, false) AS conflict,
    p.catalogue_version,
    coalesce(p.evidence, '[]') AS evidence
FROM landed AS l
LEFT JOIN commits AS g ON g.repository = l.repository AND g.sha = l.sha
LEFT JOIN commit_provenance AS p ON p.repository = l.repository AND p.sha = l.sha
ORDER BY l.repository, l.change_sha, l.place
