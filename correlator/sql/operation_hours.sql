-- Question: how often did each operation of each service run and fail, per revision and hour?
-- One row: (service, environment, revision as sent, operation, hour). Hours without traffic have no row.
-- Parameters: $until, spans that started until then (UTC); $first_ns and $last_ns as uncounted_spans.sql
--   gives them for it; $partial_at, the hour that is read from raw spans because $until parts what is counted of it, or null.
-- Order: service, environment, operation, hour, revision.
WITH counted AS (
    SELECT
        service,
        environment,
        revision,
        operation,
        hour_at,
        span_count,
        error_count,
        weighed_count,
        span_weight,
        first_seen_at,
        -- An hour that $until parts is read from raw spans below. When those are gone it counts whole.
        least(last_seen_at, $until::TIMESTAMP) AS last_seen_at
    FROM operation_hours
    WHERE first_seen_at <= $until AND ($partial_at::TIMESTAMP IS NULL OR hour_at <> $partial_at)
),
waiting AS (
    SELECT d.load_number FROM loads AS d ANTI JOIN folded_loads AS f ON f.load_number = d.load_number
),
-- Not counted yet, but delivered before: that delivery is counted. Materialized, so that only what matches is asked
-- whether it was.
matches AS MATERIALIZED (
    SELECT u.trace_id, u.span_id, u.start_time, s.load_number, is_late(s.start_time, s.received_at) AS is_late
    FROM spans AS s
    JOIN unfolded_spans AS u ON u.span_id = s.span_id AND u.trace_id = s.trace_id AND u.start_time = s.start_time
    WHERE s.start_time BETWEEN make_timestamp_ns($first_ns::BIGINT) AND make_timestamp_ns($last_ns::BIGINT)
),
repeated AS (
    SELECT DISTINCT trace_id, span_id, start_time
    FROM matches
    WHERE load_number IS NOT NULL
      AND load_number NOT IN (SELECT load_number FROM waiting)
      AND NOT (is_late AND load_number IN (SELECT load_number FROM folded_loads WHERE late_folded_at IS NULL))
),
raw AS (
    SELECT u.service, u.environment, u.revision, u.operation, u.status_code, u.trace_state, u.seen_at
    FROM unfolded_spans AS u
    ANTI JOIN repeated AS r ON r.span_id = u.span_id AND r.trace_id = u.trace_id AND r.start_time = u.start_time
    WHERE $first_ns IS NOT NULL
      AND u.seen_at <= $until
      AND ($partial_at::TIMESTAMP IS NULL OR date_trunc('hour', u.seen_at) <> $partial_at)
    UNION ALL
    SELECT
        min(service) AS service,
        min(coalesce(environment, '')) AS environment,
        min(coalesce(revision, service_version)) AS revision,
        min(name) AS operation,
        max(status_code) AS status_code,
        min(trace_state) AS trace_state,
        min(seen_at(start_time, received_at)) AS seen_at
    FROM spans
    WHERE $partial_at::TIMESTAMP IS NOT NULL
      AND received_at >= $partial_at
      AND seen_at(start_time, received_at) >= $partial_at
      AND seen_at(start_time, received_at) <= $until
    GROUP BY trace_id, span_id, start_time
),
rows_ AS (
    SELECT
        service,
        environment,
        revision,
        operation,
        hour_at,
        span_count,
        error_count,
        weighed_count,
        span_weight,
        first_seen_at,
        last_seen_at
    FROM counted
    UNION ALL
    SELECT
        service,
        environment,
        revision,
        operation,
        date_trunc('hour', seen_at) AS hour_at,
        count(*) AS span_count,
        count(*) FILTER (WHERE status_code = 2) AS error_count,
        count(span_weight(trace_state, NULL)) AS weighed_count,
        coalesce(sum(span_weight(trace_state, NULL)), 0)::DECIMAL(38, 6) AS span_weight,
        min(seen_at) AS first_seen_at,
        max(seen_at) AS last_seen_at
    FROM raw
    GROUP BY service, environment, revision, operation, date_trunc('hour', seen_at)
)
SELECT
    service,
    environment,
    revision,
    operation,
    hour_at,
    sum(span_count)::BIGINT AS span_count,
    sum(error_count)::BIGINT AS error_count,
    sum(weighed_count)::BIGINT AS weighed_count,
    sum(span_weight)::DECIMAL(38, 6) AS span_weight,
    min(first_seen_at) AS first_seen_at,
    max(last_seen_at) AS last_seen_at
FROM rows_
GROUP BY service, environment, revision, operation, hour_at
ORDER BY service, environment, operation, hour_at, revision NULLS FIRST
