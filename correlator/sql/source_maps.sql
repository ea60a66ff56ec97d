-- Question: which source maps had been uploaded by then?
-- One row: one map, without its content. Parameters: $until (UTC). Order: service, version, file.
SELECT service, version, file, content_sha256
FROM source_maps
WHERE received_at <= $until
ORDER BY service, version, file
