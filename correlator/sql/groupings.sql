-- Question: what had people decided by then about which failures are one?
-- One row: one decision. Parameters: $until (UTC). Order: time, service, fingerprint; the last on a fingerprint wins.
SELECT service, fingerprint, fingerprint_version, decided_at, decision, into_fingerprint, split_by
FROM groupings
WHERE decided_at <= $until
ORDER BY decided_at, service, fingerprint
