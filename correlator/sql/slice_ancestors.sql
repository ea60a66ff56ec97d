-- Which spans are above each failing span?
--
-- One row is one pair, with the number of hops between them.

CREATE OR REPLACE TEMP TABLE slice_ancestors AS
WITH RECURSIVE
-- Every failing span with each span above it. The depth is bounded, so that a cycle of parents ends.
climb AS (
    SELECT trace_id, span_id AS failing_id, parent_span_id AS ancestor_id, 1 AS hops
    FROM slice_failing
    WHERE parent_span_id IS NOT NULL
    UNION ALL
    SELECT c.trace_id, c.failing_id, t.parent_span_id, c.hops + 1
    FROM climb AS c
    JOIN slice_spans AS t ON t.trace_id = c.trace_id AND t.span_id = c.ancestor_id
    WHERE t.parent_span_id IS NOT NULL AND c.hops < 64
)

SELECT c.trace_id, c.failing_id, c.ancestor_id, min(c.hops) AS hops
FROM climb AS c
SEMI JOIN slice_spans AS t ON t.trace_id = c.trace_id AND t.span_id = c.ancestor_id
WHERE c.ancestor_id <> c.failing_id
GROUP BY c.trace_id, c.failing_id, c.ancestor_id
