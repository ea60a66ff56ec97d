-- Question: how was each change reviewed before it landed, by people other than whoever opened its request?
-- One row: one change of a repository whose forge tells of reviews, landed since it does.
-- Parameters: $as_of, UTC.
-- Order: by repository and sha.
WITH told AS (
    -- What landed before the forge's first word was reviewed or not; nobody can tell.
    SELECT repository, min(occurred_at) AS since
    FROM reviews
    WHERE occurred_at <= $as_of
    GROUP BY repository
),
asked AS (
    SELECT c.repository, c.sha, c.number, r.created_at AS opened_at,
        -- A merge commit may carry the clock of another machine: what the forge says counts where it says it.
        greatest(c.landed_at, coalesce(r.merged_at, c.landed_at)) AS landed_at
    FROM changes AS c
    JOIN told AS t ON t.repository = c.repository AND t.since <= c.landed_at
    LEFT JOIN change_requests AS r ON r.repository = c.repository AND r.number = c.number
    WHERE c.landed_at <= $as_of
),
said AS (
    SELECT a.repository, a.sha, e.event, e.occurred_at, coalesce(e.reviewer, e.event_id) AS reviewer
    FROM asked AS a
    JOIN reviews AS e ON e.repository = a.repository AND e.number = a.number
    WHERE e.occurred_at <= a.landed_at AND NOT e.is_bot AND NOT coalesce(e.is_opener, false)
),
standing AS (
    -- The last verdict of each reviewer stands. A review that was dismissed keeps its time and says nothing any more.
    SELECT repository, sha, reviewer,
        arg_max(event, (occurred_at, event)) AS event,
        min(occurred_at) FILTER (WHERE event = 'approved') AS approved_at
    FROM said
    WHERE event IN ('approved', 'changes_requested', 'dismissed', 'withdrawn')
    GROUP BY repository, sha, reviewer
),
approvals AS (
    SELECT repository, sha, count(*) AS approval_count, min(approved_at) AS approved_at
    FROM standing
    WHERE event = 'approved'
    GROUP BY repository, sha
),
events AS (
    SELECT repository, sha,
        count(*) FILTER (WHERE event = 'comment') AS comment_count,
        bool_or(event = 'changes_requested') AS has_changes_requested,
        count(*) AS event_count
    FROM said
    GROUP BY repository, sha
)
SELECT
    a.repository,
    a.sha,
    CASE
        WHEN p.approval_count > 0 AND NOT e.has_changes_requested THEN 'approved_at_once'
        WHEN p.approval_count > 0 THEN 'approved_after_changes'
        WHEN e.event_count > 0 THEN 'not_approved'
        ELSE 'unreviewed'
    END AS verdict,
    a.opened_at,
    p.approved_at,
    coalesce(p.approval_count, 0) AS approval_count,
    coalesce(e.comment_count, 0) AS comment_count
FROM asked AS a
LEFT JOIN approvals AS p ON p.repository = a.repository AND p.sha = a.sha
LEFT JOIN events AS e ON e.repository = a.repository AND e.sha = a.sha
ORDER BY a.repository, a.sha
