-- Task: write down that the late spans of some loads are counted.
-- Parameters: $loads, list of load numbers; $now, UTC.
UPDATE folded_loads
SET late_folded_at = $now
WHERE load_number IN (SELECT unnest($loads::BIGINT[]))
