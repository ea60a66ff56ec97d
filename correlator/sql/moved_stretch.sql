-- Question: between which times did all fail that moved_minutes concerns?
-- One row: both null when it concerns none.
SELECT
    min(least(m.first_failed_at, f.first_failed_at)) AS first_failed_at,
    max(greatest(m.last_failed_at, f.last_failed_at)) AS last_failed_at
FROM moved_minutes AS m
LEFT JOIN failure_minutes AS f ON f.alike_id = m.alike_id
