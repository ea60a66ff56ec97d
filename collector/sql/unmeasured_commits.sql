-- Question: of which commits beside the mainline is it not known yet what they change?
-- One row: one commit that is no merge. Parameters: $repository. Order: sha.
SELECT c.sha
FROM commits AS c
ANTI JOIN mainline AS m ON m.repository = c.repository AND m.sha = c.sha
ANTI JOIN side_commit_paths AS p ON p.repository = c.repository AND p.sha = c.sha
WHERE c.repository = $repository AND len(c.parents) <= 1
ORDER BY c.sha
