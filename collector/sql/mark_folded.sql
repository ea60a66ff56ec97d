-- Task: write down that the spans of some segments are counted, but for the late ones, and how many of those there are.
-- Parameters: $segments, list of segment numbers; $now, UTC.
INSERT INTO folded_segments
WITH segments AS (SELECT unnest($segments::BIGINT[]) AS segment),
late AS (
    SELECT s.segment, count(*) AS late_count
    FROM spans AS s
    SEMI JOIN segments AS g ON g.segment = s.segment
    WHERE is_late(s.start_time, s.received_at)
    GROUP BY s.segment
)
SELECT g.segment, $now, coalesce(l.late_count, 0), CASE WHEN l.late_count IS NULL THEN $now END
FROM segments AS g
LEFT JOIN late AS l ON l.segment = g.segment
