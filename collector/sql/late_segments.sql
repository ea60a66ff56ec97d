-- Question: which segments have late spans that are not in operation_hours yet, though the others are?
-- One row: one segment with its late spans.
-- Parameters: none.
-- Order: segment, which is the order of receipt.
SELECT segment, late_count AS span_count
FROM folded_segments
WHERE late_folded_at IS NULL
ORDER BY segment
