-- Which exception stands for each root, and what is its stack?
--
-- One row is one root with an exception of its own, or else of the nearest failure above it in its service (an HTTP client
-- sets only the status). The stack is that of the outermost record of that exception, or of one that prints it as its
-- cause: it shows more callers.

CREATE OR REPLACE TEMP TABLE slice_stacks AS
WITH RECURSIVE
-- The hops of each root inside its own service: an outer span's record of the same exception shows more callers.
carriers AS (
    SELECT r.trace_id, r.span_id AS root_id, r.span_id AS carrier_id, 0 AS hops
    FROM slice_roots AS r
    UNION ALL
    SELECT c.trace_id, c.root_id, h.caller_id, c.hops + 1
    FROM carriers AS c
    JOIN slice_hops AS h ON h.trace_id = c.trace_id AND h.span_id = c.carrier_id
    WHERE h.is_same_service AND c.hops < 64
),

-- A root without an exception of its own (an HTTP client sets only the status) takes the nearest one above it.
named AS MATERIALIZED (
    SELECT
        c.trace_id,
        c.root_id,
        f.type,
        f.short_type,
        f.message
    FROM carriers AS c
    JOIN slice_failures AS f ON f.trace_id = c.trace_id AND f.span_id = c.carrier_id
    WHERE f.type IS NOT NULL OR f.message IS NOT NULL OR f.stack_row IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY c.trace_id, c.root_id ORDER BY c.hops) = 1
),

-- The stacks on the way up.
carried AS MATERIALIZED (
    SELECT
        c.trace_id,
        c.root_id,
        c.hops,
        f.stack_row,
        n.short_type,
        n.message,
        f.short_type IS NOT DISTINCT FROM n.short_type AND f.message IS NOT DISTINCT FROM n.message AS is_same
    FROM carriers AS c
    JOIN named AS n ON n.trace_id = c.trace_id AND n.root_id = c.root_id
    JOIN slice_failures AS f ON f.trace_id = c.trace_id AND f.span_id = c.carrier_id
    WHERE f.stack_row IS NOT NULL
),

-- Asked for by IN: as a join, every stack that is stored may be gathered.
other_texts AS MATERIALIZED (
    SELECT rowid AS stack_row, stacktrace
    FROM exceptions
    WHERE rowid IN (SELECT stack_row FROM carried WHERE NOT is_same AND short_type <> '')
),

-- The stack of the outermost record of that exception, or of one that prints it as its cause.
outermost AS (
    SELECT trace_id, root_id, hops, stack_row FROM carried WHERE is_same
    UNION ALL
    SELECT c.trace_id, c.root_id, c.hops, c.stack_row
    FROM carried AS c
    JOIN other_texts AS e ON e.stack_row = c.stack_row
    WHERE
        NOT c.is_same
        AND c.short_type <> ''
        AND contains(e.stacktrace, concat_ws(': ', c.short_type, nullif(c.message, '')))
),

chosen AS MATERIALIZED (
    SELECT trace_id, root_id, arg_max(stack_row, hops) AS stack_row FROM outermost GROUP BY trace_id, root_id
),

texts AS MATERIALIZED (
    SELECT rowid AS stack_row, stacktrace FROM exceptions WHERE rowid IN (SELECT stack_row FROM chosen)
)

SELECT n.trace_id, n.root_id, n.type, n.message, t.stacktrace
FROM named AS n
LEFT JOIN chosen AS c ON c.trace_id = n.trace_id AND c.root_id = n.root_id
LEFT JOIN texts AS t ON t.stack_row = c.stack_row
