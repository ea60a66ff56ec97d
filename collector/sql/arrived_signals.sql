-- Task: count in the spans of some loads, but for repeated_spans, what tells of a failure that raises no error, in the
--   temporary table arrived_signals.
-- One row: one row of signal_hours that those spans alone would make.
-- Parameters: $loads, list of load numbers; $is_late, the late spans (macro is_late) or the others; $identities,
--   attribute keys that name a user; $watched, attribute keys whose empty values are counted.
CREATE OR REPLACE TEMP TABLE arrived_signals AS
WITH alike AS (
    -- Spans that say the same are one row, so that texts are looked into once: half the cost, and no attribute is held.
    SELECT
        s.service,
        coalesce(s.environment, '') AS environment,
        coalesce(s.revision, s.service_version) AS revision,
        s.kind,
        s.name,
        -- Span names hold method and route; where one does not, the route is the better name.
        CASE WHEN contains(s.name, s.http_route) THEN s.name ELSE coalesce(s.http_route, s.name) END AS route,
        s.http_response_status_code AS http,
        s.rpc_grpc_status_code AS grpc,
        lower(s.server_address) AS host,
        s.db_system_name IS NOT NULL AS is_database,
        s.db_collection_name,
        s.db_response_status_code,
        s.error_type,
        s.exception_type,
        s.kind = 2 AND list_has_any(coalesce(s.attribute_keys, []), $identities::VARCHAR[]) AS is_named,
        date_trunc('hour', seen_at(s.start_time, s.received_at)) AS hour_at,
        count(*) AS span_count,
        min(seen_at(s.start_time, s.received_at)) AS first_seen_at,
        max(seen_at(s.start_time, s.received_at)) AS last_seen_at,
        max(s.received_at) AS last_received_at,
        min({'at': seen_at(s.start_time, s.received_at), 'trace_id': s.trace_id, 'span_id': s.span_id}) AS earliest
    FROM spans AS s
    SEMI JOIN (SELECT unnest($loads::BIGINT[]) AS load_number) AS g ON g.load_number = s.load_number
    ANTI JOIN repeated_spans AS known ON known.row_id = s.rowid
    WHERE is_late(s.start_time, s.received_at) = $is_late
      AND s.kind IN (2, 3, 4)
    GROUP BY ALL
),
attributed AS NOT MATERIALIZED (
    SELECT
        s.service,
        coalesce(s.environment, '') AS environment,
        coalesce(s.revision, s.service_version) AS revision,
        date_trunc('hour', seen_at(s.start_time, s.received_at)) AS hour_at,
        s.name,
        s.span_id,
        s.status_code = 2 OR coalesce(s.exception_type, s.error_type, '') <> '' AS is_failing,
        s.attribute_keys,
        s.attribute_values,
        1 AS span_count,
        seen_at(s.start_time, s.received_at) AS first_seen_at,
        seen_at(s.start_time, s.received_at) AS last_seen_at,
        s.received_at AS last_received_at,
        {'at': seen_at(s.start_time, s.received_at), 'trace_id': s.trace_id, 'span_id': s.span_id} AS earliest
    FROM spans AS s
    SEMI JOIN (SELECT unnest($loads::BIGINT[]) AS load_number) AS g ON g.load_number = s.load_number
    ANTI JOIN repeated_spans AS known ON known.row_id = s.rowid
    WHERE is_late(s.start_time, s.received_at) = $is_late
),
signals AS (
    -- Requests that were refused for want of identity or right: RFC 9110; gRPC PERMISSION_DENIED, UNAUTHENTICATED.
    SELECT
        service,
        environment,
        revision,
        hour_at,
        'denied' AS signal,
        route AS subject,
        '' AS aspect,
        http IN (401, 403, 407) OR coalesce(grpc, 0) IN (7, 16) AS is_hit,
        span_count,
        first_seen_at,
        last_seen_at,
        last_received_at,
        earliest
    FROM alike
    WHERE kind = 2 AND (http IS NOT NULL OR grpc IS NOT NULL)
    UNION ALL
    -- Requests that were granted though no attribute names who asked.
    SELECT
        service,
        environment,
        revision,
        hour_at,
        'anonymous',
        route,
        '',
        NOT is_named,
        span_count,
        first_seen_at,
        last_seen_at,
        last_received_at,
        earliest
    FROM alike
    WHERE kind = 2 AND (http < 400 OR grpc = 0)
    UNION ALL
    -- Hosts that are called; numbers in names are those of instances, and addresses are known by their range.
    SELECT
        service,
        environment,
        revision,
        hour_at,
        'outbound',
        CASE
            WHEN regexp_full_match(host, '169\.254\.[0-9]+\.[0-9]+') THEN host
            WHEN regexp_full_match(host, '(?:10|127)\.[0-9.]+|192\.168\.[0-9.]+|172\.(?:1[6-9]|2[0-9]|3[01])\.[0-9.]+')
                THEN 'private addresses'
            WHEN regexp_full_match(host, '[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+') OR contains(host, ':') THEN 'public addresses'
            ELSE regexp_replace(host, '[0-9]+', '#', 'g')
        END,
        '',
        TRUE,
        span_count,
        first_seen_at,
        last_seen_at,
        last_received_at,
        earliest
    FROM alike
    WHERE kind IN (3, 4) AND host IS NOT NULL
    UNION ALL
    -- Writes that break a rule of the store, whether or not the service survives them.
    SELECT
        service,
        environment,
        revision,
        hour_at,
        'constraint',
        coalesce(db_collection_name, name),
        '',
        regexp_full_match(
            coalesce(db_response_status_code, error_type, ''),
            '23[0-9A-Z]{3}|1022|1048|1062|1169|1216|1217|1364|1451|1452|3819|515|547|2601|2627'
            || '|ORA-0(?:0001|1400|1407|2290|2291|2292)|11000|11001|19|2067|1555|SQLITE_CONSTRAINT.*'
        )
        OR regexp_matches(
            coalesce(exception_type, error_type, ''),
            'Integrity(?:Error|Constraint)|(?:Unique|ForeignKey|NotNull|Check|Exclusion|Constraint)\w*Violation'
            || '|Duplicate(?:Key|Entry)|RecordNotUnique|InvalidForeignKey|ConstraintError'
        ),
        span_count,
        first_seen_at,
        last_seen_at,
        last_received_at,
        earliest
    FROM alike
    WHERE is_database AND kind = 3
    UNION ALL
    -- Chosen attributes that say nothing; that they are absent is counted by the operation's other spans.
    SELECT
        service,
        environment,
        revision,
        hour_at,
        'empty_value',
        name,
        aspect,
        lower(trim(attribute(attribute_keys, attribute_values, aspect), ' "'))
            IN ('', '0', '0.0', '0.00', 'null', 'none', 'nil', 'undefined', 'nan', '[]', '{}'),
        span_count,
        first_seen_at,
        last_seen_at,
        last_received_at,
        earliest
    FROM (
        SELECT *, unnest(list_intersect(attribute_keys, $watched::VARCHAR[])) AS aspect
        FROM attributed
        WHERE len($watched::VARCHAR[]) > 0 AND list_has_any(attribute_keys, $watched::VARCHAR[])
    )
    UNION ALL
    -- Variants of feature flags, and whether what they were evaluated for failed.
    SELECT
        service,
        environment,
        revision,
        hour_at,
        'flag',
        flag,
        coalesce(
            attribute(attribute_keys, attribute_values, 'feature_flag.result.variant'),
            attribute(attribute_keys, attribute_values, 'feature_flag.variant'),
            attribute(attribute_keys, attribute_values, 'feature_flag.result.value'),
            ''
        ),
        is_failing,
        span_count,
        first_seen_at,
        last_seen_at,
        last_received_at,
        earliest
    FROM (
        SELECT *, attribute(attribute_keys, attribute_values, 'feature_flag.key') AS flag
        FROM attributed
        WHERE list_contains(attribute_keys, 'feature_flag.key')
    )
    WHERE flag IS NOT NULL
    UNION ALL
    -- Personal data in attributes: by the form of the value, of one span in four.
    SELECT
        service,
        environment,
        revision,
        hour_at,
        'personal_data',
        aspect,
        form,
        TRUE,
        span_count,
        first_seen_at,
        last_seen_at,
        last_received_at,
        earliest
    FROM (
        SELECT
            *,
            CASE
                WHEN
                    regexp_matches(
                        text, '(?:^|[\s"''<(=:,;\[{])[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}\b'
                    )
                    AND NOT regexp_matches(text, '(?i)(?:git|noreply|no-reply)@|gserviceaccount\.com|@example\.')
                    THEN 'mail address'
                WHEN regexp_matches(text, '\b[3-6][0-9]{3}([ -])[0-9]{4}[ -][0-9]{4}[ -][0-9]{4}\b') THEN 'card number'
                WHEN regexp_matches(text, '(?:^|[\s"''=:,\[{(])[0-9]{3}-[0-9]{2}-[0-9]{4}(?:$|[\s"'',\]})])') THEN 'social security number'
                WHEN regexp_matches(text, '(?:^|[\s"''=:,\[{])\+[1-9][0-9]{9,13}\b') THEN 'phone number'
            END AS form
        FROM (
            SELECT *, unnest(attribute_keys) AS aspect, unnest(attribute_values) AS text
            FROM attributed
            WHERE span_id % 4 = 0
              AND regexp_matches(
                  array_to_string(attribute_values, chr(10)),
                  '@|\b[3-6][0-9]{3}[ -][0-9]{4}[ -]|\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b|\+[1-9][0-9]{9}'
              )
        )
    )
    WHERE form IS NOT NULL
),
counted AS (
    SELECT
        service,
        environment,
        revision,
        signal,
        subject,
        aspect,
        hour_at,
        sum(span_count)::BIGINT AS span_count,
        coalesce(sum(span_count) FILTER (WHERE is_hit), 0)::BIGINT AS hit_count,
        min(first_seen_at) AS first_seen_at,
        max(last_seen_at) AS last_seen_at,
        max(last_received_at) AS last_received_at,
        min(earliest) FILTER (WHERE is_hit) AS hit,
        min(earliest) FILTER (WHERE NOT is_hit) AS miss
    FROM signals
    GROUP BY service, environment, revision, signal, subject, aspect, hour_at
)
SELECT
    * EXCLUDE (hit, miss),
    hit['at'] AS hit_at,
    hit['trace_id'] AS hit_trace_id,
    hit['span_id'] AS hit_span_id,
    miss['at'] AS miss_at,
    miss['trace_id'] AS miss_trace_id,
    miss['span_id'] AS miss_span_id
FROM counted
