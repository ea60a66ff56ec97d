-- Question: which services answer requests to these routes?
-- One row: (service, route) of which the service had a request that was counted.
-- Parameters: $routes, as operations name them; $until, UTC.
-- Order: service, route.
SELECT DISTINCT service, string_split(operation, ' ')[-1] AS route
FROM operation_hours
-- SERVER: who calls a route names its spans like who answers it.
WHERE kind = 2 AND hour_at <= $until::TIMESTAMP AND list_contains($routes::VARCHAR[], string_split(operation, ' ')[-1])
ORDER BY service, route
