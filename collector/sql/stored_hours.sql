-- Task: store arrived_hours, each added to the row of known_hours that it continues.
-- Parameters: none.
INSERT INTO operation_hours BY NAME
WITH buckets AS (
    SELECT hour_key, bucket, sum(span_count)::BIGINT AS span_count
    FROM (
        SELECT hour_key, bucket, span_count FROM arrived_durations
        UNION ALL
        SELECT hour_key, entry.key, entry.value
        FROM (SELECT hour_key, unnest(map_entries(duration_counts)) AS entry FROM known_hours)
    )
    GROUP BY hour_key, bucket
),
durations AS (
    SELECT hour_key, map(list(bucket ORDER BY bucket), list(span_count ORDER BY bucket)) AS duration_counts
    FROM buckets
    GROUP BY hour_key
)
SELECT
    a.service,
    a.environment,
    a.revision,
    a.operation,
    a.kind,
    a.hour_at,
    a.span_count + coalesce(k.span_count, 0) AS span_count,
    a.error_count + coalesce(k.error_count, 0) AS error_count,
    a.exception_count + coalesce(k.exception_count, 0) AS exception_count,
    a.displaced_count + coalesce(k.displaced_count, 0) AS displaced_count,
    a.weighed_count + coalesce(k.weighed_count, 0) AS weighed_count,
    (a.span_weight + coalesce(k.span_weight, 0))::DECIMAL(38, 6) AS span_weight,
    (a.failing_weight + coalesce(k.failing_weight, 0))::DECIMAL(38, 6) AS failing_weight,
    (a.duration_ns_sum + coalesce(k.duration_ns_sum, 0))::DECIMAL(38, 0) AS duration_ns_sum,
    d.duration_counts,
    least(a.first_seen_at, k.first_seen_at) AS first_seen_at,
    greatest(a.last_seen_at, k.last_seen_at) AS last_seen_at,
    greatest(a.last_received_at, k.last_received_at) AS last_received_at
FROM arrived_hours AS a
JOIN durations AS d ON d.hour_key = a.hour_key
LEFT JOIN known_hours AS k ON k.hour_key = a.hour_key
ORDER BY a.hour_at, a.service, a.environment, a.operation, a.kind, a.revision NULLS FIRST
