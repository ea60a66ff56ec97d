-- Question: which failure groups explain this incident?
-- One row: one linked failure group.
-- Parameters: $incident_id.
-- Order: the heaviest first, then by id.
SELECT l.group_id, g.title, l.weight, l.evidence
FROM incident_links AS l
JOIN failure_groups AS g ON g.group_id = l.group_id
WHERE l.incident_id = $incident_id
ORDER BY l.weight DESC, l.group_id
