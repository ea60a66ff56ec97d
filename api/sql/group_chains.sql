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
    g.detector,
    g.title,
    g.first_seen_at AS failed_at
FROM failure_groups AS g
WHERE list_contains($group_ids, g.group_id)
ORDER BY g.group_id
