-- Question: what is known of each service, and so, what is missing for an answer about it?
-- One row: one service seen in telemetry, deployments, incidents or mappings.
-- Parameters: $is_exact: spans that no hour counts yet are counted too.
-- Order: by name.
WITH seen AS (
    SELECT service, span_count, weighed_count, span_weight, revision, last_seen_at FROM operation_hours
    UNION ALL
    SELECT
        service,
        1 AS span_count,
        (span_weight(trace_state, NULL) IS NOT NULL)::BIGINT AS weighed_count,
        coalesce(span_weight(trace_state, NULL), 0) AS span_weight,
        revision,
        seen_at AS last_seen_at
    FROM unfolded_spans
    WHERE $is_exact
),
-- Texts that name a commit, by themselves or by facts about what they name.
named AS (
    SELECT DISTINCT service, revision FROM running_revisions WHERE sha IS NOT NULL AND revision IS NOT NULL
    UNION
    SELECT r.service, g.revision
    FROM service_repositories AS r
    JOIN git_revisions AS g ON g.repository = r.repository
    WHERE g.sha IS NOT NULL
),
sent AS (
    SELECT
        s.service,
        sum(s.span_count)::BIGINT AS span_count,
        coalesce(sum(s.span_count) FILTER (WHERE s.revision IS NOT NULL), 0)::BIGINT AS revision_count,
        coalesce(sum(s.span_count) FILTER (WHERE n.revision IS NOT NULL), 0)::BIGINT AS named_count,
        sum(s.weighed_count)::BIGINT AS weighed_count,
        sum(s.span_weight)::DOUBLE AS span_weight,
        max(s.last_seen_at) AS last_span_at
    FROM seen AS s
    LEFT JOIN named AS n ON n.service = s.service AND n.revision = s.revision
    GROUP BY s.service
),
-- Of span events the spans are there too.
logged AS (SELECT DISTINCT service FROM exceptions WHERE source = 'log_record'),
deployed AS (SELECT service, count(*) AS deployment_count FROM deployments GROUP BY service),
running AS (
    SELECT
        service,
        arg_max(coalesce(revision, ''), started_at) AS running_revision,
        arg_max(coalesce(sha, ''), started_at) AS running_sha
    FROM running_revisions
    GROUP BY service
),
stacked AS (SELECT DISTINCT group_id FROM group_frames WHERE path IS NOT NULL),
failing AS (
    SELECT
        g.service,
        count(*) AS failure_group_count,
        -- What drifts has no stack, whatever is set.
        count(*) FILTER (WHERE g.detector IS NULL) AS raised_count,
        count(*) FILTER (WHERE s.group_id IS NOT NULL) AS stacked_count
    FROM failure_groups AS g
    LEFT JOIN stacked AS s ON s.group_id = g.group_id
    GROUP BY g.service
),
framed AS (
    SELECT
        g.service,
        count(*) AS frame_count,
        count(f.path) AS resolved_frame_count,
        count(*) FILTER (WHERE f.mapping = 'unmapped') AS unmapped_frame_count
    FROM group_frames AS f
    JOIN failure_groups AS g ON g.group_id = f.group_id
    GROUP BY g.service
),
reported AS (
    SELECT service, count(DISTINCT incident_id) AS incident_count
    FROM incident_states
    WHERE service IS NOT NULL
    GROUP BY service
),
names AS (
    SELECT service FROM sent
    UNION
    SELECT service FROM logged
    UNION
    SELECT service FROM deployed
    UNION
    SELECT service FROM reported
    UNION
    SELECT service FROM service_repositories
    UNION
    SELECT service FROM service_mappings
)
SELECT
    n.service,
    coalesce(s.span_count, 0) AS span_count,
    coalesce(s.revision_count, 0) AS revision_count,
    coalesce(s.named_count, 0) AS named_count,
    coalesce(s.weighed_count, 0) AS weighed_count,
    coalesce(s.span_weight, 0) AS span_weight,
    s.last_span_at,
    coalesce(r.repository, m.repository) AS repository,
    CASE WHEN r.repository IS NOT NULL THEN r.path ELSE m.path END AS path,
    CASE WHEN r.repository IS NOT NULL THEN r.basis WHEN m.repository IS NOT NULL THEN 'stated' END AS basis,
    coalesce(d.deployment_count, 0) AS deployment_count,
    nullif(u.running_revision, '') AS running_revision,
    nullif(u.running_sha, '') AS running_sha,
    coalesce(g.failure_group_count, 0) AS failure_group_count,
    coalesce(g.raised_count, 0) AS raised_count,
    coalesce(g.stacked_count, 0) AS stacked_count,
    coalesce(f.frame_count, 0) AS frame_count,
    coalesce(f.resolved_frame_count, 0) AS resolved_frame_count,
    coalesce(f.unmapped_frame_count, 0) AS unmapped_frame_count,
    coalesce(i.incident_count, 0) AS incident_count,
    k.synced_at IS NOT NULL AS is_synced
FROM names AS n
LEFT JOIN sent AS s ON s.service = n.service
LEFT JOIN service_repositories AS r ON r.service = n.service
LEFT JOIN service_mappings AS m ON m.service = n.service
LEFT JOIN repositories AS k ON k.repository = coalesce(r.repository, m.repository)
LEFT JOIN deployed AS d ON d.service = n.service
LEFT JOIN running AS u ON u.service = n.service
LEFT JOIN failing AS g ON g.service = n.service
LEFT JOIN framed AS f ON f.service = n.service
LEFT JOIN reported AS i ON i.service = n.service
ORDER BY n.service
