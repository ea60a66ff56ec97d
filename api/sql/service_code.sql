-- Question: where does a service's code live, and what runs of it now?
-- One row, or none where nothing is known. Parameters: $service. Production counts before other environments.
SELECT
    r.service,
    r.repository,
    r.path,
    r.basis,
    (
        SELECT sha
        FROM running_revisions AS n
        WHERE n.service = r.service AND n.sha IS NOT NULL
        ORDER BY n.ended_at IS NULL DESC, n.environment = 'production' DESC, n.started_at DESC, n.environment
        LIMIT 1
    ) AS running_sha,
    (SELECT head_sha FROM repositories AS p WHERE p.repository = r.repository) AS head_sha
FROM service_repositories AS r
WHERE r.service = $service
