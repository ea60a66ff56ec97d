-- Where did each failing trace fail first?
--
-- One row is one root-cause span: a failing span whose failure no failing span below it explains. A trace has several
-- when independent branches failed.
--
-- A span fails when its status is Error, or when an exception that counts was recorded in it (span event, or log record
-- of severity ERROR and above) and it is not a CLIENT or PRODUCER; a status of Ok set by the developer wins. A failing
-- span passes its failure up to the nearest failing span above it (a hop) unless something shows that it did not.
-- 4xx answers point at the caller. Callers are found by parent, never by name.
--
-- Of a caller that gave up waiting for a SERVER which did not fail there are two rows: the caller (is_awaited false) and
-- the SERVER (is_awaited true). Which of them counts is decided where the usual duration of that operation is known
-- (failures.sql); awaited_service, awaited_operation and awaited_ns say what was waited for and how long it took.
--
-- $slice     the traces of touched_traces that are looked at.
-- $until     TIMESTAMP, UTC: spans that started and exceptions that were recorded until then.
-- $first_ns, $last_ns  ns since the Unix epoch: no span of these traces that counts started outside of them.
-- $reach_ns  a span belongs to the failing part of its trace when it started within that time of it.
-- $links_ns  a message was sent at most that long before it was worked on.

CREATE OR REPLACE TEMP TABLE arrived_causes AS
WITH RECURSIVE
sliced AS MATERIALIZED (
    SELECT
        trace_id,
        make_timestamp_ns(first_ns - $reach_ns::BIGINT) AS earliest,
        -- Clocks that name the year 2262 stand at the end of what 64 bits hold.
        make_timestamp_ns(least(last_ns, 9223372036854775806 - $reach_ns::BIGINT) + $reach_ns::BIGINT) AS latest
    FROM touched_traces
    WHERE slice = $slice
),

-- Exceptions, duplicates folded; equal exception_id means equal type, message and stack trace. Stacks are long: they
-- stay where they are, and stack_row says where, until one is read.
recorded AS MATERIALIZED (
    SELECT
        trace_id,
        span_id,
        exception_id,
        min("time") AS recorded_at,
        max(source) AS source,
        min(type) AS type,
        min(message) AS message,
        min(rowid) FILTER (stacktrace IS NOT NULL) AS stack_row,
        max(length(stacktrace)) AS stack_length,
        -- The last segment: log handlers send the bare name, span events the qualified one.
        regexp_extract(min(type), '[^.:/\\$]*$') AS short_type
    FROM exceptions
    SEMI JOIN sliced USING (trace_id)
    WHERE
        span_id IS NOT NULL
        AND "time" <= $until::TIMESTAMP_NS
        AND coalesce(severity_number, 0) NOT BETWEEN 1 AND 16
    GROUP BY trace_id, span_id, exception_id
),

-- The earliest exception of each span is what went wrong in it.
earliest AS (
    SELECT trace_id, span_id, recorded_at, type, short_type, message
    FROM recorded
    QUALIFY row_number() OVER (
        PARTITION BY trace_id, span_id ORDER BY recorded_at, source DESC, exception_id
    ) = 1
),

-- Of the records of that same exception the longest stack and the most qualified type are kept.
span_exceptions AS MATERIALIZED (
    SELECT
        e.trace_id,
        e.span_id,
        e.recorded_at,
        coalesce(r.type, e.type) AS type,
        e.short_type,
        e.message,
        r.stack_row
    FROM earliest AS e
    JOIN recorded AS r
        ON r.trace_id = e.trace_id
        AND r.span_id = e.span_id
        AND r.short_type IS NOT DISTINCT FROM e.short_type
        AND r.message IS NOT DISTINCT FROM e.message
    QUALIFY row_number() OVER (
        PARTITION BY e.trace_id, e.span_id
        ORDER BY coalesce(r.stack_length, 0) DESC, length(coalesce(r.type, '')) DESC, r.exception_id
    ) = 1
),

