-- Question: of which of these failure groups do the first failures all come from one instance, host or zone?
--
-- One row: one (group, level, operation, quarter of an hour) of such a group. level: instance | host | zone, place: the one
--   that it came from; failed_count: how often, slot_count: in how many stretches of ten seconds, since one client that
--   tries again meets the same instance again.
--
-- Input: asked_shapes (group_id, shape_id).
-- $until         TIMESTAMP, UTC: what failed until then.
-- $failures_max  failures looked at per group, the first ones, all within a day.
-- $quarters_max  quarters of an hour in which they may lie, per group.
-- $slots_min     a group that failed in fewer stretches is left out.
-- Order: by all columns.
WITH placed AS (
    SELECT
        resource_id,
        service,
        coalesce(
            attribute(attribute_keys, attribute_values, 'service.instance.id'),
            attribute(attribute_keys, attribute_values, 'k8s.pod.name')
        ) AS instance,
        coalesce(
            attribute(attribute_keys, attribute_values, 'k8s.node.name'),
            attribute(attribute_keys, attribute_values, 'host.name')
        ) AS host,
        attribute(attribute_keys, attribute_values, 'cloud.availability_zone') AS zone
    FROM resources
),

-- Where a service has one instance there is nothing to ask.
several AS (
    SELECT service
    FROM placed
    GROUP BY service
    HAVING count(DISTINCT instance) > 1 OR count(DISTINCT host) > 1 OR count(DISTINCT zone) > 1
),

early AS (
    SELECT
        a.group_id,
        k.service,
        k.environment,
        coalesce(k.revision, k.service_version) AS revision,
        coalesce(k.entry_name, k.name) AS operation,
        c.trace_id,
        c.span_id,
        c.failed_at,
        c.resource_id,
        time_bucket(INTERVAL 15 MINUTES, c.failed_at) AS quarter_at,
        time_bucket(INTERVAL 10 SECONDS, c.failed_at) AS slot_at
    FROM asked_shapes AS a
    JOIN failure_shapes AS k ON k.shape_id = a.shape_id
    JOIN root_causes AS c ON c.shape_id = a.shape_id
    SEMI JOIN several AS v ON v.service = k.service
    WHERE c.failed_at <= $until AND NOT c.is_awaited
    QUALIFY
        row_number() OVER (PARTITION BY a.group_id ORDER BY c.failed_at, c.trace_id, c.span_id) <= $failures_max
        AND c.failed_at < min(c.failed_at) OVER (PARTITION BY a.group_id) + INTERVAL 1 DAY
),

first_ AS (
    SELECT
        *,
        row_number() OVER (PARTITION BY group_id, slot_at ORDER BY failed_at, trace_id, span_id) = 1 AS is_first_of_slot
    FROM early
    QUALIFY dense_rank() OVER (PARTITION BY group_id ORDER BY quarter_at) <= $quarters_max
),

located AS (
    SELECT f.*, unnest(['instance', 'host', 'zone']) AS level, unnest([p.instance, p.host, p.zone]) AS place
    FROM first_ AS f
    JOIN placed AS p ON p.resource_id = f.resource_id
),

lone AS (
    SELECT group_id, level
    FROM located
    GROUP BY group_id, level
    HAVING
        count(DISTINCT place) = 1
        AND count(place) = count(*)
        AND count(*) FILTER (is_first_of_slot) >= $slots_min
)

SELECT
    group_id,
    level,
    place,
    service,
    environment,
    revision,
    operation,
    quarter_at,
    count(*) AS failed_count,
    count(*) FILTER (is_first_of_slot) AS slot_count
FROM located
SEMI JOIN lone USING (group_id, level)
GROUP BY group_id, level, place, service, environment, revision, operation, quarter_at
ORDER BY ALL
