-- Question: how often was each signal seen, hour by hour, where its share may have changed?
-- One row: one hour of one revision of one series (service, environment, signal, subject, aspect) that has both hits
--   and misses enough. A watched attribute that is absent counts as a hit. service_misses: spans of that signal, hour
--   and service in which it was not seen; service_subjects: subjects in which it was not, all hours together;
--   series_count: series of that signal, those that are left out as well.
--   Left out are series of which neither an hour nor 4 or 12 hours since $day differ much from the days before: less
--   than drift_detectors asks for, which would take a hundred times as long to refuse them.
-- Parameters: $since, $day, $until, UTC: hours that begin in [since, until), onsets since $day; $hits_min.
-- Order: series, then time.
WITH counted AS (
    SELECT *
    FROM signal_hours
    WHERE hour_at >= $since AND hour_at < $until AND signal IN ('denied', 'anonymous', 'constraint')
),
present AS (
    SELECT *
    FROM signal_hours
    WHERE hour_at >= $since AND hour_at < $until AND signal = 'empty_value'
),
watched AS (SELECT DISTINCT service, environment, subject, aspect FROM present),
operations AS (
    SELECT
        o.service,
        o.environment,
        o.operation,
        o.revision,
        o.hour_at,
        sum(o.span_count) AS span_count,
        min(o.first_seen_at) AS first_seen_at,
        max(o.last_seen_at) AS last_seen_at
    FROM operation_hours AS o
    SEMI JOIN watched AS w ON w.service = o.service AND w.environment = o.environment AND w.subject = o.operation
    WHERE o.hour_at >= $since AND o.hour_at < $until
    GROUP BY ALL
),
cells AS (
    SELECT
        service, environment, signal, subject, aspect, revision, hour_at, span_count, hit_count, first_seen_at,
        last_seen_at, hit_at, hit_trace_id, hit_span_id, miss_trace_id, miss_span_id
    FROM counted
    UNION ALL
    SELECT
        o.service,
        o.environment,
        'empty_value',
        o.operation,
        w.aspect,
        o.revision,
        o.hour_at,
        o.span_count,
        o.span_count - coalesce(p.span_count - p.hit_count, 0),
        o.first_seen_at,
        o.last_seen_at,
        coalesce(p.hit_at, o.first_seen_at),
        p.hit_trace_id,
        p.hit_span_id,
        p.miss_trace_id,
        p.miss_span_id
    FROM operations AS o
    JOIN watched AS w ON w.service = o.service AND w.environment = o.environment AND w.subject = o.operation
    LEFT JOIN present AS p
        ON p.service = o.service
        AND p.environment = o.environment
        AND p.subject = o.operation
        AND p.aspect = w.aspect
        AND p.hour_at = o.hour_at
        AND p.revision IS NOT DISTINCT FROM o.revision
),
hours AS (
    SELECT service, environment, signal, hour_at, sum(span_count - hit_count)::BIGINT AS miss_count
    FROM counted
    GROUP BY ALL
),
subjects AS (
    SELECT service, environment, signal, count(DISTINCT subject) FILTER (WHERE hit_count < span_count) AS subject_count
    FROM counted
    GROUP BY ALL
),
totals AS (
    SELECT
        service,
        environment,
        signal,
        subject,
        aspect,
        coalesce(sum(span_count) FILTER (WHERE hour_at < $day), 0) AS before_count,
        coalesce(sum(hit_count) FILTER (WHERE hour_at < $day) / nullif(before_count, 0), 0) AS before_share
    FROM cells
    GROUP BY service, environment, signal, subject, aspect
    HAVING sum(hit_count) >= $hits_min AND sum(span_count - hit_count) >= $hits_min
),
stretches AS (
    SELECT c.* EXCLUDE (hour_at), h.hour_count, time_bucket(to_hours(h.hour_count), c.hour_at) AS hour_at
    FROM cells AS c, (VALUES (1), (4), (12)) AS h(hour_count)
    WHERE c.hour_at >= $day
),
recent AS (
    SELECT
        service,
        environment,
        signal,
        subject,
        aspect,
        sum(span_count) AS span_count,
        sum(hit_count) AS hit_count
    FROM stretches
    GROUP BY service, environment, signal, subject, aspect, hour_at, hour_count
),
series AS (
    SELECT DISTINCT t.service, t.environment, t.signal, t.subject, t.aspect
    FROM totals AS t
    JOIN recent AS r
        ON r.service = t.service
        AND r.environment = t.environment
        AND r.signal = t.signal
        AND r.subject = t.subject
        AND r.aspect = t.aspect
    WHERE
        t.before_count < 100
        OR (
            r.hit_count >= (2 * t.before_share + 0.005) * r.span_count
            AND r.hit_count >= t.before_share * r.span_count + 3 * sqrt(t.before_share * r.span_count) + 3
        )
        OR (r.span_count * t.before_share >= 10 AND r.hit_count <= 0.15 * r.span_count * t.before_share)
)
SELECT
    c.service,
    c.environment,
    c.signal,
    c.subject,
    c.aspect,
    c.revision,
    c.hour_at,
    c.span_count::BIGINT AS span_count,
    c.hit_count::BIGINT AS hit_count,
    c.first_seen_at,
    c.last_seen_at,
    c.hit_at,
    trace_hex(c.hit_trace_id) AS hit_trace_id,
    span_hex(c.hit_span_id) AS hit_span_id,
    trace_hex(c.miss_trace_id) AS miss_trace_id,
    span_hex(c.miss_span_id) AS miss_span_id,
    coalesce(h.miss_count, 0) AS service_misses,
    coalesce(b.subject_count, 0) AS service_subjects,
    n.series_count
FROM cells AS c
SEMI JOIN series AS s
    ON s.service = c.service
    AND s.environment = c.environment
    AND s.signal = c.signal
    AND s.subject = c.subject
    AND s.aspect = c.aspect
JOIN (SELECT signal, count(*) AS series_count FROM totals GROUP BY signal) AS n ON n.signal = c.signal
LEFT JOIN hours AS h
    ON h.service = c.service AND h.environment = c.environment AND h.signal = c.signal AND h.hour_at = c.hour_at
LEFT JOIN subjects AS b ON b.service = c.service AND b.environment = c.environment AND b.signal = c.signal
ORDER BY c.service, c.environment, c.signal, c.subject, c.aspect, c.hour_at, c.first_seen_at, c.revision NULLS FIRST
