-- Task: list in touched_traces the traces of wrong_shapes.
-- One row: as touched_traces.sql.
-- Parameters: $slice_traces, traces of one slice.
CREATE OR REPLACE TEMP TABLE touched_traces AS
SELECT
    trace_id,
    first_ns,
    last_ns,
    ((row_number() OVER (ORDER BY first_ns, trace_id) - 1) // $slice_traces)::INTEGER AS slice
FROM failing_traces
SEMI JOIN wrong_shapes USING (trace_id)
