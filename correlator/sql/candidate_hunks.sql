-- Question: which lines did these changes touch?
-- One row: one hunk of one change, without its line digests.
-- Parameters: $shas, mainline commits.
-- Order: repository, change, path, position.
SELECT
    repository,
    sha,
    path,
    "position",
    old_start,
    old_count,
    new_start,
    new_count,
    heading,
    tokens
FROM hunks
WHERE sha IN (SELECT unnest($shas))
ORDER BY repository, sha, path, "position"
