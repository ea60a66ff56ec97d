-- Question: what is said of the commits whose id begins so?
-- One row: one commit with its present verdict. Parameters: $repository, null for any; $sha_prefix, lower-case hex.
-- Order: repository, sha; ten rows at most.
SELECT
    c.repository,
    c.sha,
    split_part(c.message, chr(10), 1) AS subject,
    c.authored_at,
    len(c.parents) > 1 AS is_merge,
    coalesce(p.origin, 'unknown') AS origin,
    coalesce(p.role, 'none') AS role,
    coalesce(p.tools, CAST([] AS VARCHAR[])) AS tools,
    coalesce(p.models, CAST([] AS VARCHAR[])) AS models,
    p.confidence,
    coalesce(p.basis, 'none') AS basis,
    coalesce(p.conflict, false) AS conflict,
    p.catalogue_version,
    coalesce(p.evidence, '[]') AS evidence
FROM commits AS c
LEFT JOIN commit_provenance AS p ON p.repository = c.repository AND p.sha = c.sha
WHERE ($repository IS NULL OR c.repository = $repository) AND starts_with(c.sha, $sha_prefix)
ORDER BY c.repository, c.sha
LIMIT 10
