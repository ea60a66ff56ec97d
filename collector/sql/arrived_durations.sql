-- Task: count the durations of the spans that arrived_hours counts, in the temporary table arrived_durations.
-- One row: one bucket (macro duration_bucket) of one row of arrived_hours. Grouping by a hash costs a third of grouping
--   by the texts; two of some thousand operations share one with a probability of 10^-12.
-- Parameters: $loads, list of load numbers; $is_late, the late spans (macro is_late) or the others.
CREATE OR REPLACE TEMP TABLE arrived_durations AS
SELECT
    hash(
        s.service,
        coalesce(s.environment, ''),
        coalesce(s.revision, s.service_version),
        s.name,
        s.kind,
        date_trunc('hour', seen_at(s.start_time, s.received_at))
    ) AS hour_key,
    duration_bucket(s.duration_ns) AS bucket,
    count(*) AS span_count
FROM spans AS s
SEMI JOIN (SELECT unnest($loads::BIGINT[]) AS load_number) AS g ON g.load_number = s.load_number
ANTI JOIN repeated_spans AS known ON known.row_id = s.rowid
WHERE is_late(s.start_time, s.received_at) = $is_late
GROUP BY hour_key, bucket
