-- Question: how fresh is each mirror?
-- One row: one repository; synced_at (UTC) is null before its first sync.
-- Parameters: none.
-- Order: by name.
SELECT
    r.repository,
    r.default_branch,
    r.head_sha,
    r.synced_at,
    (SELECT count(*) FROM mainline AS m WHERE m.repository = r.repository) AS change_count
FROM repositories AS r
ORDER BY r.repository
