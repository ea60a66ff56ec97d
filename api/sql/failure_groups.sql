-- Question: which failures are there, and what is the heaviest explanation of each?
-- One row: one failure group.
-- Parameters, each null for "any": $service, $category, $group_id; $since, bound of last_seen_at, and $until, bound
--   of first_seen_at (exclusive), UTC; $cursor_at and $cursor_id, the last row of the page before.
--   $row_count, rows at most.
-- Order: newest failure first, then by id.
WITH top AS (
    SELECT
        group_id,
        arg_min(candidate, "rank") AS top_candidate,
        arg_min(CASE WHEN candidate = 'change' THEN sha ELSE '' END, "rank") AS top_change,
        arg_min(weight, "rank") AS top_weight
    FROM group_suspects
    GROUP BY group_id
)
SELECT
    g.group_id,
    g.fingerprint,
    g.fingerprint_version,
    g.fingerprint_parts,
    g.service,
    g.environment,
    g.operation,
    g.title,
    g.exception_type,
    g.message_template,
    g.category,
    g.categories,
    g.first_seen_at,
    g.last_seen_at,
    g.failing_trace_count,
    g.sample_trace_id,
    g.sample_span_id,
    g.repository,
    g.onset_sha,
    g.previous_sha,
    g.is_partial,
    g.callers,
    g.detector,
    coalesce(t.top_candidate, 'unattributed') AS top_candidate,
    nullif(t.top_change, '') AS top_change,
    coalesce(t.top_weight, 1.0) AS top_weight
FROM failure_groups AS g
LEFT JOIN top AS t ON t.group_id = g.group_id
WHERE ($service IS NULL OR g.service = $service)
    AND ($category IS NULL OR g.category = $category)
    AND ($group_id IS NULL OR g.group_id = $group_id)
    AND ($since IS NULL OR g.last_seen_at >= $since)
    AND ($until IS NULL OR g.first_seen_at < $until)
    AND (
        $cursor_at IS NULL
        OR g.last_seen_at < $cursor_at
        OR (g.last_seen_at = $cursor_at AND g.group_id > $cursor_id)
    )
ORDER BY g.last_seen_at DESC, g.group_id
LIMIT $row_count
