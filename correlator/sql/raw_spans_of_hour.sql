-- Question: how many raw spans of an hour are there?
-- One row, one column.
-- Parameters: $hour_at, its beginning, UTC.
SELECT count(*) AS span_count
FROM spans
-- No span counts as seen after its receipt: what was received before is not looked at.
WHERE load_number IS NOT NULL
  AND received_at >= $hour_at
  AND seen_at(start_time, received_at) >= $hour_at
  AND seen_at(start_time, received_at) < $hour_at::TIMESTAMP + INTERVAL 1 HOUR
