-- Task: store the root causes of shaped_causes.
INSERT INTO root_causes BY NAME
SELECT trace_id, span_id, failed_at, shape_id, is_awaited, awaited_ns, resource_id, alike_id FROM shaped_causes ORDER BY failed_at
