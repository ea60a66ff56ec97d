-- Question: which tokens are there, or which one has this id?
-- One row: one token, with the hash of its secret.
-- Parameters: $token_id, 8 hex digits, or null for all.
-- Order: oldest first.
SELECT token_id, name, scope, secret_sha256, created_at, expires_at, revoked_at, last_used_at
FROM tokens
WHERE $token_id IS NULL OR token_id = $token_id
ORDER BY created_at, token_id
