-- Question: how many requests did each service answer on each day?
-- One row: one service on one UTC day, in production.
-- Parameters: $as_of, UTC; $environments, names of production.
-- Order: by service and day.
SELECT
    service,
    date_trunc('day', hour_at) AS day_at,
    sum(span_weight)::DOUBLE AS request_count,
    -- A day with spans whose sampling nobody knows has more requests than were counted, by nobody knows how much.
    bool_and(weighed_count = span_count) AS is_known
FROM operation_hours
WHERE kind IN (2, 5) AND hour_at <= $as_of AND list_contains($environments, environment)
GROUP BY ALL
ORDER BY ALL
