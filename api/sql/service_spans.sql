-- Question: how many spans did each service send, and how many of them say which revision ran?
-- One row: one service. named_count: spans whose revision is known as a commit; span_weight: how many spans the
--   weighed_count spans stand for whose sampling is told.
-- Parameters: $is_exact: spans that no hour counts yet are counted too.
-- Order: none that matters.
WITH seen AS (
    SELECT service, revision, span_count, weighed_count, span_weight, last_seen_at FROM operation_hours
    UNION ALL
    SELECT
        service,
        revision,
        1 AS span_count,
        (span_weight(trace_state, NULL) IS NOT NULL)::BIGINT AS weighed_count,
        coalesce(span_weight(trace_state, NULL), 0) AS span_weight,
        seen_at AS last_seen_at
    FROM unfolded_spans
    WHERE $is_exact
),
sent AS (
    SELECT
        service,
        revision,
        sum(span_count)::BIGINT AS span_count,
        sum(weighed_count)::BIGINT AS weighed_count,
        sum(span_weight) AS span_weight,
        max(last_seen_at) AS last_seen_at
    FROM seen
    GROUP BY service, revision
),
-- Texts that name a commit, by themselves or by facts about what they name.
named AS (
    SELECT service, revision FROM running_revisions WHERE sha IS NOT NULL AND revision IS NOT NULL
    UNION ALL
    SELECT r.service, g.revision
    FROM service_repositories AS r
    JOIN git_revisions AS g ON g.repository = r.repository
    WHERE g.sha IS NOT NULL
)
SELECT
    service,
    sum(span_count)::BIGINT AS span_count,
    coalesce(sum(span_count) FILTER (WHERE revision IS NOT NULL), 0)::BIGINT AS revision_count,
    coalesce(sum(span_count) FILTER (WHERE (service, revision) IN (SELECT (service, revision) FROM named)), 0)::BIGINT
        AS named_count,
    sum(weighed_count)::BIGINT AS weighed_count,
    sum(span_weight)::DOUBLE AS span_weight,
    max(last_seen_at) AS last_span_at
FROM sent
GROUP BY service
