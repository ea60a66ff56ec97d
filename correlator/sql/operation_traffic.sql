-- Question: how often did these operations run, hour by hour?
-- One row: (operation, revision as sent), with a list each of its hours, of the first span in each, and of how many there
--   were; times are microseconds since the Unix epoch. An operation that is null is all that the service did.
-- Parameters: none; hours_until, as operation_hours.sql answers, and asked_operations (service, environment, operation).
-- Order: service, environment, operation, revision.
WITH counted AS (
    SELECT service, environment, operation, revision, hour_at, first_seen_at, span_count
    FROM hours_until
    SEMI JOIN asked_operations USING (service, environment, operation)
    UNION ALL
    SELECT
        service,
        environment,
        NULL AS operation,
        revision,
        hour_at,
        min(first_seen_at) AS first_seen_at,
        sum(span_count)::BIGINT AS span_count
    FROM hours_until
    SEMI JOIN (SELECT service, environment FROM asked_operations WHERE operation IS NULL) USING (service, environment)
    GROUP BY service, environment, revision, hour_at
)
SELECT
    service,
    environment,
    operation,
    revision,
    list(epoch_us(hour_at) ORDER BY hour_at) AS hours,
    list(epoch_us(first_seen_at) ORDER BY hour_at) AS first_seen,
    list(span_count ORDER BY hour_at) AS requests
FROM counted
GROUP BY service, environment, operation, revision
ORDER BY service, environment, operation NULLS FIRST, revision NULLS FIRST
