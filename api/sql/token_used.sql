-- Question: none; remembers the hour in which a token was last used, and touches nothing else of it.
-- Parameters: $token_id, 8 hex digits; $hour, UTC.
UPDATE tokens SET last_used_at = $hour WHERE token_id = $token_id
