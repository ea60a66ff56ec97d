-- Where are the spans of the traces that are looked at?
--
-- One row is one stored span, duplicates included: its row in spans. Only two columns are read of all that is stored in
-- that time; slice_spans reads the others of these rows alone. Read at once, DuckDB keeps what it knows of every column of
-- every row group in memory, and unpacks most of them.
--
-- $slice     the traces of touched_traces that are looked at.
-- $until     TIMESTAMP, UTC: spans that started until then.
-- $first_ns, $last_ns  ns since the Unix epoch: no span of these traces that counts started outside of them.
-- $reach_ns  a span belongs to the failing part of its trace when it started within that time of it.

CREATE OR REPLACE TEMP TABLE slice_rows AS
WITH
sliced AS MATERIALIZED (
    SELECT
        trace_id,
        make_timestamp_ns(first_ns - $reach_ns::BIGINT) AS earliest,
        -- Clocks that name the year 2262 stand at the end of what 64 bits hold.
        make_timestamp_ns(least(last_ns, 9223372036854775806 - $reach_ns::BIGINT) + $reach_ns::BIGINT) AS latest
    FROM touched_traces
    WHERE slice = $slice
)

SELECT s.rowid AS span_row
FROM spans AS s
JOIN sliced AS f ON f.trace_id = s.trace_id AND s.start_time BETWEEN f.earliest AND f.latest
WHERE
    s.start_time <= $until::TIMESTAMP_NS
    AND s.start_time BETWEEN make_timestamp_ns($first_ns::BIGINT) AND make_timestamp_ns($last_ns::BIGINT)
