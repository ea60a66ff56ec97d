-- Question: what happened, and who carries which share of it?
-- One row: one share of one outcome.
-- Parameters: $as_of, UTC.
-- Order: by kind, outcome and rank.
SELECT
    kind, outcome_id, "rank", occurred_at, service, category, severity, candidate, repository, sha, weight
FROM change_outcomes
WHERE occurred_at <= $as_of
ORDER BY kind, outcome_id, "rank"
