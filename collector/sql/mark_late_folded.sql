-- Task: write down that the late spans of some segments are counted.
-- Parameters: $segments, list of segment numbers; $now, UTC.
UPDATE folded_segments
SET late_folded_at = $now
WHERE segment IN (SELECT unnest($segments::BIGINT[]))
