-- Question: which loads brought spans that are not in operation_hours yet?
-- One row: one load with the spans that it brought.
-- Parameters: none.
-- Order: load_number, which is the order of receipt.
SELECT d.load_number, d.span_count
FROM loads AS d
ANTI JOIN folded_loads AS f ON f.load_number = d.load_number
ORDER BY d.load_number
