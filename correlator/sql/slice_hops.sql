-- Which failures are the failure of a span above them too?
--
-- One row is one hop: a failing span passes its failure up to the nearest failing span above it unless something shows
-- that it did not (slice_pairs).

CREATE OR REPLACE TEMP TABLE slice_hops AS
WITH
-- The wanted rows come from a table, whose size is known: where it is a guess, every stack that is stored may be gathered.
texts AS MATERIALIZED (
    SELECT rowid AS stack_row, stacktrace
    FROM stacks
    WHERE rowid IN (SELECT caller_stack_row FROM slice_pairs WHERE is_hop IS NULL)
),

-- Python prints the exceptions that an exception came from. One that is not printed was handled before.
unprinted AS (
    SELECT p.trace_id, p.span_id
    FROM slice_pairs AS p
    JOIN texts AS e ON e.stack_row = p.caller_stack_row
    WHERE
        p.is_hop IS NULL
        AND e.stacktrace LIKE '%Traceback (most recent call last)%'
        AND NOT contains(e.stacktrace, p.short_type)
)

SELECT p.trace_id, p.span_id, p.caller_id, p.is_same_service
FROM slice_pairs AS p
ANTI JOIN unprinted AS u ON u.trace_id = p.trace_id AND u.span_id = p.span_id
WHERE p.is_hop IS NOT FALSE
