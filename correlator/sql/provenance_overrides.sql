-- Question: what do people state about who wrote the commits of a repository, as of then?
-- One row: the newest statement on one commit; a null origin takes the one before it back.
-- Parameters: $repository; $until (UTC). Order: sha.
SELECT sha, stated_at, origin, tools, reason
FROM provenance_overrides
WHERE repository = $repository AND stated_at <= $until
QUALIFY row_number() OVER (PARTITION BY sha ORDER BY stated_at DESC) = 1
ORDER BY sha