-- Every span of those traces. span_row says where the rest of it is.
delivered AS MATERIALIZED (
    SELECT
        s.trace_id,
        s.span_id,
        s.parent_span_id,
        s.service,
        s.kind,
        s.status_code,
        s.name,
        epoch_ns(s.start_time) AS start_ns,
        epoch_ns(s.start_time) + s.duration_ns AS end_ns,
        s.duration_ns,
        s.error_type,
        s.exception_type,
        s.exception_message,
        s.http_response_status_code,
        s.rpc_grpc_status_code,
        s.rowid AS span_row,
        hash(
            s.kind, s.name, s.service, s.server_address, s.url_path, s.http_route, s.db_collection_name, s.rpc_method
        ) AS call,
        s.received_at,
        s.resource_id
    FROM spans AS s
    JOIN sliced AS f ON f.trace_id = s.trace_id AND s.start_time BETWEEN f.earliest AND f.latest
    WHERE
        s.start_time <= $until::TIMESTAMP_NS
        AND s.start_time BETWEEN make_timestamp_ns($first_ns::BIGINT) AND make_timestamp_ns($last_ns::BIGINT)
),

-- OTLP delivers at least once.
repeated AS (
    SELECT trace_id, span_id FROM delivered GROUP BY trace_id, span_id HAVING count(*) > 1
),

superseded AS MATERIALIZED (
    SELECT span_row
    FROM delivered
    SEMI JOIN repeated USING (trace_id, span_id)
    QUALIFY row_number() OVER (
        PARTITION BY trace_id, span_id
        ORDER BY received_at, duration_ns DESC, status_code DESC, name, resource_id, start_ns, span_row
    ) > 1
),

trace_spans AS MATERIALIZED (
    SELECT * EXCLUDE (received_at, resource_id) FROM delivered ANTI JOIN superseded USING (span_row)
),

failing AS MATERIALIZED (
    SELECT
        t.trace_id,
        t.span_id,
        t.parent_span_id,
        t.service,
        t.kind,
        t.start_ns,
        t.end_ns,
        t.duration_ns,
        t.call,
        t.error_type,
        t.rpc_grpc_status_code,
        coalesce(e.type, t.exception_type) AS type,
        coalesce(e.short_type, regexp_extract(t.exception_type, '[^.:/\\$]*$')) AS short_type,
        CASE WHEN e.type IS NULL AND e.message IS NULL THEN t.exception_message ELSE e.message END AS message,
        e.stack_row,
        -- When it failed: at its exception, else at its end.
        least(coalesce(epoch_ns(e.recorded_at), t.end_ns), t.end_ns) AS failed_ns
    FROM trace_spans AS t
    LEFT JOIN span_exceptions AS e ON e.trace_id = t.trace_id AND e.span_id = t.span_id
    WHERE
        t.status_code = 2
        OR (t.status_code <> 1 AND t.kind NOT IN (3, 4) AND e.span_id IS NOT NULL)
),

-- A SERVER that answers 4xx (HTTP) or with a code that means "you asked wrongly" (gRPC) under a failing CLIENT did its
-- work: the caller's request was at fault, and whatever was recorded on the way to that answer is not a failure.
refusals AS (
    SELECT t.trace_id, t.span_id
    FROM trace_spans AS t
    JOIN failing AS c ON c.trace_id = t.trace_id AND c.span_id = t.parent_span_id AND c.kind = 3
    WHERE
        t.kind = 2
        AND t.status_code <> 2
        AND (t.http_response_status_code BETWEEN 400 AND 499 OR t.rpc_grpc_status_code IN (3, 5, 6, 7, 9, 11, 16))
),

-- Every failing span with each span above it. The depth is bounded, so that a cycle of parents ends.
climb AS (
    SELECT trace_id, span_id AS failing_id, parent_span_id AS ancestor_id, 1 AS hops
    FROM failing
    WHERE parent_span_id IS NOT NULL
    UNION ALL
    SELECT c.trace_id, c.failing_id, t.parent_span_id, c.hops + 1
    FROM climb AS c
    JOIN trace_spans AS t ON t.trace_id = c.trace_id AND t.span_id = c.ancestor_id
    WHERE t.parent_span_id IS NOT NULL AND c.hops < 64
),

ancestors AS MATERIALIZED (
    SELECT c.trace_id, c.failing_id, c.ancestor_id, min(c.hops) AS hops
    FROM climb AS c
    SEMI JOIN trace_spans AS t ON t.trace_id = c.trace_id AND t.span_id = c.ancestor_id
    WHERE c.ancestor_id <> c.failing_id
    GROUP BY c.trace_id, c.failing_id, c.ancestor_id
),

