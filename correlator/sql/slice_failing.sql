-- Which of those spans failed?
--
-- One row is one failing span: its status is Error, or an exception that counts was recorded in it (span event, or log
-- record of severity ERROR and above) and it is not a CLIENT or PRODUCER; a status of Ok set by the developer wins.

CREATE OR REPLACE TEMP TABLE slice_failing AS
SELECT
    t.trace_id,
    t.span_id,
    t.parent_span_id,
    t.service,
    t.kind,
    t.start_ns,
    t.end_ns,
    t.duration_ns,
    t.call,
    t.error_type,
    t.rpc_grpc_status_code,
    coalesce(e.type, t.exception_type) AS type,
    coalesce(e.short_type, regexp_extract(t.exception_type, '[^.:/\\$]*$')) AS short_type,
    CASE WHEN e.type IS NULL AND e.message IS NULL THEN t.exception_message ELSE e.message END AS message,
    e.stack_row,
    -- When it failed: at its exception, else at its end.
    least(coalesce(epoch_ns(e.recorded_at), t.end_ns), t.end_ns) AS failed_ns
FROM slice_spans AS t
LEFT JOIN slice_exceptions AS e ON e.trace_id = t.trace_id AND e.span_id = t.span_id
WHERE
    t.status_code = 2
    OR (t.status_code <> 1 AND t.kind NOT IN (3, 4) AND e.span_id IS NOT NULL)
