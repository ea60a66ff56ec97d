"""The step to schema version 2: telemetry in the shape of the columnar decoder, loads and their counts.

Frozen: it leads from what version 1 was to what version 2 was, whatever the tables are today.
"""

_ATTRIBUTES = """map_keys(attributes) AS attribute_keys, map_values(attributes) AS attribute_values,
    array_to_string(attribute_kinds, '') AS attribute_kinds"""
_NESTED = """map_keys(item.attributes), map_values(item.attributes), array_to_string(item.attribute_kinds, ''), NULL"""

STATEMENTS: tuple[str, ...] = (
    """CREATE TABLE facts.span_events (
  "trace_id" UUID NOT NULL,
  "span_id" UBIGINT NOT NULL,
  "received_at" TIMESTAMP NOT NULL,
  "time" TIMESTAMP_NS NOT NULL,
  "name" VARCHAR NOT NULL,
  "attribute_keys" VARCHAR[],
  "attribute_values" VARCHAR[],
  "attribute_kinds" VARCHAR,
  "dropped_attributes_count" UINTEGER
)""",
    """CREATE TABLE facts.span_links (
  "trace_id" UUID NOT NULL,
  "span_id" UBIGINT NOT NULL,
  "received_at" TIMESTAMP NOT NULL,
  "linked_trace_id" UUID,
  "linked_span_id" UBIGINT,
  "trace_state" VARCHAR,
  "flags" UINTEGER,
  "attribute_keys" VARCHAR[],
  "attribute_values" VARCHAR[],
  "attribute_kinds" VARCHAR,
  "dropped_attributes_count" UINTEGER
)""",
    f"""INSERT INTO facts.span_events
        SELECT trace_id, span_id, received_at, item."time", item.name, {_NESTED}
        FROM (SELECT trace_id, span_id, received_at, unnest(events) AS item FROM facts.spans)""",
    f"""INSERT INTO facts.span_links
        SELECT trace_id, span_id, received_at, item.trace_id, item.span_id, NULL, NULL, {_NESTED}
        FROM (SELECT trace_id, span_id, received_at, unnest(links) AS item FROM facts.spans)""",
    """CREATE TABLE facts.spans_2 (
  "trace_id" UUID NOT NULL,
  "span_id" UBIGINT NOT NULL,
  "parent_span_id" UBIGINT,
  "trace_state" VARCHAR,
  "flags" UINTEGER,
  "start_time" TIMESTAMP_NS NOT NULL,
  "duration_ns" BIGINT NOT NULL,
  "received_at" TIMESTAMP NOT NULL,
  "resource_id" UBIGINT NOT NULL,
  "scope_id" UBIGINT NOT NULL,
  "service" VARCHAR NOT NULL,
  "service_version" VARCHAR,
  "environment" VARCHAR,
  "revision" VARCHAR,
  "name" VARCHAR NOT NULL,
  "kind" INTEGER NOT NULL,
  "status_code" INTEGER NOT NULL,
  "status_message" VARCHAR,
  "exception_type" VARCHAR,
  "exception_message" VARCHAR,
  "error_type" VARCHAR,
  "http_request_method" VARCHAR,
  "http_route" VARCHAR,
  "http_response_status_code" BIGINT,
  "url_path" VARCHAR,
  "server_address" VARCHAR,
  "server_port" BIGINT,
  "db_system_name" VARCHAR,
  "db_collection_name" VARCHAR,
  "db_operation_name" VARCHAR,
  "db_query_text" VARCHAR,
  "db_response_status_code" VARCHAR,
  "rpc_system" VARCHAR,
  "rpc_service" VARCHAR,
  "rpc_method" VARCHAR,
  "rpc_grpc_status_code" BIGINT,
  "messaging_system" VARCHAR,
  "messaging_destination_name" VARCHAR,
  "code_function_name" VARCHAR,
  "code_file_path" VARCHAR,
  "code_line_number" BIGINT,
  "attribute_keys" VARCHAR[],
  "attribute_values" VARCHAR[],
  "attribute_kinds" VARCHAR,
  "dropped_attributes_count" UINTEGER,
  "dropped_events_count" UINTEGER,
  "dropped_links_count" UINTEGER
)""",
    f"""INSERT INTO facts.spans_2 BY NAME SELECT * EXCLUDE (exception_stacktrace, attributes, attribute_kinds, events, links), {_ATTRIBUTES} FROM facts.spans""",
    """DROP TABLE facts.spans""",
    """ALTER TABLE facts.spans_2 RENAME TO spans""",
    """CREATE TABLE facts.resources_2 (
  "resource_id" UBIGINT NOT NULL,
  "service" VARCHAR NOT NULL,
  "repository_url" VARCHAR,
  "sdk_language" VARCHAR,
  "attribute_keys" VARCHAR[],
  "attribute_values" VARCHAR[],
  "attribute_kinds" VARCHAR,
  "schema_url" VARCHAR,
  PRIMARY KEY (resource_id)
)""",
    f"""INSERT INTO facts.resources_2 BY NAME SELECT * EXCLUDE (attributes, attribute_kinds), {_ATTRIBUTES} FROM facts.resources""",
    """DROP TABLE facts.resources""",
    """ALTER TABLE facts.resources_2 RENAME TO resources""",
    """CREATE TABLE facts.scopes_2 (
  "scope_id" UBIGINT NOT NULL,
  "name" VARCHAR,
  "version" VARCHAR,
  "attribute_keys" VARCHAR[],
  "attribute_values" VARCHAR[],
  "attribute_kinds" VARCHAR,
  "schema_url" VARCHAR,
  PRIMARY KEY (scope_id)
)""",
    f"""INSERT INTO facts.scopes_2 BY NAME SELECT * EXCLUDE (attributes, attribute_kinds), {_ATTRIBUTES} FROM facts.scopes""",
    """DROP TABLE facts.scopes""",
    """ALTER TABLE facts.scopes_2 RENAME TO scopes""",
    """CREATE TABLE facts.spool_done_2 (
  "segment" BIGINT NOT NULL,
  "loaded_at" TIMESTAMP NOT NULL,
  "span_count" BIGINT NOT NULL,
  "is_whole" BOOLEAN NOT NULL,
  PRIMARY KEY (segment)
)""",
    """INSERT INTO facts.spool_done_2 SELECT segment, loaded_at, span_count, TRUE FROM facts.spool_done""",
    """DROP TABLE facts.spool_done""",
    """ALTER TABLE facts.spool_done_2 RENAME TO spool_done""",
    """CREATE TABLE facts.loads (
        load_number BIGINT PRIMARY KEY, loaded_at TIMESTAMP NOT NULL, span_count BIGINT NOT NULL)""",
    """CREATE TABLE facts.folded_loads (
        load_number BIGINT PRIMARY KEY, folded_at TIMESTAMP NOT NULL, late_count BIGINT NOT NULL,
        late_folded_at TIMESTAMP)""",
    """CREATE TABLE facts.operation_hours (
        service VARCHAR NOT NULL, environment VARCHAR NOT NULL, revision VARCHAR, operation VARCHAR NOT NULL,
        kind INTEGER NOT NULL, hour_at TIMESTAMP NOT NULL, span_count BIGINT NOT NULL, error_count BIGINT NOT NULL,
        exception_count BIGINT NOT NULL, displaced_count BIGINT NOT NULL, weighed_count BIGINT NOT NULL,
        span_weight DECIMAL(38, 6) NOT NULL, failing_weight DECIMAL(38, 6) NOT NULL,
        duration_ns_sum DECIMAL(38, 0) NOT NULL, duration_counts MAP(INTEGER, BIGINT) NOT NULL,
        first_seen_at TIMESTAMP NOT NULL, last_seen_at TIMESTAMP NOT NULL, last_received_at TIMESTAMP NOT NULL)""",
    # Which load an old span came with was not written down. A negative number per minute of receipt stands for it,
    # so that the first fold goes through them in slices.
    """ALTER TABLE facts.spans ADD COLUMN load_number BIGINT""",
    """UPDATE facts.spans SET load_number = -(epoch_ms(received_at) // 60000)""",
    """INSERT INTO facts.loads SELECT load_number, max(received_at), count(*) FROM facts.spans GROUP BY load_number""",
)
