-- Task: list the spans of some loads in the temporary table arrived_spans.
-- One row: one row of spans, by its row id, which holds within this transaction.
-- Parameters: $loads, list of load numbers; $is_late, the late spans (macro is_late) or the others.
CREATE OR REPLACE TEMP TABLE arrived_spans AS
SELECT s.trace_id, s.span_id, s.start_time, s.rowid AS row_id
FROM spans AS s
SEMI JOIN (SELECT unnest($loads::BIGINT[]) AS load_number) AS g ON g.load_number = s.load_number
WHERE is_late(s.start_time, s.received_at) = $is_late
