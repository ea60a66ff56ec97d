-- Question: which repository does each service's telemetry name?
-- One row: one (service, vcs.repository.url.full). Parameters: none. Order: service, URL.
SELECT DISTINCT service, repository_url
FROM resources
WHERE repository_url IS NOT NULL
ORDER BY service, repository_url
