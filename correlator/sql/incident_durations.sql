-- Question: how long did requests to the services of incidents take while they were open, and in the days before?
-- One row: one bucket (macro duration_bucket) of one operation (kinds SERVER and CONSUMER) of one incident's service;
--   is_open, whether of the hours in which it was open, or of the older half of what was counted in the fortnight before
--   the six hours before it: what slowed some days ago and was noticed late must not be its own standard.
-- Parameters: none; asked_incidents (incident_id, service, environment, opened_at, until, closed_at; a row for each
--   environment that the incident may mean). Hours from closed_at on are not looked at.
-- Order: incident_id, operation, is_open, bucket.
WITH counted AS (
    SELECT
        a.incident_id,
        h.operation,
        h.hour_at,
        h.hour_at >= date_trunc('hour', a.opened_at) AS is_open,
        h.span_count,
        h.duration_counts
    FROM asked_incidents AS a
    JOIN operation_hours AS h
        ON h.service = a.service
        AND h.environment = a.environment
        AND h.hour_at >= a.opened_at - INTERVAL 14 DAY
        AND h.hour_at <= a."until"
        AND h.hour_at < a.closed_at
    WHERE
        h.kind IN (2, 5)
        AND (h.hour_at >= date_trunc('hour', a.opened_at) OR h.hour_at < a.opened_at - INTERVAL 6 HOUR)
),
hours AS (
    SELECT
        incident_id,
        hour_at,
        sum(sum(span_count)) OVER (PARTITION BY incident_id ORDER BY hour_at) - sum(span_count) AS earlier_count,
        sum(sum(span_count)) OVER (PARTITION BY incident_id) AS total_count
    FROM counted
    WHERE NOT is_open
    GROUP BY incident_id, hour_at
),
kept AS (
    SELECT incident_id, operation, is_open, duration_counts FROM counted WHERE is_open
    UNION ALL
    SELECT c.incident_id, c.operation, c.is_open, c.duration_counts
    FROM counted AS c
    JOIN hours AS h USING (incident_id, hour_at)
    WHERE NOT c.is_open AND 2 * h.earlier_count < h.total_count
),
entries AS (
    SELECT incident_id, operation, is_open, unnest(map_entries(duration_counts)) AS entry FROM kept
)
SELECT
    incident_id,
    operation,
    is_open,
    entry.key::INTEGER AS bucket,
    sum(entry.value)::BIGINT AS span_count
FROM entries
GROUP BY incident_id, operation, is_open, entry.key
ORDER BY incident_id, operation, is_open, bucket
