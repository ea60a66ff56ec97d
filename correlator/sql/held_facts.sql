-- Question: what does the store hold that root causes are made of?
-- One row: load_number, the last load; unnumbered_count, spans and exceptions that no load numbers; new_count, those of
--   later loads than $load_number; held_count, all of them.
-- Parameters: $load_number.
SELECT
    (SELECT coalesce(max(load_number), 0) FROM loads) AS load_number,
    (SELECT count(*) FROM spans WHERE load_number IS NULL)
    + (SELECT count(*) FROM exceptions WHERE load_number IS NULL) AS unnumbered_count,
    (SELECT count(*) FROM spans WHERE load_number > $load_number)
    + (SELECT count(*) FROM exceptions WHERE load_number > $load_number) AS new_count,
    (SELECT count(*) FROM spans) + (SELECT count(*) FROM exceptions) AS held_count
