-- Task: list the rows of operation_hours that arrived_hours continues in the temporary table known_hours.
-- One row: one row of operation_hours with the hour_key of arrived_hours.
-- Parameters: none.
CREATE OR REPLACE TEMP TABLE known_hours AS
SELECT
    a.hour_key,
    o.span_count,
    o.error_count,
    o.exception_count,
    o.displaced_count,
    o.weighed_count,
    o.span_weight,
    o.failing_weight,
    o.duration_ns_sum,
    o.duration_counts,
    o.first_seen_at,
    o.last_seen_at,
    o.last_received_at
FROM operation_hours AS o
JOIN arrived_hours AS a
    ON a.hour_at = o.hour_at
    AND a.operation = o.operation
    AND a.service = o.service
    AND a.environment = o.environment
    AND a.revision IS NOT DISTINCT FROM o.revision
    AND a.kind = o.kind
