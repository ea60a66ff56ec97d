-- Question: how many incidents does each service have?
-- One row: one service.
-- Parameters: none.
-- Order: none that matters.
SELECT service, count(DISTINCT incident_id) AS incident_count
FROM incident_states
WHERE service IS NOT NULL
GROUP BY service
