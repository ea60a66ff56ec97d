-- Question: which incidents' services sent spans while they were open?
-- One row: one incident.
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
SELECT DISTINCT o.incident_id
FROM open_hours AS o
JOIN hours_until AS h USING (service, environment, hour_at)
WHERE h.last_seen_at >= o.opened_at AND h.first_seen_at <= o."until"
ORDER BY o.incident_id
