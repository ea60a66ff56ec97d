"""The step to schema version 5: stack traces stand in a table of their own.

Frozen: it leads from what version 4 was to what version 5 was, whatever the tables are today.
"""

_STACK_ID = "('0x' || left(sha256(stacktrace), 16))::UBIGINT"
"""Not the hash that version 5 gives to what comes: a stack that is stored by both ids is stored twice, and that is all."""

STATEMENTS: tuple[str, ...] = (
    """CREATE TABLE facts.stacks (
      stack_id UBIGINT NOT NULL, stacktrace VARCHAR NOT NULL, length BIGINT NOT NULL, loaded_at TIMESTAMP)""",
    f"""INSERT INTO facts.stacks
    SELECT {_STACK_ID}, stacktrace, length(stacktrace), max(received_at)
    FROM facts.exceptions
    WHERE stacktrace IS NOT NULL
    GROUP BY stacktrace""",
    """CREATE TABLE facts.exceptions_5 (
      exception_id UBIGINT NOT NULL, trace_id UUID, span_id UBIGINT, "time" TIMESTAMP_NS NOT NULL,
      received_at TIMESTAMP NOT NULL, resource_id UBIGINT NOT NULL, service VARCHAR NOT NULL, service_version VARCHAR,
      environment VARCHAR, revision VARCHAR, source VARCHAR NOT NULL, severity_number INTEGER, type VARCHAR,
      message VARCHAR, stack_id UBIGINT, load_number BIGINT)""",
    f"""INSERT INTO facts.exceptions_5 BY NAME
    SELECT * EXCLUDE (stacktrace), {_STACK_ID} AS stack_id FROM facts.exceptions""",
    "DROP TABLE facts.exceptions",
    "ALTER TABLE facts.exceptions_5 RENAME TO exceptions",
)
