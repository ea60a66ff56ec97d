-- Question: which segments hold spans that are not in operation_hours yet?
-- One row: one segment with the spans that it brought.
-- Parameters: none.
-- Order: segment, which is the order of receipt.
SELECT d.segment, d.span_count
FROM spool_done AS d
ANTI JOIN folded_segments AS f ON f.segment = d.segment
ORDER BY d.segment
