-- Which failing spans are a failure of the service that they ran in?
--
-- One row is one failing span that was not on the way to a refusal. 4xx answers point at the caller.

CREATE OR REPLACE TEMP TABLE slice_failures AS
WITH
-- A SERVER that answers 4xx (HTTP) or with a code that means "you asked wrongly" (gRPC) under a failing CLIENT did its
-- work: the caller's request was at fault, and whatever was recorded on the way to that answer is not a failure.
refusals AS (
    SELECT t.trace_id, t.span_id
    FROM slice_spans AS t
    JOIN slice_failing AS c ON c.trace_id = t.trace_id AND c.span_id = t.parent_span_id AND c.kind = 3
    WHERE
        t.kind = 2
        AND t.status_code <> 2
        AND (t.http_response_status_code BETWEEN 400 AND 499 OR t.rpc_grpc_status_code IN (3, 5, 6, 7, 9, 11, 16))
),

refused AS (
    SELECT trace_id, span_id FROM refusals
    UNION
    SELECT a.trace_id, a.failing_id
    FROM slice_ancestors AS a
    JOIN refusals AS r ON r.trace_id = a.trace_id AND r.span_id = a.ancestor_id
)

SELECT
    f.trace_id,
    f.span_id,
    f.parent_span_id,
    f.service,
    f.kind,
    f.start_ns,
    f.end_ns,
    f.duration_ns,
    f.call,
    f.error_type,
    f.rpc_grpc_status_code,
    f.type,
    f.short_type,
    f.message,
    f.stack_row,
    f.failed_ns
FROM slice_failing AS f
ANTI JOIN refused AS r ON r.trace_id = f.trace_id AND r.span_id = f.span_id
