-- Question: were the traces thinned out before they reached us?
-- One row: true when some span stands for more than itself, by its tracestate or the configured ratio of its source.
-- Parameters: none.
-- Order: one row.
SELECT
    EXISTS (SELECT 1 FROM operation_hours WHERE span_weight > weighed_count)
    -- Of spans that are not counted yet; delivered twice they say the same twice.
    OR EXISTS (
        SELECT 1
        FROM spans
        WHERE
            trace_state IS NOT NULL
            AND (load_number IS NULL OR load_number IN (SELECT load_number FROM loads ANTI JOIN folded_loads USING (load_number)))
            AND span_weight(trace_state, NULL) > 1
    ) AS has_sampled_traces
