-- Question: in which incidents and failure groups is this change a candidate, and why?
-- One row: one candidacy.
-- Parameters: $repository; $sha, mainline commit.
-- Order: incidents first, the heaviest first, then by id.
SELECT 'incident' AS subject, a.incident_id AS id, s.title, a."rank", a.weight, a.evidence
FROM incident_attributions AS a
JOIN incident_states AS s ON s.incident_id = a.incident_id
WHERE a.candidate = 'change' AND a.repository = $repository AND a.sha = $sha
UNION ALL
SELECT 'failure_group' AS subject, u.group_id AS id, g.title, u."rank", u.weight, u.evidence
FROM group_suspects AS u
JOIN failure_groups AS g ON g.group_id = u.group_id
WHERE u.candidate = 'change' AND u.repository = $repository AND u.sha = $sha
ORDER BY subject DESC, weight DESC, id
