-- Question: which trace, span and exception show these failures?
-- One row: one failure group with its sample.
-- Parameters: $group_ids, 16 hex digits each.
-- Order: by id.
SELECT
    g.group_id,
    g.sample_trace_id AS trace_id,
    g.sample_span_id AS span_id,
    g.service,
    g.operation,
    g.exception_type,
    g.message_template,
    t.failed_at
FROM failure_groups AS g
LEFT JOIN group_traces AS t
    ON t.group_id = g.group_id AND t.trace_id = g.sample_trace_id AND t.span_id = g.sample_span_id
WHERE list_contains($group_ids, g.group_id)
ORDER BY g.group_id
