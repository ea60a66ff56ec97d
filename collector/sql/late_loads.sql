-- Question: which loads brought late spans that are not in operation_hours yet, though the others are?
-- One row: one load with its late spans.
-- Parameters: none.
-- Order: load_number, which is the order of receipt.
SELECT load_number, late_count AS span_count
FROM folded_loads
WHERE late_folded_at IS NULL
ORDER BY load_number
