-- Question: which lines of a repository's commits do imported records attest?
-- One row: one range. A record names a revision and no repository; a full id is unique.
-- Parameters: $repository; $until (UTC), by committer time and receipt. Order: sha, record, position.
SELECT a.sha, a.path, a.start_line, a.end_line, a.origin, a.tool, a.model
FROM attested_lines AS a
JOIN commits AS c ON c.sha = a.sha
WHERE c.repository = $repository AND c.committed_at <= $until AND coalesce(a.recorded_at, a.received_at) <= $until
ORDER BY a.sha, a.record_id, a."position"
