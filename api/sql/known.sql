-- Question: what do answers depend on: which correlation the inferences come from, and what people stated since?
-- One row: the newest correlation; none before the first. watermark is a text that changes with every verdict, every label
--   of an audit, every override of provenance and every review of a request.
-- Parameters: none.
-- Order: at most one row.
SELECT
    as_of,
    inferences_digest,
    concat_ws(' ',
        (SELECT concat_ws(',', count(*), max(decided_at)) FROM verdicts),
        (SELECT concat_ws(',', count(*), max(labelled_at)) FROM provenance_labels),
        (SELECT concat_ws(',', count(*), max(stated_at)) FROM provenance_overrides),
        (SELECT concat_ws(',', count(*), max(received_at)) FROM reviews)
    ) AS watermark
FROM correlation_runs
ORDER BY as_of DESC
LIMIT 1
