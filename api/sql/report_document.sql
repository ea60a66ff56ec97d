-- Question: what did a published report say?
-- One row: the revision asked for, or the newest.
-- Parameters: $week, ISO week; $revision, 1 for the first, null for the newest.
-- Order: at most one row.
SELECT week, revision, published_at, digest, document
FROM reports
WHERE week = $week AND ($revision IS NULL OR revision = $revision)
ORDER BY revision DESC
LIMIT 1
