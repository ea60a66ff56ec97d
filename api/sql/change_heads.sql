-- Question: what are these changes called, and who wrote them?
-- One row: one change.
-- Parameters: $shas, mainline commits, full hex.
-- Order: by sha, then repository.
SELECT repository, sha, subject, number, origin, tools
FROM changes
WHERE list_contains($shas, sha)
ORDER BY sha, repository
