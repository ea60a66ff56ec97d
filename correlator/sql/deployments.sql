-- Question: which deployments had happened by then?
-- One row: one deployment as last reported. Parameters: $until (UTC). Order: deployment_id.
SELECT
    deployment_id,
    service,
    environment,
    version,
    revision,
    repository,
    artifact,
    started_at,
    finished_at,
    type,
    status,
    canary_until
FROM deployments
WHERE coalesce(finished_at, started_at) <= $until
ORDER BY deployment_id
