-- Which failures of its service may carry what each root failed of?
--
-- One row is one root with one failure: itself, hops 0, or one that its failure passed on to inside its own service. The
-- record of the same exception on an outer span shows more callers.

CREATE OR REPLACE TEMP TABLE slice_carriers AS
WITH RECURSIVE
carriers AS (
    SELECT r.trace_id, r.span_id AS root_id, r.span_id AS carrier_id, 0 AS hops
    FROM slice_roots AS r
    UNION ALL
    SELECT c.trace_id, c.root_id, h.caller_id, c.hops + 1
    FROM carriers AS c
    JOIN slice_hops AS h ON h.trace_id = c.trace_id AND h.span_id = c.carrier_id
    WHERE h.is_same_service AND c.hops < 64
)

SELECT
    c.trace_id,
    c.root_id,
    c.hops,
    f.type,
    f.short_type,
    f.message,
    f.stack_row
FROM carriers AS c
JOIN slice_failures AS f ON f.trace_id = c.trace_id AND f.span_id = c.carrier_id
