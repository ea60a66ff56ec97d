-- Question: of which of these traces did a span or an exception arrive since the last run?
-- One row: one trace.
-- Parameters: $trace_ids, hex trace ids; $load_number, the last load that was read; $since and $until, TIMESTAMP, UTC:
--   what was sent ahead of its time arrives when it has come.
-- Order: none that matters.
WITH asked AS MATERIALIZED (SELECT unnest($trace_ids)::UUID AS trace_id),
arrived AS (
    SELECT trace_id FROM spans WHERE load_number > $load_number
    UNION ALL
    SELECT trace_id FROM spans WHERE start_time > $since::TIMESTAMP_NS AND start_time <= $until::TIMESTAMP_NS
    UNION ALL
    SELECT trace_id FROM exceptions WHERE load_number > $load_number
    UNION ALL
    SELECT trace_id FROM exceptions WHERE "time" > $since::TIMESTAMP_NS AND "time" <= $until::TIMESTAMP_NS
)
SELECT trace_hex(trace_id) AS trace_id
FROM asked
SEMI JOIN arrived USING (trace_id)
