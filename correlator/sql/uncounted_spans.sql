-- Question: what must operation_hours.sql read from raw spans?
-- One row: first_ns and last_ns, start (ns since the Unix epoch) of the first and last span that operation_hours does not
--   count yet, null when it counts all; partial_at, the hour of $until when some of what operation_hours counts in it
--   started later and its raw spans are still there, else null.
-- Parameters: $until, UTC.
-- Order: one row.
WITH uncounted AS (
    SELECT epoch_ns(min(start_time)) AS first_ns, epoch_ns(max(start_time)) AS last_ns FROM unfolded_spans
),
hour_of_until AS (
    SELECT
        coalesce(sum(span_count), 0) AS span_count,
        coalesce(bool_or(first_seen_at <= $until AND last_seen_at > $until), FALSE) AS is_parted
    FROM operation_hours
    WHERE hour_at = date_trunc('hour', $until::TIMESTAMP)
)
SELECT
    u.first_ns,
    u.last_ns,
    CASE
        WHEN h.is_parted AND h.span_count <= (
            SELECT count(*)
            FROM spans
            WHERE load_number IS NOT NULL
              AND seen_at(start_time, received_at) >= date_trunc('hour', $until::TIMESTAMP)
              AND seen_at(start_time, received_at) < date_trunc('hour', $until::TIMESTAMP) + INTERVAL 1 HOUR
        )
            THEN date_trunc('hour', $until::TIMESTAMP)
    END AS partial_at
FROM uncounted AS u, hour_of_until AS h
