-- Question: how many spans does no hour count yet?
-- One row, one column.
-- Parameters: none.
SELECT coalesce(sum(d.span_count), 0)::BIGINT AS span_count
FROM loads AS d
ANTI JOIN folded_loads AS f ON f.load_number = d.load_number
