-- Task: note in the temporary table orphaned_shapes the shapes whose first root cause is looked at again: it may go.
-- Parameters: $slice, the traces that are looked at.
INSERT INTO orphaned_shapes
SELECT shape_id FROM failure_shapes WHERE trace_id IN (SELECT trace_id FROM touched_traces WHERE slice = $slice)
