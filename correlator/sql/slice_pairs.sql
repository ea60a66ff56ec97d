-- Which failing span is the nearest above each failure, and did the failure pass on to it?
--
-- One row is one failure with a failing span above it: caller_id. is_hop says whether its failure is that of the caller
-- too; null where the caller's stack has to say. Callers are found by parent, never by name.

CREATE OR REPLACE TEMP TABLE slice_pairs AS
WITH
-- Failing calls that were made again and then succeeded.
retried AS (
    SELECT DISTINCT f.trace_id, f.span_id
    FROM slice_failures AS f
    JOIN slice_spans AS again
        ON again.trace_id = f.trace_id
        AND again.parent_span_id = f.parent_span_id
        AND again.call = f.call
        AND again.start_ns >= f.end_ns
    ANTI JOIN slice_failing AS failed_again
        ON failed_again.trace_id = again.trace_id AND failed_again.span_id = again.span_id
    WHERE f.kind = 3
),

-- Each failure and the nearest failing span above it, if any.
nearest AS (
    SELECT a.trace_id, a.failing_id, a.ancestor_id, a.hops
    FROM slice_ancestors AS a
    SEMI JOIN slice_failures AS lower ON lower.trace_id = a.trace_id AND lower.span_id = a.failing_id
    SEMI JOIN slice_failures AS upper ON upper.trace_id = a.trace_id AND upper.span_id = a.ancestor_id
    QUALIFY row_number() OVER (PARTITION BY a.trace_id, a.failing_id ORDER BY a.hops, a.ancestor_id) = 1
)

SELECT
    d.trace_id,
    d.span_id,
    d.short_type,
    s.span_id AS caller_id,
    s.stack_row AS caller_stack_row,
    d.service = s.service AS is_same_service,
    CASE
        -- A CLIENT fails because the SERVER that it called fails.
        WHEN s.kind = 3 AND d.kind = 2 THEN TRUE
        -- Context managers record one exception on every span that it leaves.
        WHEN s.service = d.service AND s.type IS NOT NULL AND s.short_type = d.short_type
            AND s.message IS NOT DISTINCT FROM d.message THEN TRUE
        -- A producer does not wait for its consumers.
        WHEN d.kind = 5 AND d.service <> s.service THEN FALSE
        WHEN r.span_id IS NOT NULL THEN FALSE
        -- What failed later cannot have caused it; 1 ms for clocks of that resolution. Clocks of two services are
        -- not compared.
        WHEN d.service = s.service AND d.failed_ns > s.failed_ns + 1000000 THEN FALSE
        WHEN d.service = s.service AND d.short_type <> '' AND s.stack_row IS NOT NULL THEN NULL
        ELSE TRUE
    END AS is_hop
FROM nearest AS n
JOIN slice_failures AS d ON d.trace_id = n.trace_id AND d.span_id = n.failing_id
JOIN slice_failures AS s ON s.trace_id = n.trace_id AND s.span_id = n.ancestor_id
LEFT JOIN retried AS r ON r.trace_id = d.trace_id AND r.span_id = d.span_id
