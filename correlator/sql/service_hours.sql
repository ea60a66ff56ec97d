-- Question: when was each service seen, on which revision?
-- One row: (service, environment, revision as sent, hour). is_weighed: the sampling of every span in it is known.
-- Parameters: none; hours_until, as operation_hours.sql answers.
-- Order: service, environment, revision, hour.
SELECT
    service,
    environment,
    revision,
    hour_at,
    bool_and(weighed_count = span_count) AS is_weighed,
    min(first_seen_at) AS first_seen_at,
    max(last_seen_at) AS last_seen_at
FROM hours_until
GROUP BY service, environment, revision, hour_at
ORDER BY service, environment, revision NULLS FIRST, hour_at
