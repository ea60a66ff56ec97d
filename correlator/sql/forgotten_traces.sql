-- Task: list in touched_traces, in one slice, the failing traces of which the store holds nothing that failed any more.
-- One row: as touched_traces.sql.
CREATE OR REPLACE TEMP TABLE touched_traces AS
SELECT f.trace_id, f.first_ns, f.last_ns, 0 AS slice
FROM failing_traces AS f
ANTI JOIN (
    SELECT trace_id FROM spans WHERE status_code = 2
    UNION ALL
    SELECT trace_id FROM exceptions WHERE trace_id IS NOT NULL AND coalesce(severity_number, 0) NOT BETWEEN 1 AND 16
) AS held ON held.trace_id = f.trace_id
