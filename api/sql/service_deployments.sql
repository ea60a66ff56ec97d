-- Question: how many deployments does each service have?
-- One row: one service.
-- Parameters: none.
-- Order: none that matters.
SELECT service, count(*) AS deployment_count FROM deployments GROUP BY service