refused AS (
    SELECT trace_id, span_id FROM refusals
    UNION
    SELECT a.trace_id, a.failing_id
    FROM ancestors AS a
    JOIN refusals AS r ON r.trace_id = a.trace_id AND r.span_id = a.ancestor_id
),

failures AS MATERIALIZED (
    SELECT
        f.trace_id,
        f.span_id,
        f.parent_span_id,
        f.service,
        f.kind,
        f.start_ns,
        f.end_ns,
        f.duration_ns,
        f.call,
        f.error_type,
        f.rpc_grpc_status_code,
        f.type,
        f.short_type,
        f.message,
        f.stack_row,
        f.failed_ns
    FROM failing AS f
    ANTI JOIN refused AS r ON r.trace_id = f.trace_id AND r.span_id = f.span_id
),

-- Failing calls that were made again and then succeeded.
retried AS (
    SELECT DISTINCT f.trace_id, f.span_id
    FROM failures AS f
    JOIN trace_spans AS again
        ON again.trace_id = f.trace_id
        AND again.parent_span_id = f.parent_span_id
        AND again.call = f.call
        AND again.start_ns >= f.end_ns
    ANTI JOIN failing AS failed_again
        ON failed_again.trace_id = again.trace_id AND failed_again.span_id = again.span_id
    WHERE f.kind = 3
),

-- Each failure and the nearest failing span above it, if any.
nearest AS (
    SELECT a.trace_id, a.failing_id, a.ancestor_id, a.hops
    FROM ancestors AS a
    SEMI JOIN failures AS lower ON lower.trace_id = a.trace_id AND lower.span_id = a.failing_id
    SEMI JOIN failures AS upper ON upper.trace_id = a.trace_id AND upper.span_id = a.ancestor_id
    QUALIFY row_number() OVER (PARTITION BY a.trace_id, a.failing_id ORDER BY a.hops, a.ancestor_id) = 1
),

-- Is the failure of span_id the failure of its caller_id too? Null where the caller's stack has to say.
paired AS MATERIALIZED (
    SELECT
        d.trace_id,
        d.span_id,
        d.short_type,
        s.span_id AS caller_id,
        s.stack_row AS caller_stack_row,
        d.service = s.service AS is_same_service,
        CASE
            -- A CLIENT fails because the SERVER that it called fails.
            WHEN s.kind = 3 AND d.kind = 2 THEN TRUE
            -- Context managers record one exception on every span that it leaves.
            WHEN s.service = d.service AND s.type IS NOT NULL AND s.short_type = d.short_type
                AND s.message IS NOT DISTINCT FROM d.message THEN TRUE
            -- A producer does not wait for its consumers.
            WHEN d.kind = 5 AND d.service <> s.service THEN FALSE
            WHEN r.span_id IS NOT NULL THEN FALSE
            -- What failed later cannot have caused it; 1 ms for clocks of that resolution. Clocks of two services are
            -- not compared.
            WHEN d.service = s.service AND d.failed_ns > s.failed_ns + 1000000 THEN FALSE
            WHEN d.service = s.service AND d.short_type <> '' AND s.stack_row IS NOT NULL THEN NULL
            ELSE TRUE
        END AS is_hop
    FROM nearest AS n
    JOIN failures AS d ON d.trace_id = n.trace_id AND d.span_id = n.failing_id
    JOIN failures AS s ON s.trace_id = n.trace_id AND s.span_id = n.ancestor_id
    LEFT JOIN retried AS r ON r.trace_id = d.trace_id AND r.span_id = d.span_id
),

-- Python prints the exceptions that an exception came from. One that is not printed was handled before.
unprinted AS (
    SELECT p.trace_id, p.span_id
    FROM paired AS p
    JOIN exceptions AS e ON e.rowid = p.caller_stack_row
    WHERE
        p.is_hop IS NULL
        AND e.stacktrace LIKE '%Traceback (most recent call last)%'
        AND NOT contains(e.stacktrace, p.short_type)
),

