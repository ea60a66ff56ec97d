-- Question: which pull or merge requests of a repository are known by then?
-- One row: one request. Parameters: $repository; $until (UTC). Order: number.
SELECT repository, number, title, body, head_ref, merge_commit_sha, merge_method, created_at, merged_at, opened_by, labels, commits
FROM change_requests
WHERE repository = $repository AND coalesce(merged_at, created_at, received_at) <= $until
ORDER BY number
