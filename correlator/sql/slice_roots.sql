-- Which failures does no failure below them explain?
--
-- One row is one root: a failure that is nobody's caller in slice_hops.

CREATE OR REPLACE TEMP TABLE slice_roots AS
SELECT
    f.trace_id,
    f.span_id,
    f.service,
    f.kind,
    f.start_ns,
    f.duration_ns,
    f.error_type,
    f.rpc_grpc_status_code,
    f.type,
    f.message
FROM slice_failures AS f
ANTI JOIN slice_hops AS h ON h.trace_id = f.trace_id AND h.caller_id = f.span_id
