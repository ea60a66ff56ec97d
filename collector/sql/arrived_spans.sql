-- Task: list the spans of some segments in the temporary table arrived_spans.
-- One row: one row of spans, by its row id, which holds within this transaction.
-- Parameters: $segments, list of segment numbers; $is_late, the late spans (macro is_late) or the others.
CREATE OR REPLACE TEMP TABLE arrived_spans AS
SELECT s.trace_id, s.span_id, s.start_time, s.rowid AS row_id
FROM spans AS s
SEMI JOIN (SELECT unnest($segments::BIGINT[]) AS segment) AS g ON g.segment = s.segment
WHERE is_late(s.start_time, s.received_at) = $is_late
