-- Question: which reports were published?
-- One row: one revision of one weekly report.
-- Parameters: $week, ISO week, null for all of them.
-- Order: newest week first, then newest revision.
SELECT week, revision, published_at, digest
FROM reports
WHERE $week IS NULL OR week = $week
ORDER BY week DESC, revision DESC
