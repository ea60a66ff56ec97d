-- Question: which repositories and services can the pages be narrowed to?
-- One row: one name of one kind.
-- Parameters: none.
-- Order: by kind and name.
SELECT 'repository' AS kind, repository AS name FROM repositories
UNION
SELECT 'service' AS kind, service AS name FROM service_repositories
UNION
SELECT 'service' AS kind, service AS name FROM incident_states WHERE service IS NOT NULL
UNION
SELECT 'service' AS kind, service AS name FROM change_deployments
ORDER BY kind, name
