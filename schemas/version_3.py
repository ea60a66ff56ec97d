"""The step to schema version 3: exceptions carry the number of the load that brought them; signals are counted by the
hour, of spans that come from then on.

Frozen: it leads from what version 2 was to what version 3 was, whatever the tables are today.
"""

STATEMENTS: tuple[str, ...] = (
    "ALTER TABLE facts.exceptions ADD COLUMN load_number BIGINT",
    """CREATE TABLE facts.signal_hours (
        service VARCHAR NOT NULL, environment VARCHAR NOT NULL, revision VARCHAR, signal VARCHAR NOT NULL,
        subject VARCHAR NOT NULL, aspect VARCHAR NOT NULL, hour_at TIMESTAMP NOT NULL, span_count BIGINT NOT NULL,
        hit_count BIGINT NOT NULL, first_seen_at TIMESTAMP NOT NULL, last_seen_at TIMESTAMP NOT NULL,
        last_received_at TIMESTAMP NOT NULL, hit_at TIMESTAMP, hit_trace_id UUID, hit_span_id UBIGINT,
        miss_at TIMESTAMP, miss_trace_id UUID, miss_span_id UBIGINT)""",
)
