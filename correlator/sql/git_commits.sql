-- Question: which commits of a repository were made until then?
-- One row: one commit. Parameters: $repository; $until (UTC), by committer time. Order: sha.
SELECT repository, sha, parents, author_name, author_email, committer_name, committer_email, authored_at, committed_at, message
FROM commits
WHERE repository = $repository AND committed_at <= $until
ORDER BY sha
