-- Question: how often did each operation of each service run and fail, per revision and hour?
-- One row: (service, environment, revision as sent, operation, hour). Hours without traffic have no row.
-- Parameters: $until, spans that started until then (UTC).
-- Order: service, environment, operation, hour, revision.
WITH distinct_spans AS (
    SELECT
        trace_id,
        span_id,
        min(service) AS service,
        min(coalesce(environment, '')) AS environment,
        min(coalesce(revision, service_version)) AS revision,
        min(name) AS operation,
        max(status_code) AS status_code,
        min(start_time) AS start_time
    FROM spans
    WHERE start_time <= $until::TIMESTAMP_NS
    GROUP BY trace_id, span_id
)
SELECT
    service,
    environment,
    revision,
    operation,
    date_trunc('hour', start_time::TIMESTAMP) AS hour_at,
    count(*) AS span_count,
    count(*) FILTER (WHERE status_code = 2) AS error_count,
    min(start_time)::TIMESTAMP AS first_seen_at,
    max(start_time)::TIMESTAMP AS last_seen_at
FROM distinct_spans
GROUP BY service, environment, revision, operation, hour_at
ORDER BY service, environment, operation, hour_at, revision NULLS FIRST
