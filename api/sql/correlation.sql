-- Question: which correlation do the inferences come from?
-- One row: the newest run; none before the first.
-- Parameters: none.
-- Order: at most one row.
SELECT as_of, facts_digest, rules, inferences_digest
FROM correlation_runs
ORDER BY as_of DESC
LIMIT 1
