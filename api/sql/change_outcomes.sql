-- Question: what happened after this change, and how much of it does the change carry?
-- One row: its share of one outcome.
-- Parameters: $repository; $sha, mainline commit.
-- Order: by time, kind and id.
SELECT kind, outcome_id, occurred_at, service, category, severity, weight
FROM change_outcomes
WHERE candidate = 'change' AND repository = $repository AND sha = $sha
ORDER BY occurred_at, kind, outcome_id, "rank"
