-- Question: what had people decided about incidents by then?
-- One row: one verdict. Parameters: $until (UTC). Order: time, incident; of several on one incident the last wins.
SELECT incident_id, decided_at, candidate, sha, reason
FROM verdicts
WHERE decided_at <= $until
ORDER BY decided_at, incident_id
