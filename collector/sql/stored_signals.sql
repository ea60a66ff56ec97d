-- Task: store arrived_signals, each added to the row of known_signals that it continues.
-- Parameters: none.
INSERT INTO signal_hours BY NAME
WITH counted AS (
    SELECT
        service,
        environment,
        revision,
        signal,
        subject,
        aspect,
        hour_at,
        sum(span_count)::BIGINT AS span_count,
        sum(hit_count)::BIGINT AS hit_count,
        min(first_seen_at) AS first_seen_at,
        max(last_seen_at) AS last_seen_at,
        max(last_received_at) AS last_received_at,
        min({'at': hit_at, 'trace_id': hit_trace_id, 'span_id': hit_span_id}) FILTER (WHERE hit_at IS NOT NULL) AS hit,
        min({'at': miss_at, 'trace_id': miss_trace_id, 'span_id': miss_span_id})
            FILTER (WHERE miss_at IS NOT NULL) AS miss
    FROM (SELECT * FROM arrived_signals UNION ALL BY NAME SELECT * FROM known_signals)
    GROUP BY service, environment, revision, signal, subject, aspect, hour_at
)
SELECT
    * EXCLUDE (hit, miss),
    hit['at'] AS hit_at,
    hit['trace_id'] AS hit_trace_id,
    hit['span_id'] AS hit_span_id,
    miss['at'] AS miss_at,
    miss['trace_id'] AS miss_trace_id,
    miss['span_id'] AS miss_span_id
FROM counted
ORDER BY hour_at, signal, service, environment, subject, aspect, revision NULLS FIRST
