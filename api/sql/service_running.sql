-- Question: what runs of each service?
-- One row: one service, by its newest interval.
-- Parameters: none.
-- Order: none that matters.
SELECT
    service,
    nullif(arg_max(coalesce(revision, ''), started_at), '') AS running_revision,
    nullif(arg_max(coalesce(sha, ''), started_at), '') AS running_sha
FROM running_revisions
GROUP BY service
