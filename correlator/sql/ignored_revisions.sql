-- Question: which commits does blame look through, as the repository said at a time?
-- One row: one commit. Parameters: $repository; $until (UTC). Order: revision.
SELECT unnest(revisions) AS revision
FROM (
    SELECT i.revisions
    FROM ignored_revisions AS i
    JOIN mainline AS m ON m.repository = i.repository AND m.sha = i.sha
    WHERE i.repository = $repository AND m.landed_at <= $until
    ORDER BY m."position" DESC
    LIMIT 1
)
ORDER BY revision
