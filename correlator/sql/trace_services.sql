-- Question: which services took part in these traces, and below which span?
-- One row: (trace, span) of a trace in $trace_ids, with its parent, service, operation and status.
-- Parameters: $trace_ids, hex trace ids; $until, spans that started until then (UTC).
-- Order: trace, start time, span.
SELECT
    trace_hex(trace_id) AS trace_id,
    span_hex(span_id) AS span_id,
    CASE WHEN parent_span_id IS NOT NULL THEN span_hex(parent_span_id) END AS parent_span_id,
    any_value(service) AS service,
    any_value(coalesce(environment, '')) AS environment,
    any_value(name) AS operation,
    any_value(http_route) AS http_route,
    any_value(kind) AS kind,
    any_value(status_code) AS status_code,
    min(start_time)::TIMESTAMP AS started_at,
    max(duration_ns) AS duration_ns
FROM spans
WHERE trace_id IN (SELECT unnest($trace_ids)::UUID) AND start_time <= $until::TIMESTAMP_NS
GROUP BY trace_id, spans.span_id, parent_span_id
ORDER BY trace_id, started_at, span_id
