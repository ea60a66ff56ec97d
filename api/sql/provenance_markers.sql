-- Question: which marks does each repository carry, since when and until when?
-- One row: one repository, channel, kind and tool. A mark that stops tells that a tag policy changed, not that AI left.
-- Parameters: $repository, null for any.
-- Order: repository, newest mark first.
WITH pieces AS (
    SELECT p.repository, p.sha, unnest(from_json(p.evidence, '["JSON"]')) AS piece
    FROM commit_provenance AS p
    WHERE ($repository IS NULL OR p.repository = $repository) AND p.evidence <> '[]'
),
marks AS (
    SELECT DISTINCT
        repository,
        sha,
        piece ->> 'channel' AS channel,
        piece ->> 'kind' AS kind,
        piece ->> 'tool' AS tool,
        piece ->> 'origin' AS origin
    FROM pieces
    WHERE piece ->> 'channel' <> 'policy'
)
SELECT
    m.repository,
    m.channel,
    m.kind,
    m.tool,
    m.origin,
    count(*) AS commit_count,
    min(c.authored_at) AS first_seen_at,
    max(c.authored_at) AS last_seen_at
FROM marks AS m
JOIN commits AS c ON c.repository = m.repository AND c.sha = m.sha
GROUP BY m.repository, m.channel, m.kind, m.tool, m.origin
ORDER BY m.repository, last_seen_at DESC, m.channel, m.kind, m.tool, m.origin
