-- Question: which variants of which feature flags were evaluated in each hour, and how many of those spans failed?
-- One row: one hour of one variant of one flag in one service and revision.
-- Parameters: $until, UTC.
-- Order: service, environment, flag, variant, hour, revision.
SELECT service, environment, subject, aspect, hour_at, span_count, hit_count, first_seen_at
FROM signal_hours
WHERE signal = 'flag' AND first_seen_at <= $until
ORDER BY service, environment, subject, aspect, hour_at, revision NULLS FIRST
