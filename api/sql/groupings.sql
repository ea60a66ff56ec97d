-- Question: what did people decide about some fingerprints of a service?
-- One row: one decision. Parameters: $service; $fingerprints, list. Order: newest first.
SELECT service, fingerprint, fingerprint_version, decided_at, decision, into_fingerprint, split_by, token_id, reason
FROM groupings
WHERE service = $service AND (list_contains($fingerprints, fingerprint) OR list_contains($fingerprints, into_fingerprint))
ORDER BY decided_at DESC, fingerprint
