-- Task: forget the orphaned shapes that no root cause has any more.
DELETE FROM failure_shapes
WHERE shape_id IN (SELECT shape_id FROM orphaned_shapes)
  AND shape_id NOT IN (SELECT shape_id FROM root_causes)
