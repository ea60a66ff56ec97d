-- Question: which services took part in these traces, and below which span?
-- One row: (trace, span) of a trace in $trace_ids, with its parent, service, operation and status.
-- Parameters: $trace_ids, hex trace ids; $until, spans that started until then (UTC).
-- Order: trace, start time, span, parent.
SELECT
    trace_hex(trace_id) AS trace_id,
    span_hex(span_id) AS span_id,
    CASE WHEN parent_span_id IS NOT NULL THEN span_hex(parent_span_id) END AS parent_span_id,
    min(service) AS service,
    min(coalesce(environment, '')) AS environment,
    min(name) AS operation,
    min(http_route) AS http_route,
    min(kind) AS kind,
    max(status_code) AS status_code,
    min(start_time)::TIMESTAMP AS started_at,
    max(duration_ns) AS duration_ns
FROM spans
WHERE trace_id IN (SELECT unnest($trace_ids)::UUID) AND start_time <= $until::TIMESTAMP_NS
GROUP BY trace_id, spans.span_id, parent_span_id
ORDER BY trace_id, started_at, span_id, parent_span_id NULLS FIRST
