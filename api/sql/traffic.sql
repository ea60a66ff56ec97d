-- Question: how often did each operation run and fail, and how long did it take?
-- One row: (service, environment, operation, kind, revision), and hour when $is_hourly; duration_counts is a list of
--   {bucket, span_count}.
-- Parameters: $service, $environment, $operation, $revision: only that one, or null; $since, $until: hours that begin in
--   [since, until), UTC, null: open; $is_hourly; $cursor_*: the key of the last row of the page before, or nulls;
--   $row_count.
-- Order: service, environment, operation, kind, revision, hour.
WITH hours AS (
    SELECT
        service,
        environment,
        operation,
        kind,
        coalesce(revision, '') AS revision,
        CASE WHEN $is_hourly THEN hour_at ELSE date_trunc('hour', coalesce($since, TIMESTAMP '1970-01-01')) END AS begins_at,
        span_count,
        error_count,
        exception_count,
        displaced_count,
        weighed_count,
        span_weight,
        failing_weight,
        duration_ns_sum,
        duration_counts,
        first_seen_at,
        last_seen_at
    FROM operation_hours
    WHERE ($service IS NULL OR service = $service)
      AND ($environment IS NULL OR environment = $environment)
      AND ($operation IS NULL OR operation = $operation)
      AND ($revision IS NULL OR revision = $revision)
      AND ($since IS NULL OR hour_at >= $since)
      AND ($until IS NULL OR hour_at < $until)
),
counts AS (
    SELECT
        service,
        environment,
        operation,
        kind,
        revision,
        begins_at,
        sum(span_count)::BIGINT AS span_count,
        sum(error_count)::BIGINT AS error_count,
        sum(exception_count)::BIGINT AS exception_count,
        sum(displaced_count)::BIGINT AS displaced_count,
        sum(weighed_count)::BIGINT AS weighed_count,
        sum(span_weight)::DOUBLE AS span_weight,
        sum(failing_weight)::DOUBLE AS failing_weight,
        sum(duration_ns_sum)::DOUBLE AS duration_ns_sum,
        min(first_seen_at) AS first_seen_at,
        max(last_seen_at) AS last_seen_at
    FROM hours
    WHERE $cursor_service::VARCHAR IS NULL
       OR (service, environment, operation, kind, revision, begins_at)
        > ($cursor_service, $cursor_environment, $cursor_operation, $cursor_kind, $cursor_revision, $cursor_begins_at)
    GROUP BY service, environment, operation, kind, revision, begins_at
    ORDER BY service, environment, operation, kind, revision, begins_at
    LIMIT $row_count
),
buckets AS (
    SELECT
        service, environment, operation, kind, revision, begins_at, entry.key AS bucket, sum(entry.value)::BIGINT AS span_count
    FROM (
        SELECT
            h.service, h.environment, h.operation, h.kind, h.revision, h.begins_at, unnest(map_entries(h.duration_counts)) AS entry
        FROM hours AS h
        SEMI JOIN counts AS c
            ON c.service = h.service
            AND c.environment = h.environment
            AND c.operation = h.operation
            AND c.kind = h.kind
            AND c.revision = h.revision
            AND c.begins_at = h.begins_at
    )
    GROUP BY service, environment, operation, kind, revision, begins_at, bucket
),
durations AS (
    SELECT
        service,
        environment,
        operation,
        kind,
        revision,
        begins_at,
        list({'bucket': bucket, 'span_count': span_count} ORDER BY bucket) AS duration_counts
    FROM buckets
    GROUP BY service, environment, operation, kind, revision, begins_at
)
SELECT
    c.service,
    c.environment,
    c.operation,
    c.kind,
    c.revision,
    c.begins_at,
    c.span_count,
    c.error_count,
    c.exception_count,
    c.displaced_count,
    c.weighed_count,
    c.span_weight,
    c.failing_weight,
    c.duration_ns_sum,
    d.duration_counts,
    c.first_seen_at,
    c.last_seen_at
FROM counts AS c
JOIN durations AS d
    ON d.service = c.service
    AND d.environment = c.environment
    AND d.operation = c.operation
    AND d.kind = c.kind
    AND d.revision = c.revision
    AND d.begins_at = c.begins_at
ORDER BY c.service, c.environment, c.operation, c.kind, c.revision, c.begins_at
