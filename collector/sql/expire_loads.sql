-- Task: forget counted loads but the newest, whose number says which comes next.
-- Parameters: $loaded_before, UTC.
DELETE FROM loads
WHERE loaded_at < $loaded_before
  AND load_number < (SELECT max(load_number) FROM loads)
  AND load_number IN (SELECT load_number FROM folded_loads WHERE late_folded_at IS NOT NULL)
