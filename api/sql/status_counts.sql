-- Question: how much telemetry does the store hold?
-- One row: both counts.
-- Parameters: none.
-- Order: one row.
SELECT
    (SELECT count(*) FROM spans) AS span_count,
    (SELECT count(*) FROM exceptions) AS exception_count
