-- Question: which changes of the mainline are the same work as these commits of a branch?
-- One row: one mainline commit behind $position that holds one of them.
-- Parameters: $repository; $position, where the branch left the mainline; parallel lists of the branch's commits: $shas,
--   $emails of their authors (lower case), $authored (seconds since the Unix epoch) and $subjects; $named, shas that their
--   messages name as picked.
-- Order: position.
WITH side AS (
    SELECT
        unnest($shas) AS sha,
        unnest($emails) AS author_email,
        unnest($authored)::BIGINT AS authored_s,
        unnest($subjects) AS subject
),
landed AS (
    SELECT m.sha, m.position, c.author_email, c.authored_at, c.message
    FROM mainline AS m
    JOIN commits AS c ON c.repository = m.repository AND c.sha = m.sha
    WHERE m.repository = $repository AND m.position > $position
)
SELECT DISTINCT l.sha, l.position
FROM landed AS l
LEFT JOIN side AS s ON
    lower(l.author_email) = s.author_email
    AND epoch(l.authored_at)::BIGINT = s.authored_s
    AND split_part(l.message, chr(10), 1) = s.subject
WHERE
    s.sha IS NOT NULL
    OR l.sha IN (SELECT unnest($named))
    OR regexp_extract(l.message, '\(cherry picked from commit ([0-9a-f]{40,64})\)', 1) IN (SELECT sha FROM side)
ORDER BY l.position
