-- Question: how is the mass of this incident shared out, and why?
-- One row: one share: a change, a flag or configuration, "no change", or what nobody could attribute.
-- Parameters: $incident_id.
-- Order: by rank, the heaviest first.
SELECT
    a."rank",
    a.candidate,
    a.repository,
    a.sha,
    a.setting,
    a.weight,
    a.group_id,
    a.evidence,
    a.algorithm_version,
    c.subject,
    c.number,
    c.landed_at,
    c.kind,
    c.merge_method,
    c.origin,
    c.tools
FROM incident_attributions AS a
LEFT JOIN changes AS c ON c.repository = a.repository AND c.sha = a.sha
WHERE a.incident_id = $incident_id
ORDER BY a."rank"
