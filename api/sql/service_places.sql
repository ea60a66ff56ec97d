-- Question: where does the code of each service live, and is it there?
-- One row: one service, as the last correlation placed it or, where that did not, as a mapping states; nulls where
--   neither does.
-- Parameters: none.
-- Order: none that matters.
SELECT
    coalesce(r.service, m.service) AS service,
    coalesce(r.repository, m.repository) AS repository,
    CASE WHEN r.repository IS NOT NULL THEN r.path ELSE m.path END AS path,
    CASE WHEN r.repository IS NOT NULL THEN r.basis WHEN m.repository IS NOT NULL THEN 'stated' END AS basis,
    k.synced_at IS NOT NULL AS is_synced
FROM service_repositories AS r
FULL JOIN service_mappings AS m ON m.service = r.service
LEFT JOIN repositories AS k ON k.repository = coalesce(r.repository, m.repository)
