-- Question: has this delivery come before, and what became of it?
-- One row: the delivery; none when it is new.
-- Parameters: $source and $delivery_id, the key of deliveries.
-- Order: at most one row.
SELECT source, delivery_id, noun, received_at, body, refused
FROM deliveries
WHERE source = $source AND delivery_id = $delivery_id
