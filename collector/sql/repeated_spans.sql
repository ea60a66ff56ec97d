-- Task: list those of arrived_spans that repeat another one of them in the temporary table repeated_spans.
-- One row: one row id that is not to be counted. Of equal spans the one that was stored first counts.
-- Parameters: none.
CREATE OR REPLACE TEMP TABLE repeated_spans AS
SELECT a.row_id
FROM arrived_spans AS a
JOIN (
    SELECT trace_id, span_id, start_time
    FROM arrived_spans
    GROUP BY trace_id, span_id, start_time
    HAVING count(*) > 1
) AS r ON r.span_id = a.span_id AND r.trace_id = a.trace_id AND r.start_time = a.start_time
QUALIFY row_number() OVER (PARTITION BY a.trace_id, a.span_id, a.start_time ORDER BY a.row_id) > 1
