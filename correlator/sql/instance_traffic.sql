-- Question: which part of the same operation, on the same revision, did the place answer that all failures came from?
--
-- One row: one row of lone_failures, with own_count and all_count, how often the operation ran there then and in all.
--   Another revision, a canary, is not counted. What was delivered twice counts twice, wherever it ran.
--
-- Input: lone_failures, rows of instance_failures.sql.
-- $since, $until  TIMESTAMP, UTC: spans that started in [$since, $until]; every quarter of lone_failures lies in there.
-- Order: by all columns.
WITH ran AS (
    SELECT
        s.service,
        coalesce(s.environment, '') AS environment,
        coalesce(s.revision, s.service_version) AS revision,
        s.name AS operation,
        time_bucket(INTERVAL 15 MINUTES, s.start_time::TIMESTAMP) AS quarter_at,
        s.resource_id,
        count(*) AS span_count
    FROM spans AS s
    SEMI JOIN lone_failures AS l
        ON l.service = s.service
        AND l.operation = s.name
        AND l.quarter_at = time_bucket(INTERVAL 15 MINUTES, s.start_time::TIMESTAMP)
    WHERE s.start_time BETWEEN $since::TIMESTAMP_NS AND $until::TIMESTAMP_NS
    GROUP BY ALL
),

located AS (
    SELECT
        r.*,
        coalesce(
            attribute(e.attribute_keys, e.attribute_values, 'service.instance.id'),
            attribute(e.attribute_keys, e.attribute_values, 'k8s.pod.name')
        ) AS instance,
        coalesce(
            attribute(e.attribute_keys, e.attribute_values, 'k8s.node.name'),
            attribute(e.attribute_keys, e.attribute_values, 'host.name')
        ) AS host,
        attribute(e.attribute_keys, e.attribute_values, 'cloud.availability_zone') AS zone
    FROM ran AS r
    JOIN resources AS e ON e.resource_id = r.resource_id
),

placed AS (
    SELECT * EXCLUDE (instance, host, zone), unnest(['instance', 'host', 'zone']) AS level, unnest([instance, host, zone]) AS place
    FROM located
)

SELECT
    l.*,
    coalesce(sum(p.span_count) FILTER (p.place = l.place), 0)::BIGINT AS own_count,
    sum(p.span_count)::BIGINT AS all_count
FROM lone_failures AS l
JOIN placed AS p USING (service, environment, revision, operation, quarter_at, level)
WHERE p.place IS NOT NULL
GROUP BY ALL
ORDER BY ALL
