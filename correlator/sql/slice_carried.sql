-- Which stacks were recorded on the way up from each root, and are they of its exception?
--
-- One row is one root with one of its carriers. Exception: the root's own, or else of the nearest failure above it in its
-- service (an HTTP client sets only the status); a root without any has no row.

CREATE OR REPLACE TEMP TABLE slice_carried AS
WITH
named AS MATERIALIZED (
    SELECT trace_id, root_id, type, short_type, message
    FROM slice_carriers
    WHERE type IS NOT NULL OR message IS NOT NULL OR stack_row IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY trace_id, root_id ORDER BY hops) = 1
)

SELECT
    c.trace_id,
    c.root_id,
    c.hops,
    c.stack_row,
    n.type,
    n.short_type,
    n.message,
    c.short_type IS NOT DISTINCT FROM n.short_type AND c.message IS NOT DISTINCT FROM n.message AS is_same
FROM slice_carriers AS c
JOIN named AS n ON n.trace_id = c.trace_id AND n.root_id = c.root_id
