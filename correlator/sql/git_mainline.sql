-- Question: which changes had landed on the mainline by then?
-- One row: one mainline commit. Parameters: $repository; $until (UTC). Order: position.
SELECT repository, "position", sha, landed_at
FROM mainline
WHERE repository = $repository AND landed_at <= $until
ORDER BY "position"
