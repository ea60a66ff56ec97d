-- Question: which commits of a repository carry a git-ai note?
-- One row: one commit with its note. Parameters: $repository. Order: sha.
SELECT sha, text
FROM commit_notes
WHERE repository = $repository
ORDER BY sha
