-- Task: count the root causes of the minutes of moved_minutes.
-- Parameters: $first, $last, TIMESTAMP, UTC: none of them failed earlier or later, as moved_stretch.sql has it.
INSERT INTO failure_minutes BY NAME
SELECT
    shape_id,
    alike_id,
    min(failed_at) AS first_failed_at,
    max(failed_at) AS last_failed_at,
    count(*) AS failure_count,
    count(DISTINCT trace_id) AS trace_count
FROM root_causes
WHERE failed_at BETWEEN $first AND $last AND alike_id IN (SELECT alike_id FROM moved_minutes)
GROUP BY shape_id, alike_id
