-- Task: list in the temporary table arrived_shapes the shapes whose first root cause is one that arrived.
-- One row: one shape, by its first root cause. A shape whose first was looked at again counts anew; whether an older one
--   is first then, orphaned_shapes.sql asks.
-- Parameters: $slice, the traces that were looked at.
CREATE OR REPLACE TEMP TABLE arrived_shapes AS
WITH first_ AS (
    SELECT *
    FROM shaped_causes
    QUALIFY row_number() OVER (PARTITION BY shape_id ORDER BY failed_at, trace_id, span_id) = 1
)
SELECT n.* EXCLUDE (resource_id, alike_id)
FROM first_ AS n
LEFT JOIN failure_shapes AS k ON k.shape_id = n.shape_id
LEFT JOIN touched_traces AS t ON t.trace_id = k.trace_id AND t.slice = $slice
WHERE
    k.shape_id IS NULL
    OR t.trace_id IS NOT NULL
    OR (n.failed_at, n.trace_id, n.span_id) < (k.failed_at, k.trace_id, k.span_id)
