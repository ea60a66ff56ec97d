-- Task: take out of operation_hours the rows that arrived_hours continues; stored_hours puts them back, grown.
-- Parameters: none.
DELETE FROM operation_hours AS o
USING arrived_hours AS a
WHERE a.hour_at = o.hour_at
  AND a.operation = o.operation
  AND a.service = o.service
  AND a.environment = o.environment
  AND a.revision IS NOT DISTINCT FROM o.revision
  AND a.kind = o.kind
