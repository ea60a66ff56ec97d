-- Question: which hours hold other counts than when drift was last looked for?
-- One row: one hour and the digest of its counts; null: it holds none any more.
-- Parameters: $closed_at, UTC: hours that ended until then; $since, UTC: hours of which nothing was received since then
--   are as they were, unless they are gone.
-- Order: hour.
WITH heard AS MATERIALIZED (
    SELECT hour_at
    FROM signal_hours
    WHERE last_received_at >= $since AND hour_at + INTERVAL 1 HOUR <= $closed_at
    UNION
    SELECT hour_at
    FROM operation_hours
    WHERE last_received_at >= $since AND hour_at + INTERVAL 1 HOUR <= $closed_at
),
span AS MATERIALIZED (SELECT min(hour_at) AS first_at, max(hour_at) AS last_at FROM heard),
counted AS (
    SELECT
        hour_at,
        sum(hash('s', service, environment, revision, signal, subject, aspect, span_count, hit_count)::HUGEINT) AS told
    FROM signal_hours
    WHERE hour_at BETWEEN (SELECT first_at FROM span) AND (SELECT last_at FROM span)
    GROUP BY hour_at
    UNION ALL
    SELECT
        hour_at,
        sum(hash('o', service, environment, revision, operation, kind, span_count, duration_ns_sum, duration_counts)::HUGEINT)
    FROM operation_hours
    WHERE hour_at BETWEEN (SELECT first_at FROM span) AND (SELECT last_at FROM span)
    GROUP BY hour_at
),
held AS (
    SELECT c.hour_at, md5(sum(c.told)::VARCHAR) AS digest
    FROM counted AS c
    SEMI JOIN heard AS h ON h.hour_at = c.hour_at
    GROUP BY c.hour_at
),
gone AS (
    SELECT d.hour_at
    FROM drift_hours AS d
    ANTI JOIN (SELECT hour_at FROM operation_hours UNION SELECT hour_at FROM signal_hours) AS k ON k.hour_at = d.hour_at
)
SELECT h.hour_at, h.digest
FROM held AS h
LEFT JOIN drift_hours AS d ON d.hour_at = h.hour_at
WHERE d.digest IS DISTINCT FROM h.digest
UNION ALL
SELECT hour_at, NULL FROM gone
ORDER BY hour_at
