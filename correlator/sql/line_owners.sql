-- Question: who owns the lines of the files that the changes after a position touch?
-- One row: one live file as of that position. Parameters: $repository; $after, a position. Order: path.
WITH touched AS (
    SELECT unnest([p.path, p.old_path]) AS path
    FROM mainline AS m
    JOIN change_paths AS p ON p.repository = m.repository AND p.sha = m.sha
    WHERE m.repository = $repository AND m."position" > $after
)
SELECT o.path, o.owners
FROM line_owners AS o
SEMI JOIN touched AS t ON t.path = o.path
WHERE o.repository = $repository
ORDER BY o.path
