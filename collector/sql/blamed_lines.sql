-- Question: which lines of files at revisions were blamed before, and on whom?
-- One row: one line of $shas, $paths and $lines (which belong together) whose blame was asked; blamed_sha is null where
-- git had no answer.
-- Parameters: $repository; $shas, $paths, $lines.
-- Order: none.
SELECT b.sha, b.path, b.line, b.blamed_sha, b.original_path, b.original_line
FROM git_blames AS b
SEMI JOIN (
    SELECT unnest($shas::VARCHAR[]) AS sha, unnest($paths::VARCHAR[]) AS path, unnest($lines::BIGINT[]) AS line
) AS a ON a.sha = b.sha AND a.path = b.path AND a.line = b.line
WHERE b.repository = $repository
