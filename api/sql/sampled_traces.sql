-- Question: were the traces thinned out before they reached us?
-- One row: true when some span stands for more than itself, by its tracestate or the configured ratio of its source.
-- Parameters: none.
-- Order: one row.
SELECT
    EXISTS (SELECT 1 FROM operation_hours WHERE span_weight > weighed_count)
    OR EXISTS (SELECT 1 FROM unfolded_spans WHERE span_weight(trace_state, NULL) > 1) AS has_sampled_traces
