-- Question: which changes can an audit be drawn from?
-- One row: one change that counts in the headline. Parameters: $since, lower bound of landed_at, UTC; null: since the
-- first marked change landed, because before it there is nothing to compare.
-- Order: repository, position.
SELECT repository, sha, origin, confidence, landed_at
FROM changes
WHERE is_code
    AND landed_at >= coalesce(
        $since,
        (SELECT min(landed_at) FROM changes WHERE origin IN ('ai', 'mixed')),
        TIMESTAMP '1970-01-01 00:00:00'
    )
ORDER BY repository, "position"
