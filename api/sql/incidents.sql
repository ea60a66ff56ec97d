-- Question: which incidents were there, and what is the heaviest explanation of each?
-- One row: one incident.
-- Parameters, each null for "any": $service, $status; $since and $until, bounds of opened_at, UTC, the second one
--   exclusive; $id, an incident id or a sender's id; $cursor_at and $cursor_id, the last row of the page before.
--   $row_count, rows at most.
-- Order: newest opening first, then by id.
WITH page AS (
    -- The rows of the page first: what is joined to them is then looked up for these alone.
    SELECT
        s.incident_id,
        s.external_id,
        s.source,
        s.title,
        s.service,
        s.environment,
        s.severity,
        s.opened_at,
        s.resolved_at,
        s.status,
        s.duplicate_of,
        s.is_false_alarm,
        s.category,
        s.category_reason,
        s.detection_delay_s,
        s.url,
        s.labels
    FROM incident_states AS s
    WHERE ($service IS NULL OR s.service = $service)
        AND ($status IS NULL OR s.status = $status)
        AND ($since IS NULL OR s.opened_at >= $since)
        AND ($until IS NULL OR s.opened_at < $until)
        AND ($id IS NULL OR s.incident_id = $id OR s.external_id = $id)
        AND (
            $cursor_at IS NULL
            OR s.opened_at < $cursor_at
            OR (s.opened_at = $cursor_at AND s.incident_id > $cursor_id)
        )
    ORDER BY s.opened_at DESC, s.incident_id
    LIMIT $row_count
),
wanted AS (
    SELECT incident_id FROM page
    UNION
    SELECT duplicate_of FROM page WHERE duplicate_of IS NOT NULL
),
masses AS (
    SELECT
        incident_id,
        arg_min(candidate, "rank") AS top_candidate,
        arg_min(CASE WHEN candidate = 'change' THEN sha ELSE '' END, "rank") AS top_change,
        arg_min(weight, "rank") AS top_weight,
        sum(CASE WHEN candidate = 'change' THEN CAST(round(weight * 1000000) AS BIGINT) ELSE 0 END)
            AS change_millionths,
        sum(CASE WHEN candidate = 'no_change' THEN CAST(round(weight * 1000000) AS BIGINT) ELSE 0 END)
            AS no_change_millionths,
        sum(CASE WHEN candidate IN ('flag', 'configuration') THEN CAST(round(weight * 1000000) AS BIGINT) ELSE 0 END)
            AS setting_millionths
    FROM incident_attributions AS a
    SEMI JOIN wanted AS w ON w.incident_id = a.incident_id
    GROUP BY incident_id
)
SELECT
    s.incident_id AS id,
    s.external_id,
    s.source,
    s.title,
    s.service,
    s.environment,
    s.severity,
    s.opened_at,
    s.resolved_at,
    s.status,
    s.duplicate_of,
    s.is_false_alarm,
    s.category,
    s.category_reason,
    s.detection_delay_s,
    s.url,
    s.labels,
    coalesce(m.top_candidate, 'unattributed') AS top_candidate,
    nullif(m.top_change, '') AS top_change,
    coalesce(m.top_weight, 1.0) AS top_weight,
    CAST(coalesce(m.no_change_millionths, 0) AS DOUBLE) / 1000000 AS no_change,
    CAST(1000000 - coalesce(m.change_millionths + m.no_change_millionths + m.setting_millionths, 0) AS DOUBLE) / 1000000
        AS unattributed
FROM page AS s
-- A duplicate without an answer of its own shows the answer of the incident that it repeats.
LEFT JOIN masses AS own ON own.incident_id = s.incident_id
LEFT JOIN masses AS m
    ON m.incident_id = CASE WHEN own.incident_id IS NULL THEN s.duplicate_of ELSE s.incident_id END
ORDER BY s.opened_at DESC, s.incident_id
