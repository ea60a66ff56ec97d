-- Question: which production deployments were there, and which needed intervention?
-- One row: one deployment.
-- Parameters: $as_of, UTC: a recovery after it has not happened yet; $environments, names of production.
-- Order: by service, environment and time.
SELECT
    service,
    environment,
    deployed_at,
    deployment_id,
    sha,
    is_rollback,
    is_failed,
    is_unplanned,
    CASE WHEN recovered_at <= $as_of THEN recovered_at END AS recovered_at,
    change_count,
    lead_time_s
FROM deployment_outcomes
WHERE deployed_at <= $as_of AND list_contains($environments, environment)
ORDER BY service, environment, deployed_at
