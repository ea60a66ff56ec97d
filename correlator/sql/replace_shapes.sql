-- Task: forget the shapes that arrived_shapes holds anew.
DELETE FROM failure_shapes WHERE shape_id IN (SELECT shape_id FROM arrived_shapes)
