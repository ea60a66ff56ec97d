-- Question: has a person decided, labelled or reviewed anything since?
-- One row: a text that changes with every verdict, every label of an audit and every review of a request.
-- Parameters: none.
-- Order: one row.
SELECT concat_ws(' ',
    (SELECT concat_ws(',', count(*), max(decided_at)) FROM verdicts),
    (SELECT concat_ws(',', count(*), max(labelled_at)) FROM provenance_labels),
    (SELECT concat_ws(',', count(*), max(stated_at)) FROM provenance_overrides),
    (SELECT concat_ws(',', count(*), max(received_at)) FROM reviews)
) AS watermark
