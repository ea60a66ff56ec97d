-- Which spans do the traces have that are looked at?
--
-- One row is one span, duplicates folded: OTLP delivers at least once. span_row says where the rest of it is.

CREATE OR REPLACE TEMP TABLE slice_spans AS
WITH
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
    FROM slice_rows AS r
    JOIN spans AS s ON s.rowid = r.span_row
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
)

SELECT * EXCLUDE (received_at, resource_id) FROM delivered ANTI JOIN superseded USING (span_row)
