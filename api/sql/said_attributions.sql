-- Question: what was said of one incident or failure group, and when?
-- One row: one version. Parameters: $subject, 'incident' or 'group'; $subject_id. Order: the newest first.
SELECT
    "version",
    said_at,
    candidates,
    is_false_alarm,
    duplicate_of,
    category,
    groups,
    reasons,
    algorithm_version
FROM said_attributions
WHERE subject = $subject AND subject_id = $subject_id
ORDER BY "version" DESC
