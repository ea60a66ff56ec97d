-- Question: what must operation_hours.sql read from raw spans?
-- One row: first_ns and last_ns, start (ns since the Unix epoch) of the first and last span that operation_hours does not
--   count yet, null when it counts all; parted_at, the hour of $until when some of what operation_hours counts in it
--   started later, else null; parted_count, how many spans it counts in that hour.
-- Parameters: $until, UTC.
-- Order: one row.
WITH uncounted AS (
    SELECT epoch_ns(min(start_time)) AS first_ns, epoch_ns(max(start_time)) AS last_ns FROM unfolded_spans
),
hour_of_until AS (
    SELECT
        coalesce(sum(span_count), 0)::BIGINT AS span_count,
        coalesce(bool_or(first_seen_at <= $until AND last_seen_at > $until), FALSE) AS is_parted
    FROM operation_hours
    WHERE hour_at = date_trunc('hour', $until::TIMESTAMP)
)
SELECT
    u.first_ns,
    u.last_ns,
    CASE WHEN h.is_parted THEN date_trunc('hour', $until::TIMESTAMP) END AS parted_at,
    h.span_count AS parted_count
FROM uncounted AS u, hour_of_until AS h
