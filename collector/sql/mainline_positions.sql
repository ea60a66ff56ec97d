-- Question: which of these commits are on the mainline?
-- One row: one of them. Parameters: $repository; $shas, full shas. Order: position.
SELECT sha, position
FROM mainline
WHERE repository = $repository AND sha IN (SELECT unnest($shas))
ORDER BY position
