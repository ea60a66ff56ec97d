-- Question: which flags and which configuration had been changed without a commit by then?
-- One row: one change as told. Parameters: $until (UTC). Order: time, id.
SELECT change_id, kind, "key", "value", service, environment, occurred_at
FROM setting_changes
WHERE occurred_at <= $until
ORDER BY occurred_at, change_id
