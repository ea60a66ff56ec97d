-- Which exception stands for each root, and what is its stack?
--
-- One row is one root with an exception (slice_carried) and the stack that shows most of it (slice_outermost).

CREATE OR REPLACE TEMP TABLE slice_stacks AS
WITH
-- The wanted rows come from a table, as in slice_hops.
texts AS MATERIALIZED (
    SELECT rowid AS stack_row, stacktrace FROM stacks WHERE rowid IN (SELECT stack_row FROM slice_outermost)
)

SELECT o.trace_id, o.root_id, o.type, o.message, t.stacktrace
FROM slice_outermost AS o
LEFT JOIN texts AS t ON t.stack_row = o.stack_row
