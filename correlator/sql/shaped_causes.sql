-- Task: give each root cause that arrived its shape, in the temporary table shaped_causes.
-- One row: one row of arrived_causes. Its shape is what tells failures apart, and whatever their weights are summed by.
--   alike_id: equal for traces that began to fail in one minute and failed in the same shapes; null where somebody waited,
--   and where a trace failed for a minute or longer.
-- Input: arrived_keys (text_id, text_key): what the texts of arrived_texts.sql have in common with others.
CREATE OR REPLACE TEMP TABLE shaped_causes AS
WITH
shaped AS (
    SELECT
        md5_number_lower(row(
            k.text_key, c.service, c.environment, c.revision, c.service_version, c.kind,
            c.http_request_method, c.http_route, c.http_response_status_code, c.db_collection_name, c.db_operation_name,
            c.db_response_status_code, c.rpc_service, c.rpc_method, c.rpc_grpc_status_code, c.messaging_destination_name,
            c.error_type, c.is_partial, c.is_dependency_leaf, c.caller_services, c.upstream_is_garbage_client,
            c.is_handled, c.is_awaited, c.awaited_service, c.awaited_operation
        )::VARCHAR) AS shape_id,
        c.*
    FROM arrived_causes AS c
    JOIN arrived_keys AS k
        ON k.text_id = hash(
            c.exception_type, c.exception_message, c.status_message, c.exception_stacktrace, c.sdk_language, c.name
        )
),
alike AS (
    SELECT
        trace_id,
        CASE
            WHEN count(awaited_service) = 0 AND max(failed_at) < min(failed_at) + INTERVAL 1 MINUTE THEN
                md5_number_lower(row(list_sort(list(DISTINCT shape_id)), date_trunc('minute', min(failed_at)))::VARCHAR)
        END AS alike_id
    FROM shaped
    GROUP BY trace_id
)
SELECT s.*, a.alike_id
FROM shaped AS s
JOIN alike AS a ON a.trace_id = s.trace_id
