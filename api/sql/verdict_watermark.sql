-- Question: has a person decided or labelled anything since?
-- One row: a text that changes with every verdict and with every label of an audit.
-- Parameters: none.
-- Order: one row.
SELECT concat_ws(' ',
    (SELECT concat_ws(',', count(*), max(decided_at)) FROM verdicts),
    (SELECT concat_ws(',', count(*), max(labelled_at)) FROM provenance_labels),
    (SELECT concat_ws(',', count(*), max(stated_at)) FROM provenance_overrides)
) AS watermark
