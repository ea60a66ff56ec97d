-- Question: how many spans did the services of incidents send while they were open?
-- One row: one incident whose service sent any. span_count: those of every hour that it was open in, is_whole: each of them
--   stands for itself alone, as far as spans and settings tell.
-- Parameters: none; hours_until, as operation_hours.sql answers, and asked_incidents (incident_id, service, environment,
--   opened_at, until; a row for each environment that the incident may mean).
-- Order: by id.
WITH open_hours AS (
    SELECT
        incident_id,
        service,
        environment,
        opened_at,
        "until",
        unnest(generate_series(date_trunc('hour', opened_at), "until", INTERVAL 1 HOUR)) AS hour_at
    FROM asked_incidents
)
-- The spans of an hour may all lie before the alarm in its first one, or behind the end in its last.
SELECT
    o.incident_id,
    sum(h.span_count)::BIGINT AS span_count,
    bool_and(h.weighed_count = h.span_count AND h.span_weight = h.span_count) AS is_whole
FROM open_hours AS o
JOIN hours_until AS h USING (service, environment, hour_at)
WHERE h.last_seen_at >= o.opened_at AND h.first_seen_at <= o."until"
GROUP BY o.incident_id
ORDER BY o.incident_id
