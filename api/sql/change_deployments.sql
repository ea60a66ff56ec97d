-- Question: when and where did these changes first run in production?
-- One row: one change in one service and environment.
-- Parameters: $shas, mainline commits, full hex.
-- Order: change, then by time, service, environment.
SELECT repository, sha, service, environment, deployed_at, deployment_sha, has_traces, has_revision
FROM change_deployments
WHERE list_contains($shas, sha)
ORDER BY repository, sha, deployed_at, service, environment
