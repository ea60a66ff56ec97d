-- Question: how often did these operations run, hour by hour?
-- One row: (operation, revision as sent), with a list each of its hours, of the first span in each, and of how many there
--   were; times are microseconds since the Unix epoch.
-- Parameters: none; hours_until, as operation_hours.sql answers, and asked_operations (service, environment, operation).
-- Order: service, environment, operation, revision.
SELECT
    service,
    environment,
    operation,
    revision,
    list(epoch_us(hour_at) ORDER BY hour_at) AS hours,
    list(epoch_us(first_seen_at) ORDER BY hour_at) AS first_seen,
    list(span_count ORDER BY hour_at) AS requests
FROM hours_until
SEMI JOIN asked_operations USING (service, environment, operation)
GROUP BY service, environment, operation, revision
ORDER BY service, environment, operation, revision NULLS FIRST
