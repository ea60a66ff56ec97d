-- Task: store the shapes of arrived_shapes.
INSERT INTO failure_shapes BY NAME
SELECT * EXCLUDE (awaited_ns, linked_trace_ids)
FROM arrived_shapes
