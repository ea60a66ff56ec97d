-- What went wrong in each span of the traces that are looked at?
--
-- One row is one span with exceptions that count: the earliest of them. A table of its own, as each slice_* is: one
-- statement over all of it holds the memory of every step at once.
--
-- $slice     the traces of touched_traces that are looked at.
-- $until     TIMESTAMP, UTC: exceptions that were recorded until then.
-- $failed_first_ns, $failed_last_ns  ns since the Unix epoch: no exception of these traces that counts was recorded
--   outside of them.

CREATE OR REPLACE TEMP TABLE slice_exceptions AS
WITH
-- Exceptions, duplicates folded; equal exception_id means equal type, message and stack trace.
recorded AS MATERIALIZED (
    SELECT
        trace_id,
        span_id,
        exception_id,
        min("time") AS recorded_at,
        max(source) AS source,
        min(type) AS type,
        min(message) AS message,
        min(stack_id) AS stack_id,
        -- The last segment: log handlers send the bare name, span events the qualified one.
        regexp_extract(min(type), '[^.:/\\$]*$') AS short_type
    FROM exceptions
    SEMI JOIN (SELECT trace_id FROM touched_traces WHERE slice = $slice) USING (trace_id)
    WHERE
        span_id IS NOT NULL
        AND "time" <= $until::TIMESTAMP_NS
        AND "time" BETWEEN make_timestamp_ns($failed_first_ns::BIGINT) AND make_timestamp_ns($failed_last_ns::BIGINT)
        AND coalesce(severity_number, 0) NOT BETWEEN 1 AND 16
    GROUP BY trace_id, span_id, exception_id
),

-- Stacks are long: they stay where they are, and stack_row says where, until one is read.
shown AS MATERIALIZED (
    SELECT stack_id, min(rowid) AS stack_row, any_value(length) AS stack_length
    FROM stacks
    SEMI JOIN recorded USING (stack_id)
    GROUP BY stack_id
),

-- The earliest exception of each span is what went wrong in it.
earliest AS (
    SELECT trace_id, span_id, recorded_at, type, short_type, message
    FROM recorded
    QUALIFY row_number() OVER (
        PARTITION BY trace_id, span_id ORDER BY recorded_at, source DESC, exception_id
    ) = 1
)

-- Of the records of that same exception the longest stack and the most qualified type are kept.
SELECT
    e.trace_id,
    e.span_id,
    e.recorded_at,
    coalesce(r.type, e.type) AS type,
    e.short_type,
    e.message,
    s.stack_row
FROM earliest AS e
JOIN recorded AS r
    ON r.trace_id = e.trace_id
    AND r.span_id = e.span_id
    AND r.short_type IS NOT DISTINCT FROM e.short_type
    AND r.message IS NOT DISTINCT FROM e.message
LEFT JOIN shown AS s ON s.stack_id = r.stack_id
QUALIFY row_number() OVER (
    PARTITION BY e.trace_id, e.span_id
    ORDER BY coalesce(s.stack_length, 0) DESC, length(coalesce(r.type, '')) DESC, r.exception_id
) = 1