hops AS MATERIALIZED (
    SELECT p.trace_id, p.span_id, p.caller_id, p.is_same_service
    FROM paired AS p
    ANTI JOIN unprinted AS u ON u.trace_id = p.trace_id AND u.span_id = p.span_id
    WHERE p.is_hop IS NOT FALSE
),

roots AS MATERIALIZED (
    SELECT
        f.trace_id,
        f.span_id,
        f.service,
        f.kind,
        f.start_ns,
        f.duration_ns,
        f.error_type,
        f.rpc_grpc_status_code,
        f.type,
        f.message
    FROM failures AS f
    ANTI JOIN hops AS h ON h.trace_id = f.trace_id AND h.caller_id = f.span_id
),

-- The hops of each root inside its own service: an outer span's record of the same exception shows more callers.
carriers AS (
    SELECT r.trace_id, r.span_id AS root_id, r.span_id AS carrier_id, 0 AS hops
    FROM roots AS r
    UNION ALL
    SELECT c.trace_id, c.root_id, h.caller_id, c.hops + 1
    FROM carriers AS c
    JOIN hops AS h ON h.trace_id = c.trace_id AND h.span_id = c.carrier_id
    WHERE h.is_same_service AND c.hops < 64
),

-- A root without an exception of its own (an HTTP client sets only the status) takes the nearest one above it.
named AS MATERIALIZED (
    SELECT
        c.trace_id,
        c.root_id,
        f.type,
        f.short_type,
        f.message
    FROM carriers AS c
    JOIN failures AS f ON f.trace_id = c.trace_id AND f.span_id = c.carrier_id
    WHERE f.type IS NOT NULL OR f.message IS NOT NULL OR f.stack_row IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY c.trace_id, c.root_id ORDER BY c.hops) = 1
),

-- The stacks on the way up.
carried AS MATERIALIZED (
    SELECT
        c.trace_id,
        c.root_id,
        c.hops,
        f.stack_row,
        n.short_type,
        n.message,
        f.short_type IS NOT DISTINCT FROM n.short_type AND f.message IS NOT DISTINCT FROM n.message AS is_same
    FROM carriers AS c
    JOIN named AS n ON n.trace_id = c.trace_id AND n.root_id = c.root_id
    JOIN failures AS f ON f.trace_id = c.trace_id AND f.span_id = c.carrier_id
    WHERE f.stack_row IS NOT NULL
),

-- The stack of the outermost record of that exception, or of one that prints it as its cause.
outermost AS (
    SELECT trace_id, root_id, hops, stack_row FROM carried WHERE is_same
    UNION ALL
    SELECT c.trace_id, c.root_id, c.hops, c.stack_row
    FROM carried AS c
    JOIN exceptions AS e ON e.rowid = c.stack_row
    WHERE
        NOT c.is_same
        AND c.short_type <> ''
        AND contains(e.stacktrace, concat_ws(': ', c.short_type, nullif(c.message, '')))
),

stacks AS (
    SELECT o.trace_id, o.root_id, e.stacktrace
    FROM (
        SELECT trace_id, root_id, arg_max(stack_row, hops) AS stack_row FROM outermost GROUP BY trace_id, root_id
    ) AS o
    JOIN exceptions AS e ON e.rowid = o.stack_row
),

-- A caller that gave up waiting for a SERVER that did not fail: the SERVER is the root when it took far longer than usual
-- (failures.sql), else the caller waited too short a time.
waits AS MATERIALIZED (
    SELECT r.trace_id, r.span_id, t.span_id AS server_id, t.service, t.name, t.duration_ns
    FROM roots AS r
    JOIN trace_spans AS t ON t.trace_id = r.trace_id AND t.parent_span_id = r.span_id AND t.kind = 2
    WHERE
        r.kind = 3
        AND t.status_code <> 2
        AND t.service <> r.service
        AND t.duration_ns * 10 >= r.duration_ns * 9
        AND (
            r.rpc_grpc_status_code = 4
            OR regexp_matches(concat_ws(' ', r.type, r.error_type, r.message), '(?i)time.?d?.?out|deadline')
        )
    QUALIFY row_number() OVER (PARTITION BY r.trace_id, r.span_id ORDER BY t.duration_ns DESC, t.span_id) = 1
),

