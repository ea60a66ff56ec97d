-- Question: which files did operators map to which paths?
-- One row: one mapping. Parameters: none. Order: service, longest prefix first (the first that fits wins).
SELECT service, prefix, path, stated_at
FROM code_mappings
ORDER BY service, length(prefix) DESC, prefix
