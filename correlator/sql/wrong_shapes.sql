-- Task: list in the temporary table wrong_shapes the orphaned shapes that are shown by another than their first root cause.
-- One row: one shape with the trace of the root cause that is its first now.
CREATE OR REPLACE TEMP TABLE wrong_shapes AS
WITH first_ AS (
    SELECT shape_id, trace_id, span_id
    FROM root_causes
    SEMI JOIN orphaned_shapes USING (shape_id)
    QUALIFY row_number() OVER (PARTITION BY shape_id ORDER BY failed_at, trace_id, span_id) = 1
)
SELECT f.shape_id, f.trace_id
FROM first_ AS f
ANTI JOIN failure_shapes AS k ON k.shape_id = f.shape_id AND k.trace_id = f.trace_id AND k.span_id = f.span_id
