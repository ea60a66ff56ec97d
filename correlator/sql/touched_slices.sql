-- Question: which slices does touched_traces have, and which stretch of time do they cover?
-- One row: one slice with its traces; first_ns and last_ns as in touched_traces.
-- Order: slice.
SELECT slice, min(first_ns) AS first_ns, max(last_ns) AS last_ns, count(*) AS trace_count
FROM touched_traces
GROUP BY slice
ORDER BY slice
