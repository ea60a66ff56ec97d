-- Question: which hosts were called, and which attributes held personal data, that were not in the days before?
-- One row: one subject of one service that was first seen in [$day, $day + 1), with what was seen of it since, and how
--   many spans of its kind the service had before and since.
-- Parameters: $since, $day, $until, UTC.
-- Order: service, environment, signal, subject, aspect.
WITH counted AS (
    SELECT *
    FROM signal_hours
    WHERE hour_at >= $since AND hour_at < $until AND signal IN ('outbound', 'personal_data')
),
subjects AS (
    SELECT
        service,
        environment,
        signal,
        subject,
        aspect,
        min(hour_at) AS first_hour_at,
        arg_min(revision, (hour_at, hit_at)) AS revision,
        min({'at': hit_at, 'trace_id': hit_trace_id, 'span_id': hit_span_id}) AS hit,
        max(last_seen_at) AS last_seen_at,
        sum(hit_count)::BIGINT AS hit_count
    FROM counted
    GROUP BY service, environment, signal, subject, aspect
    HAVING min(hour_at) >= $day AND min(hour_at) < $day + INTERVAL 1 DAY
)
SELECT
    s.service,
    s.environment,
    s.signal,
    s.subject,
    s.aspect,
    s.revision,
    s.hit['at'] AS first_seen_at,
    trace_hex(s.hit['trace_id']) AS hit_trace_id,
    span_hex(s.hit['span_id']) AS hit_span_id,
    s.last_seen_at,
    s.hit_count,
    coalesce(sum(c.span_count) FILTER (WHERE c.hour_at < s.first_hour_at), 0)::BIGINT AS before_count,
    count(DISTINCT c.hour_at) FILTER (WHERE c.hour_at < s.first_hour_at) AS before_hours,
    coalesce(sum(c.span_count) FILTER (WHERE c.hour_at >= s.first_hour_at), 0)::BIGINT AS since_count
FROM subjects AS s
JOIN counted AS c ON c.service = s.service AND c.environment = s.environment AND c.signal = s.signal
GROUP BY ALL
ORDER BY s.service, s.environment, s.signal, s.subject, s.aspect
