-- Question: which root causes count, and when was each?
-- One row: one root cause of a shape that the service did not survive; trace_key, equal for equal traces in this answer.
--   Of a caller that gave up waiting and the SERVER
--   that it waited for, the SERVER counts when it took at least twice the median of that operation in that service.
-- Parameters: $until, TIMESTAMP, UTC: spans that the median is taken of started until then.
-- Order: shape_id, failed_at, trace_id, span_id.
WITH usual AS (
    SELECT s.service, s.name, median(s.duration_ns) AS duration_ns
    FROM spans AS s
    SEMI JOIN (SELECT DISTINCT awaited_service, awaited_operation FROM failure_shapes WHERE awaited_service IS NOT NULL) AS w
        ON w.awaited_service = s.service AND w.awaited_operation = s.name
    WHERE s.kind = 2 AND s.status_code <> 2 AND s.start_time <= $until::TIMESTAMP_NS
    GROUP BY s.service, s.name
)
SELECT
    c.shape_id,
    epoch_us(c.failed_at) AS failed_at_us,
    hash(c.trace_id) AS trace_key,
    -- Of these shapes the first that counts need not be the first.
    CASE WHEN k.awaited_service IS NOT NULL THEN trace_hex(c.trace_id) END AS trace_id,
    CASE WHEN k.awaited_service IS NOT NULL THEN span_hex(c.span_id) END AS span_id
FROM root_causes AS c
JOIN failure_shapes AS k ON k.shape_id = c.shape_id AND NOT k.is_handled
LEFT JOIN usual AS u ON u.service = k.awaited_service AND u.name = k.awaited_operation
WHERE c.awaited_ns IS NULL OR c.is_awaited = coalesce(c.awaited_ns >= 2 * u.duration_ns, FALSE)
ORDER BY c.shape_id, c.failed_at, c.trace_id, c.span_id
