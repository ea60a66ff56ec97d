-- Question: what had pipelines told of their builds by then?
-- One row: one build. Parameters: $until, built until then, or received when that was not told (UTC).
-- Order: artifact, revision.
SELECT artifact, revision, repository, service, version
FROM artifacts
WHERE coalesce(built_at, received_at) <= $until
ORDER BY artifact, revision
