-- Question: how did operations fare, hour by hour, around revisions that began on a day: how long they took, and how
--   often they were called per request of their service?
-- One row: one hour of one operation whose mean duration (kinds SERVER and CONSUMER) or number of calls per request
--   (kind CLIENT) rose by half; is_after, whether the new revision ran or those of the two days before; request_count,
--   requests of the service in the same hour on the same side; mix_growth, by which factor the share of some route in
--   the service's requests grew; operation_count, operations that were compared, those that did not rise as well.
-- Parameters: $since, $day, $until, UTC.
-- Order: service, environment, revision, operation, kind, is_after, hour.
WITH counted AS (
    SELECT * FROM operation_hours WHERE hour_at >= $since AND hour_at < $until AND revision IS NOT NULL
),
revisions AS (
    SELECT
        service,
        environment,
        revision,
        min(first_seen_at) AS started_at,
        min(min(first_seen_at)) OVER (PARTITION BY service, environment) AS first_at
    FROM counted
    GROUP BY service, environment, revision
),
begun AS (
    SELECT service, environment, revision, started_at
    FROM revisions
    WHERE started_at >= $day AND started_at < $day + INTERVAL 1 DAY AND started_at > first_at
),
sided AS (
    SELECT
        b.service,
        b.environment,
        b.revision,
        b.started_at,
        c.operation,
        c.kind,
        c.hour_at,
        c.revision = b.revision AS is_after,
        c.span_count,
        c.duration_ns_sum,
        c.duration_counts
    FROM begun AS b
    JOIN counted AS c ON c.service = b.service AND c.environment = b.environment
    WHERE
        -- The first hour of a revision warms it up.
        (c.revision = b.revision AND c.hour_at > b.started_at AND c.hour_at < b.started_at + INTERVAL 2 DAY)
        OR (
            c.revision <> b.revision
            AND c.hour_at >= b.started_at - INTERVAL 2 DAY
            AND c.hour_at < date_trunc('hour', b.started_at)
        )
),
requests AS (
    SELECT service, environment, revision, is_after, hour_at, sum(span_count)::BIGINT AS request_count
    FROM sided
    WHERE kind IN (2, 5)
    GROUP BY ALL
),
totals AS (
    SELECT service, environment, revision, is_after, sum(request_count) AS request_count
    FROM requests
    GROUP BY ALL
),
sums AS (
    SELECT
        s.service,
        s.environment,
        s.revision,
        s.operation,
        s.kind,
        sum(s.span_count) FILTER (WHERE s.is_after) AS after_count,
        sum(s.span_count) FILTER (WHERE NOT s.is_after) AS before_count,
        sum(s.duration_ns_sum) FILTER (WHERE s.is_after) / after_count AS after_ns,
        sum(s.duration_ns_sum) FILTER (WHERE NOT s.is_after) / before_count AS before_ns
    FROM sided AS s
    GROUP BY s.service, s.environment, s.revision, s.operation, s.kind
),
compared AS (
    SELECT s.*, after_.request_count AS after_requests, before_.request_count AS before_requests
    FROM sums AS s
    JOIN totals AS after_
        ON after_.service = s.service
        AND after_.environment = s.environment
        AND after_.revision = s.revision
        AND after_.is_after
    JOIN totals AS before_
        ON before_.service = s.service
        AND before_.environment = s.environment
        AND before_.revision = s.revision
        AND NOT before_.is_after
),
mixes AS (
    SELECT
        service,
        environment,
        revision,
        max((after_count / after_requests) / greatest(before_count / before_requests, 0.001))
            FILTER (WHERE after_count >= 0.05 * after_requests) AS mix_growth
    FROM (SELECT * REPLACE (coalesce(before_count, 0) AS before_count) FROM compared WHERE kind IN (2, 5))
    GROUP BY service, environment, revision
),
candidates AS (
    SELECT service, environment, revision, operation, kind
    FROM compared
    WHERE
        (kind IN (2, 5) AND after_ns >= 1.5 * before_ns)
        OR (kind = 3 AND after_count / after_requests >= 1.5 * before_count / before_requests)
)
SELECT
    s.service,
    s.environment,
    s.revision,
    s.started_at,
    s.operation,
    s.kind,
    s.is_after,
    s.hour_at,
    s.span_count,
    s.duration_counts,
    coalesce(r.request_count, 0) AS request_count,
    coalesce(m.mix_growth, 1)::DOUBLE AS mix_growth,
    (SELECT count(*) FROM compared WHERE before_count > 0 AND after_count > 0) AS operation_count
FROM (
    SELECT
        service, environment, revision, started_at, operation, kind, is_after, hour_at,
        sum(span_count)::BIGINT AS span_count,
        list(duration_counts) AS duration_counts
    FROM sided
    GROUP BY ALL
) AS s
SEMI JOIN candidates AS c
    ON c.service = s.service
    AND c.environment = s.environment
    AND c.revision = s.revision
    AND c.operation = s.operation
    AND c.kind = s.kind
LEFT JOIN requests AS r
    ON r.service = s.service
    AND r.environment = s.environment
    AND r.revision = s.revision
    AND r.is_after = s.is_after
    AND r.hour_at = s.hour_at
LEFT JOIN mixes AS m ON m.service = s.service AND m.environment = s.environment AND m.revision = s.revision
ORDER BY s.service, s.environment, s.revision, s.operation, s.kind, s.is_after, s.hour_at
