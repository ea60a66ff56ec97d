-- Question: what was drawn in one audit, what do people say of it, and what do the tags say now?
-- One row: one drawn change; label is null until somebody said something, origin when the change is gone.
-- Parameters: $audit_id; null: the newest that has a label.
-- Order: position.
WITH chosen AS (
    SELECT coalesce($audit_id, (
        SELECT a.audit_id
        FROM provenance_audits AS a
        SEMI JOIN provenance_labels AS l ON l.audit_id = a.audit_id
        ORDER BY a.drawn_at DESC, a.audit_id
        LIMIT 1
    )) AS audit_id
),
said AS (
    SELECT audit_id, repository, sha, label
    FROM provenance_labels
    QUALIFY row_number() OVER (PARTITION BY audit_id, repository, sha ORDER BY labelled_at DESC) = 1
)
SELECT
    a.audit_id,
    a.drawn_at,
    a."position",
    a.repository,
    a.sha,
    a.stratum,
    a.stratum_size,
    a.stratum_drawn,
    c.subject,
    c.number,
    c.landed_at,
    c.lines_added,
    c.lines_deleted,
    c.files_changed,
    c.origin,
    s.label
FROM provenance_audits AS a
JOIN chosen AS h ON h.audit_id = a.audit_id
LEFT JOIN changes AS c ON c.repository = a.repository AND c.sha = a.sha
LEFT JOIN said AS s ON s.audit_id = a.audit_id AND s.repository = a.repository AND s.sha = a.sha
ORDER BY a."position"
