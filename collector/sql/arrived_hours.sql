-- Task: count the spans of some loads, but for repeated_spans, in the temporary table arrived_hours.
-- One row: one row of operation_hours that those spans alone would make, without its durations; hour_key is a hash of
--   what makes it one, by which arrived_durations knows it.
-- Parameters: $loads, list of load numbers; $is_late, the late spans (macro is_late) or the others; $services and
--   $ratios, parallel lists: configured sampling ratio of a service; $ratio, of the other services, or null.
CREATE OR REPLACE TEMP TABLE arrived_hours AS
WITH ratios AS (SELECT unnest($services::VARCHAR[]) AS service, unnest($ratios::DOUBLE[]) AS ratio),
counted AS (
    SELECT
        s.service,
        coalesce(s.environment, '') AS environment,
        coalesce(s.revision, s.service_version) AS revision,
        s.name AS operation,
        s.kind,
        seen_at(s.start_time, s.received_at) AS seen_at,
        s.start_time,
        s.received_at,
        s.duration_ns,
        s.status_code = 2 AS is_error,
        -- As correlator/sql/root_causes.sql has it; exceptions of log records are not known here.
        s.status_code NOT IN (1, 2)
        AND s.kind NOT IN (3, 4)
        AND (s.exception_type IS NOT NULL OR s.exception_message IS NOT NULL) AS has_failed,
        span_weight(s.trace_state, coalesce(r.ratio, $ratio::DOUBLE)) AS weight
    FROM spans AS s
    SEMI JOIN (SELECT unnest($loads::BIGINT[]) AS load_number) AS g ON g.load_number = s.load_number
    ANTI JOIN repeated_spans AS known ON known.row_id = s.rowid
    LEFT JOIN ratios AS r ON r.service = s.service
    WHERE is_late(s.start_time, s.received_at) = $is_late
)
SELECT
    service,
    environment,
    revision,
    operation,
    kind,
    date_trunc('hour', seen_at) AS hour_at,
    hash(service, environment, revision, operation, kind, date_trunc('hour', seen_at)) AS hour_key,
    count(*) AS span_count,
    count(*) FILTER (WHERE is_error) AS error_count,
    count(*) FILTER (WHERE has_failed) AS exception_count,
    count(*) FILTER (WHERE date_trunc('hour', seen_at) <> date_trunc('hour', start_time::TIMESTAMP)) AS displaced_count,
    count(weight) AS weighed_count,
    coalesce(sum(weight), 0)::DECIMAL(38, 6) AS span_weight,
    coalesce(sum(weight) FILTER (WHERE is_error OR has_failed), 0)::DECIMAL(38, 6) AS failing_weight,
    sum(duration_ns)::DECIMAL(38, 0) AS duration_ns_sum,
    min(seen_at) AS first_seen_at,
    max(seen_at) AS last_seen_at,
    max(received_at) AS last_received_at
FROM counted
GROUP BY service, environment, revision, operation, kind, date_trunc('hour', seen_at)
