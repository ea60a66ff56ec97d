-- Question: what did people state about who wrote commits?
-- One row: one statement; one with a null origin took the ones before it back.
-- Parameters, each null for "any": $repository, $sha. $row_count, rows at most.
-- Order: newest first.
SELECT repository, sha, stated_at, origin, tools, reason, token_id
FROM provenance_overrides
WHERE ($repository IS NULL OR repository = $repository) AND ($sha IS NULL OR sha = $sha)
ORDER BY stated_at DESC, repository, sha
LIMIT $row_count
