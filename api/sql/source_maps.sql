-- Question: which source maps were uploaded for a service?
-- One row: one map, without its content. Parameters: $service. Order: newest first.
SELECT service, version, file, content_sha256, byte_count, received_at
FROM source_maps
WHERE service = $service
ORDER BY received_at DESC, version, file
