-- Question: what did people decide about these incidents?
-- One row: the newest verdict of one incident.
-- Parameters: $incident_ids.
-- Order: by incident.
SELECT
    incident_id,
    arg_max(candidate, decided_at) AS candidate,
    nullif(arg_max(coalesce(sha, ''), decided_at), '') AS sha,
    nullif(arg_max(coalesce(reason, ''), decided_at), '') AS reason,
    max(decided_at) AS decided_at,
    arg_max(token_id, decided_at) AS token_id
FROM verdicts
WHERE list_contains($incident_ids, incident_id)
GROUP BY incident_id
ORDER BY incident_id