partial_traces AS (
    SELECT trace_id FROM trace_spans GROUP BY trace_id HAVING count(*) FILTER (parent_span_id IS NULL) = 0
),

-- Where the work entered the root's service: the nearest SERVER or CONSUMER at or above the root, of that service.
entries AS (
    SELECT r.trace_id, r.span_id AS root_id, t.span_id AS entry_id
    FROM roots AS r
    LEFT JOIN ancestors AS a ON a.trace_id = r.trace_id AND a.failing_id = r.span_id
    JOIN trace_spans AS t
        ON t.trace_id = r.trace_id
        AND (t.span_id = a.ancestor_id OR t.span_id = r.span_id)
        AND t.service = r.service
        AND t.kind IN (2, 5)
    QUALIFY row_number() OVER (
        PARTITION BY r.trace_id, r.span_id
        ORDER BY CASE WHEN t.span_id = r.span_id THEN 0 ELSE a.hops END, t.span_id
    ) = 1
),

-- What the service answered, and whether an instrumented caller asked.
answers AS (
    SELECT
        e.trace_id,
        e.root_id,
        t.name AS entry_name,
        t.span_id = e.root_id AS is_entry,
        t.kind = 2
        AND t.status_code <> 2
        AND t.parent_span_id IS NULL
        AND (
            coalesce(t.http_response_status_code, 0) IN (400, 404, 405, 406, 410, 411, 413, 414, 415, 416, 417, 422, 431)
            OR coalesce(t.rpc_grpc_status_code, 0) IN (3, 5, 11)
        ) AS is_refused_stranger
    FROM entries AS e
    JOIN trace_spans AS t ON t.trace_id = e.trace_id AND t.span_id = e.entry_id
),

-- A consumer that starts a trace of its own names the producers of its messages by links.
links AS (
    SELECT e.trace_id, e.root_id, l.linked_trace_id, l.linked_span_id
    FROM entries AS e
    JOIN trace_spans AS s ON s.trace_id = e.trace_id AND s.span_id = e.entry_id AND s.kind = 5
    JOIN span_links AS l ON l.trace_id = s.trace_id AND l.span_id = s.span_id
),

links_of_trace AS (
    SELECT trace_id, list(DISTINCT linked_trace_id ORDER BY linked_trace_id) AS linked_trace_ids FROM links GROUP BY trace_id
),

above AS (
    SELECT r.trace_id, r.span_id AS root_id, t.service
    FROM roots AS r
    JOIN ancestors AS a ON a.trace_id = r.trace_id AND a.failing_id = r.span_id
    JOIN trace_spans AS t ON t.trace_id = a.trace_id AND t.span_id = a.ancestor_id
    WHERE t.service <> r.service
    UNION
    SELECT l.trace_id, l.root_id, p.service
    FROM links AS l
    JOIN roots AS r ON r.trace_id = l.trace_id AND r.span_id = l.root_id
    JOIN spans AS p ON p.trace_id = l.linked_trace_id AND p.span_id = l.linked_span_id
    WHERE
        p.service <> r.service
        AND p.start_time <= $until::TIMESTAMP_NS
        AND p.start_time >= make_timestamp_ns($first_ns::BIGINT - $links_ns::BIGINT)
        AND epoch_ns(p.start_time) >= r.start_ns - $links_ns::BIGINT
),

callers AS (
    SELECT trace_id, root_id, list(service ORDER BY service) AS services FROM above GROUP BY trace_id, root_id
),

callees AS (
    SELECT r.trace_id, r.span_id AS root_id, min(t.service) AS service
    FROM roots AS r
    JOIN trace_spans AS t ON t.trace_id = r.trace_id AND t.parent_span_id = r.span_id
    GROUP BY r.trace_id, r.span_id
),

-- The span that each row stands for: the root itself, or the SERVER below it that its caller waited for.
blamed AS (
    SELECT
        r.trace_id,
        r.span_id,
        r.span_id AS root_id,
        r.service AS root_service,
        FALSE AS is_awaited,
        w.service AS awaited_service,
        w.name AS awaited_operation,
        w.duration_ns AS awaited_ns
    FROM roots AS r
    LEFT JOIN waits AS w ON w.trace_id = r.trace_id AND w.span_id = r.span_id
    UNION ALL
    SELECT w.trace_id, w.server_id, w.span_id, r.service, TRUE, w.service, w.name, w.duration_ns
    FROM waits AS w
    JOIN roots AS r ON r.trace_id = w.trace_id AND r.span_id = w.span_id
    -- Two callers may have waited for one server.
    QUALIFY row_number() OVER (PARTITION BY w.trace_id, w.server_id ORDER BY r.start_ns, r.span_id) = 1
)

