-- Question: what is the newest commit of a repository's mainline?
-- One row: that commit; none before the first sync. Parameters: $repository. Order: one row.
SELECT sha
FROM mainline
WHERE repository = $repository
ORDER BY position DESC
LIMIT 1
