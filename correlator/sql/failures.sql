-- Question: which root causes count, and when was each?
-- One row: root causes of a shape that the service did not survive: those of one minute that are alike
--   (failure_minutes), or a single one where somebody waited in its trace. failure_count of them, the first at
--   first_failed_at_us and the last at last_failed_at_us, microseconds since the Unix epoch, in trace_count traces;
--   trace_key is equal for equal traces in this answer. trace_id, span_id: of a single one of a shape that waits.
--   Of a caller that gave up waiting and the SERVER that it waited for, the SERVER counts when it took at least twice the
--   median of that operation in that service.
-- Parameters: $until, TIMESTAMP, UTC: spans that the median is taken of started until then.
-- Order: shape_id, first_failed_at_us, trace_id, span_id, trace_key.
WITH usual AS (
    SELECT s.service, s.name, median(s.duration_ns) AS duration_ns
    FROM spans AS s
    SEMI JOIN (SELECT DISTINCT awaited_service, awaited_operation FROM failure_shapes WHERE awaited_service IS NOT NULL) AS w
        ON w.awaited_service = s.service AND w.awaited_operation = s.name
    WHERE s.kind = 2 AND s.status_code <> 2 AND s.start_time <= $until::TIMESTAMP_NS
    GROUP BY s.service, s.name
)
SELECT
    m.shape_id,
    epoch_us(m.first_failed_at) AS first_failed_at_us,
    epoch_us(m.last_failed_at) AS last_failed_at_us,
    m.failure_count,
    m.alike_id AS trace_key,
    m.trace_count,
    NULL AS trace_id,
    NULL AS span_id
FROM failure_minutes AS m
JOIN failure_shapes AS k ON k.shape_id = m.shape_id AND NOT k.is_handled
UNION ALL
SELECT
    c.shape_id,
    epoch_us(c.failed_at) AS first_failed_at_us,
    epoch_us(c.failed_at) AS last_failed_at_us,
    1 AS failure_count,
    hash(c.trace_id) AS trace_key,
    1 AS trace_count,
    -- Of these shapes the first that counts need not be the first.
    CASE WHEN k.awaited_service IS NOT NULL THEN trace_hex(c.trace_id) END AS trace_id,
    CASE WHEN k.awaited_service IS NOT NULL THEN span_hex(c.span_id) END AS span_id
FROM root_causes AS c
JOIN failure_shapes AS k ON k.shape_id = c.shape_id AND NOT k.is_handled
LEFT JOIN usual AS u ON u.service = k.awaited_service AND u.name = k.awaited_operation
WHERE c.alike_id IS NULL AND (c.awaited_ns IS NULL OR c.is_awaited = coalesce(c.awaited_ns >= 2 * u.duration_ns, FALSE))
ORDER BY shape_id, first_failed_at_us, trace_id, span_id, trace_key