SELECT
    s.trace_id,
    s.span_id,
    s.service,
    coalesce(s.environment, '') AS environment,
    s.revision,
    s.service_version,
    re.repository_url,
    re.sdk_language,
    s.start_time::TIMESTAMP AS failed_at,
    s.kind,
    s.name,
    s.http_request_method,
    s.http_route,
    s.http_response_status_code,
    s.url_path,
    s.server_address,
    s.db_system_name,
    s.db_collection_name,
    s.db_operation_name,
    s.db_response_status_code,
    s.rpc_system,
    s.rpc_service,
    s.rpc_method,
    s.rpc_grpc_status_code,
    s.messaging_destination_name,
    CASE WHEN b.is_awaited THEN coalesce(s.error_type, 'timeout') ELSE s.error_type END AS error_type,
    CASE
        WHEN b.is_awaited THEN coalesce(s.status_message, 'the caller gave up waiting')
        ELSE s.status_message
    END AS status_message,
    CASE WHEN NOT b.is_awaited THEN n.type END AS exception_type,
    CASE WHEN NOT b.is_awaited THEN n.message END AS exception_message,
    CASE WHEN NOT b.is_awaited THEN st.stacktrace END AS exception_stacktrace,
    p.trace_id IS NOT NULL AS is_partial,
    -- A call that left no span on the other side: a database, a vendor, a service without instrumentation.
    s.kind = 3 AND ce.root_id IS NULL AS is_dependency_leaf,
    CASE
        WHEN b.is_awaited
            THEN list_sort(list_distinct(list_append(list_filter(coalesce(c.services, []), lambda x: x <> s.service), b.root_service)))
        ELSE coalesce(c.services, []::VARCHAR[])
    END AS caller_services,
    -- Somebody without instrumentation sent what the service rightly refused, and what failed is that refusal.
    s.kind <> 3 AND coalesce(an.is_refused_stranger, FALSE) AS upstream_is_garbage_client,
    -- Name of the SERVER or CONSUMER span by which the work entered this service; null when there is none.
    CASE WHEN b.is_awaited THEN s.name ELSE an.entry_name END AS entry_name,
    -- Service on the other side of a failing call; null when it left no span.
    CASE WHEN s.kind = 3 THEN ce.service END AS callee_service,
    -- A failure that the service survived: its entry span exists and did not fail with it.
    NOT b.is_awaited
    AND up.span_id IS NULL
    AND coalesce(NOT an.is_refused_stranger AND (NOT an.is_entry OR s.status_code <> 2), FALSE) AS is_handled,
    b.is_awaited,
    b.awaited_service,
    b.awaited_operation,
    b.awaited_ns,
    li.linked_trace_ids
FROM blamed AS b
JOIN trace_spans AS t ON t.trace_id = b.trace_id AND t.span_id = b.span_id
JOIN spans AS s ON s.rowid = t.span_row
LEFT JOIN resources AS re ON re.resource_id = s.resource_id
LEFT JOIN named AS n ON n.trace_id = b.trace_id AND n.root_id = b.root_id
LEFT JOIN stacks AS st ON st.trace_id = b.trace_id AND st.root_id = b.root_id
LEFT JOIN partial_traces AS p ON p.trace_id = b.trace_id
LEFT JOIN callers AS c ON c.trace_id = b.trace_id AND c.root_id = b.root_id
LEFT JOIN callees AS ce ON ce.trace_id = b.trace_id AND ce.root_id = b.root_id
LEFT JOIN answers AS an ON an.trace_id = b.trace_id AND an.root_id = b.root_id
LEFT JOIN hops AS up ON up.trace_id = b.trace_id AND up.span_id = b.root_id
LEFT JOIN links_of_trace AS li ON li.trace_id = b.trace_id
