-- Question: has a person decided anything since?
-- One row: a text that changes with every verdict.
-- Parameters: none.
-- Order: one row.
SELECT count(*) || ' ' || coalesce(CAST(max(decided_at) AS VARCHAR), '') AS watermark
FROM verdicts
