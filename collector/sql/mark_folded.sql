-- Task: write down that the spans of some loads are counted, but for the late ones, and how many of those there are.
-- Parameters: $loads, list of load numbers; $now, UTC.
INSERT INTO folded_loads
WITH counted AS (SELECT unnest($loads::BIGINT[]) AS load_number),
late AS (
    SELECT s.load_number, count(*) AS late_count
    FROM spans AS s
    SEMI JOIN counted AS g ON g.load_number = s.load_number
    WHERE is_late(s.start_time, s.received_at)
    GROUP BY s.load_number
)
SELECT g.load_number, $now, coalesce(l.late_count, 0), CASE WHEN l.late_count IS NULL THEN $now END
FROM counted AS g
LEFT JOIN late AS l ON l.load_number = g.load_number
