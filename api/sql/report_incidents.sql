-- Question: which incidents belong to a week's report?
-- One row: one incident opened in the week, or open into it.
-- Parameters: $since and $until, UTC, the second one exclusive.
-- Order: oldest opening first, then by id.
SELECT
    incident_id AS id,
    opened_at >= $since AS is_new
FROM incident_states
WHERE opened_at < $until AND (opened_at >= $since OR resolved_at IS NULL OR resolved_at >= $since)
ORDER BY opened_at, incident_id
