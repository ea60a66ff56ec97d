-- Task: forget the shapes of wrong_shapes.
DELETE FROM failure_shapes WHERE shape_id IN (SELECT shape_id FROM wrong_shapes)
