-- Which record shows most of the stack of each root's exception?
--
-- One row is one root with an exception: the outermost record of that exception, or of one that prints it as its cause;
-- stack_row is null where there is none.

CREATE OR REPLACE TEMP TABLE slice_outermost AS
WITH
-- The wanted rows come from a table, as in slice_hops.
texts AS MATERIALIZED (
    SELECT rowid AS stack_row, stacktrace
    FROM stacks
    WHERE rowid IN (SELECT stack_row FROM slice_carried WHERE NOT is_same AND short_type <> '')
),

printed AS (
    SELECT c.trace_id, c.root_id, c.hops
    FROM slice_carried AS c
    JOIN texts AS e ON e.stack_row = c.stack_row
    WHERE
        NOT c.is_same
        AND c.short_type <> ''
        AND contains(e.stacktrace, concat_ws(': ', c.short_type, nullif(c.message, '')))
)

SELECT
    c.trace_id,
    c.root_id,
    any_value(c.type) AS type,
    any_value(c.message) AS message,
    arg_max(c.stack_row, c.hops) FILTER (c.stack_row IS NOT NULL AND (c.is_same OR p.root_id IS NOT NULL)) AS stack_row
FROM slice_carried AS c
LEFT JOIN printed AS p ON p.trace_id = c.trace_id AND p.root_id = c.root_id AND p.hops = c.hops
GROUP BY c.trace_id, c.root_id
