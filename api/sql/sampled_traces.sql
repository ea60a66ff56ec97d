-- Question: were the traces thinned out before they reached us?
-- One row: true when a span carries an OpenTelemetry sampling threshold (tracestate "ot=th:..."); th:0 keeps all.
-- Parameters: none.
-- Order: one row.
SELECT count(*) > 0 AS has_sampled_traces
FROM spans
WHERE trace_state IS NOT NULL AND regexp_matches(trace_state, '(^|,)\s*ot=([^,]*;)?th:[0-9a-f]*[1-9a-f]')
