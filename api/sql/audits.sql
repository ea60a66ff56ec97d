-- Question: which audits were drawn, and how far are they labelled?
-- One row: one audit. Parameters: none. Order: newest first.
SELECT
    a.audit_id,
    a.drawn_at,
    count(*) AS drawn,
    count(l.sha) AS labelled
FROM provenance_audits AS a
LEFT JOIN (SELECT DISTINCT audit_id, repository, sha FROM provenance_labels) AS l
    ON l.audit_id = a.audit_id AND l.repository = a.repository AND l.sha = a.sha
GROUP BY a.audit_id, a.drawn_at
ORDER BY a.drawn_at DESC, a.audit_id
