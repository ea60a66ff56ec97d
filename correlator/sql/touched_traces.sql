-- Task: list in the temporary table touched_traces the failing traces of which something arrived since the last run.
-- One row: one trace; first_ns and last_ns, start of the first and the last failing span or exception of it that was ever
--   seen, ns since the Unix epoch; slice, the number of its part of the work, counted from 0.
-- Parameters: $load_number, the last load that was looked at; $is_unnumbered_new, TRUE when rows that no load numbers
--   (of stores older than loads) are to be looked at; $since and $until, TIMESTAMP, UTC: spans and exceptions that were
--   sent ahead of their time are new when it has come; $slice_traces, traces of one slice.
CREATE OR REPLACE TEMP TABLE touched_traces AS
WITH
new_spans AS (
    SELECT trace_id, status_code, epoch_ns(start_time) AS at_ns
    FROM spans
    WHERE load_number > $load_number AND start_time <= $until::TIMESTAMP_NS
    UNION ALL
    SELECT trace_id, status_code, epoch_ns(start_time)
    FROM spans
    WHERE start_time > $since::TIMESTAMP_NS AND start_time <= $until::TIMESTAMP_NS AND load_number <= $load_number
    UNION ALL
    SELECT trace_id, status_code, epoch_ns(start_time)
    FROM spans
    WHERE
        load_number IS NULL
        AND start_time <= $until::TIMESTAMP_NS
        AND ($is_unnumbered_new OR start_time > $since::TIMESTAMP_NS)
),
new_exceptions AS (
    SELECT trace_id, epoch_ns("time") AS at_ns
    FROM exceptions
    WHERE
        trace_id IS NOT NULL
        AND span_id IS NOT NULL
        AND coalesce(severity_number, 0) NOT BETWEEN 1 AND 16
        AND "time" <= $until::TIMESTAMP_NS
        AND (
            load_number > $load_number
            OR (load_number IS NULL AND $is_unnumbered_new)
            OR "time" > $since::TIMESTAMP_NS
        )
),
failing AS MATERIALIZED (
    SELECT trace_id, min(at_ns) AS first_ns, max(at_ns) AS last_ns
    FROM (
        SELECT trace_id, at_ns FROM new_spans WHERE status_code = 2
        UNION ALL
        SELECT trace_id, at_ns FROM new_exceptions
    ) AS found
    GROUP BY trace_id
),
-- Failing traces that are known: more of them, more of what they were sent by, or a failing span more.
known AS (
    SELECT f.trace_id, f.first_ns, f.last_ns
    FROM failing_traces AS f
    SEMI JOIN (
        SELECT trace_id FROM new_spans
        UNION ALL
        SELECT trace_id FROM failing
    ) AS n ON n.trace_id = f.trace_id
    UNION ALL
    SELECT l.trace_id, l.first_ns, l.last_ns
    FROM (
        SELECT trace_id, first_ns, last_ns, unnest(linked_trace_ids) AS linked_trace_id
        FROM failing_traces
        WHERE linked_trace_ids IS NOT NULL
    ) AS l
    SEMI JOIN new_spans AS n ON n.trace_id = l.linked_trace_id
),
touched AS (
    SELECT trace_id, min(first_ns) AS first_ns, max(last_ns) AS last_ns
    FROM (SELECT trace_id, first_ns, last_ns FROM failing UNION ALL SELECT trace_id, first_ns, last_ns FROM known) AS found
    GROUP BY trace_id
)
SELECT
    trace_id,
    first_ns,
    last_ns,
    ((row_number() OVER (ORDER BY first_ns, trace_id) - 1) // $slice_traces)::INTEGER AS slice
FROM touched
