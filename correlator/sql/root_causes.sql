-- Where did each failing trace fail first?
--
-- One row is one root-cause span: a failure (slice_failures) that no failure below it explains (slice_hops). A trace has
-- several when independent branches failed.
--
-- Of a caller that gave up waiting for a SERVER which did not fail there are two rows: the caller (is_awaited false) and
-- the SERVER (is_awaited true). Which of them counts is decided where the usual duration of that operation is known
-- (failures.sql); awaited_service, awaited_operation and awaited_ns say what was waited for and how long it took.
--
-- $until     TIMESTAMP, UTC: spans that started until then.
-- $first_ns  ns since the Unix epoch: no span of these traces that counts started before.
-- $links_ns  a message was sent at most that long before it was worked on.

CREATE OR REPLACE TEMP TABLE arrived_causes AS
WITH
-- A caller that gave up waiting for a SERVER that did not fail: the SERVER is the root when it took far longer than usual
-- (failures.sql), else the caller waited too short a time.
waits AS MATERIALIZED (
    SELECT r.trace_id, r.span_id, t.span_id AS server_id, t.service, t.name, t.duration_ns
    FROM slice_roots AS r
    JOIN slice_spans AS t ON t.trace_id = r.trace_id AND t.parent_span_id = r.span_id AND t.kind = 2
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
    SELECT trace_id FROM slice_spans GROUP BY trace_id HAVING count(*) FILTER (parent_span_id IS NULL) = 0
),

-- Where the work entered the root's service: the nearest SERVER or CONSUMER at or above the root, of that service.
entries AS (
    SELECT r.trace_id, r.span_id AS root_id, t.span_id AS entry_id
    FROM slice_roots AS r
    LEFT JOIN slice_ancestors AS a ON a.trace_id = r.trace_id AND a.failing_id = r.span_id
    JOIN slice_spans AS t
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
    JOIN slice_spans AS t ON t.trace_id = e.trace_id AND t.span_id = e.entry_id
),

-- A consumer that starts a trace of its own names the producers of its messages by links.
links AS (
    SELECT e.trace_id, e.root_id, l.linked_trace_id, l.linked_span_id
    FROM entries AS e
    JOIN slice_spans AS s ON s.trace_id = e.trace_id AND s.span_id = e.entry_id AND s.kind = 5
    JOIN span_links AS l ON l.trace_id = s.trace_id AND l.span_id = s.span_id
),

links_of_trace AS (
    SELECT trace_id, list(DISTINCT linked_trace_id ORDER BY linked_trace_id) AS linked_trace_ids FROM links GROUP BY trace_id
),

above AS (
    SELECT r.trace_id, r.span_id AS root_id, t.service
    FROM slice_roots AS r
    JOIN slice_ancestors AS a ON a.trace_id = r.trace_id AND a.failing_id = r.span_id
    JOIN slice_spans AS t ON t.trace_id = a.trace_id AND t.span_id = a.ancestor_id
    WHERE t.service <> r.service
    UNION
    SELECT l.trace_id, l.root_id, p.service
    FROM links AS l
    JOIN slice_roots AS r ON r.trace_id = l.trace_id AND r.span_id = l.root_id
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
    FROM slice_roots AS r
    JOIN slice_spans AS t ON t.trace_id = r.trace_id AND t.parent_span_id = r.span_id
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
    FROM slice_roots AS r
    LEFT JOIN waits AS w ON w.trace_id = r.trace_id AND w.span_id = r.span_id
    UNION ALL
    SELECT w.trace_id, w.server_id, w.span_id, r.service, TRUE, w.service, w.name, w.duration_ns
    FROM waits AS w
    JOIN slice_roots AS r ON r.trace_id = w.trace_id AND r.span_id = w.span_id
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
    CASE WHEN NOT b.is_awaited THEN n.stacktrace END AS exception_stacktrace,
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
    li.linked_trace_ids,
    s.resource_id
FROM blamed AS b
JOIN slice_spans AS t ON t.trace_id = b.trace_id AND t.span_id = b.span_id
JOIN spans AS s ON s.rowid = t.span_row
LEFT JOIN resources AS re ON re.resource_id = s.resource_id
LEFT JOIN slice_stacks AS n ON n.trace_id = b.trace_id AND n.root_id = b.root_id
LEFT JOIN partial_traces AS p ON p.trace_id = b.trace_id
LEFT JOIN callers AS c ON c.trace_id = b.trace_id AND c.root_id = b.root_id
LEFT JOIN callees AS ce ON ce.trace_id = b.trace_id AND ce.root_id = b.root_id
LEFT JOIN answers AS an ON an.trace_id = b.trace_id AND an.root_id = b.root_id
LEFT JOIN slice_hops AS up ON up.trace_id = b.trace_id AND up.span_id = b.root_id
LEFT JOIN links_of_trace AS li ON li.trace_id = b.trace_id
