"""The schema version of a store and the steps that lead to it; forward only.

A new store gets the tables of ``schemas/tables.py`` and version :data:`CURRENT`. An older one gets each later step
of :data:`STEPS` in order, each in one transaction with its version. Inference tables need no steps: they are
dropped and made anew, because `aftermerge rebuild` can always refill them from the facts; verdicts of provenance are
kept in the ledger first, with the version of the rules that gave them.
"""

import duckdb

from schemas import tables, version_2, version_3, version_5
from schemas.errors import StoreError
from schemas.tables import Schema

CURRENT = 6

STEPS: dict[int, tuple[str, ...]] = {
    2: version_2.STATEMENTS,
    3: version_3.STATEMENTS,
    4: (),
    5: version_5.STATEMENTS,
    6: (),
}
"""version -> statements that lead to it from the version before; table names are qualified by schema."""

FORMER_PROVENANCE_SINCE = 3
"""The first version with a ledger of former verdicts."""

VIEWS = (
    """CREATE OR REPLACE MACRO facts.trace_hex(id) AS replace(id::VARCHAR, '-', '')""",
    """CREATE OR REPLACE MACRO facts.attribute(keys, texts, key) AS texts[list_position(keys, key)]""",
    """CREATE OR REPLACE MACRO facts.span_hex(id) AS printf('%016x', id)""",
    # When a span counts as started: by its own clock, unless that names a time after its receipt or ten years before
    # it (a start of 0 is 1970). TIMESTAMP, UTC.
    """CREATE OR REPLACE MACRO facts.seen_at(start_time, received_at) AS CASE
        WHEN start_time::TIMESTAMP BETWEEN received_at - INTERVAL 3653 DAY AND received_at THEN start_time::TIMESTAMP
        ELSE received_at
    END""",
    # Did a span come long after it started? Such spans are folded more rarely: each look for an earlier delivery of
    # theirs goes through hours of raw spans.
    """CREATE OR REPLACE MACRO facts.is_late(start_time, received_at) AS
        start_time < (received_at - INTERVAL 15 MINUTE)::TIMESTAMP_NS""",
    # Bucket i holds durations in (2^(i/8), 2^((i+1)/8)] ns, as the exponential histogram of OpenTelemetry at scale 3;
    # 0 ns counts as 1 ns. The middle of a bucket is within 4.4 % of every value in it.
    """CREATE OR REPLACE MACRO facts.duration_bucket(duration_ns) AS
        (ceil(log2(greatest(duration_ns, 1)) * 8) - 1)::INTEGER""",
    # The threshold of a sampler, "th" of the OpenTelemetry section of tracestate: 1 to 14 lower-case hex digits, cut
    # zeros at the right left out; null when there is none, or another text.
    """CREATE OR REPLACE MACRO facts.sampling_threshold(trace_state) AS nullif(regexp_extract(
        trace_state, '(?:^|,)[ \\t]*ot=(?:[^,;]*;)*th:([0-9a-f]{1,14})[ \\t]*(?:[;,]|$)', 1), '')""",
    # How many spans a span stands for, exact to six decimals: 2^56 / (2^56 - threshold), else 1 / ratio, else null.
    # Source: OpenTelemetry, "TraceState: Probability Sampling", section "Threshold".
    """CREATE OR REPLACE MACRO facts.span_weight(trace_state, ratio) AS coalesce(
        (72057594037927936.0::DOUBLE / (72057594037927936 - ('0x' || rpad(
            facts.sampling_threshold(trace_state), 14, '0'))::BIGINT)::DOUBLE)::DECIMAL(38, 6),
        (1 / ratio::DOUBLE)::DECIMAL(38, 6)
    )""",
    # What is in the store and not in operation_hours yet, duplicates among themselves folded; late spans are left out.
    """CREATE OR REPLACE VIEW facts.unfolded_spans AS
    WITH pending AS (
        SELECT d.load_number
        FROM facts.loads AS d
        ANTI JOIN facts.folded_loads AS f ON f.load_number = d.load_number
    ),
    found AS (
        SELECT trace_id, span_id, start_time, received_at, service, environment, revision, service_version, name, kind,
            status_code, trace_state
        FROM facts.spans
        WHERE load_number IS NULL
        UNION ALL
        SELECT s.trace_id, s.span_id, s.start_time, s.received_at, s.service, s.environment, s.revision,
            s.service_version, s.name, s.kind, s.status_code, s.trace_state
        FROM facts.spans AS s
        SEMI JOIN pending AS p ON p.load_number = s.load_number
        WHERE NOT facts.is_late(s.start_time, s.received_at)
    ),
    -- Few come twice: only those are gathered.
    repeated AS (
        SELECT trace_id, span_id, start_time FROM found GROUP BY trace_id, span_id, start_time HAVING count(*) > 1
    )
    SELECT
        trace_id,
        span_id,
        start_time,
        facts.seen_at(start_time, received_at) AS seen_at,
        service,
        coalesce(environment, '') AS environment,
        coalesce(revision, service_version) AS revision,
        name AS operation,
        kind,
        status_code,
        trace_state
    FROM found
    ANTI JOIN repeated USING (trace_id, span_id, start_time)
    UNION ALL
    SELECT
        trace_id,
        span_id,
        start_time,
        min(facts.seen_at(start_time, received_at)) AS seen_at,
        min(service) AS service,
        min(coalesce(environment, '')) AS environment,
        min(coalesce(revision, service_version)) AS revision,
        min(name) AS operation,
        min(kind) AS kind,
        max(status_code) AS status_code,
        min(trace_state) AS trace_state
    FROM found
    SEMI JOIN repeated USING (trace_id, span_id, start_time)
    GROUP BY trace_id, span_id, start_time""",
)


def upgrade(connection: duckdb.DuckDBPyConnection, database: str) -> None:
    """Bring ``database`` to :data:`CURRENT`.

    Raises:
        StoreError: the store was written by a newer program.
    """
    connection.execute(f"USE {database}")
    try:
        for schema in (*Schema, "meta"):
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS meta.schema_version (version INTEGER NOT NULL, upgraded_at TIMESTAMP)"
        )
        row = connection.execute("SELECT max(version) FROM meta.schema_version").fetchone()
        version: int | None = row[0] if row else None
        if version is not None and version > CURRENT:
            raise StoreError(
                f"this store has schema version {version}; this program knows versions up to {CURRENT}",
                hint="upgrade aftermerge, or restore the copy made before the upgrade",
                version=version,
            )
        if version is None:
            _advance(connection, CURRENT, [t.ddl() for t in tables.ALL])
        else:
            for step in range(version + 1, CURRENT + 1):
                _advance(connection, step, [*STEPS[step], *_kept_verdicts(step), *_remade_inferences()])
        for statement in VIEWS:
            connection.execute(statement)
    finally:
        connection.execute("USE memory")


def _kept_verdicts(step: int) -> list[str]:
    """Provenance is inferred again by the rules of this program; what those before it said goes to the ledger."""
    if step < FORMER_PROVENANCE_SINCE:
        return []
    names = ", ".join(tables.FORMER_PROVENANCE.column_names)
    former, current = tables.FORMER_PROVENANCE.qualified_name, tables.COMMIT_PROVENANCE.qualified_name
    return [f"INSERT OR IGNORE INTO {former} ({names}) SELECT {names} FROM {current}"]


def _remade_inferences() -> list[str]:
    inferences = tables.of(Schema.INFERENCES)
    return [f"DROP TABLE IF EXISTS {t.qualified_name}" for t in inferences] + [t.ddl() for t in inferences]


def _advance(connection: duckdb.DuckDBPyConnection, version: int, statements: list[str]) -> None:
    connection.execute("BEGIN TRANSACTION")
    try:
        for statement in statements:
            connection.execute(statement)
        connection.execute("INSERT INTO meta.schema_version VALUES (?, now()::TIMESTAMP)", [version])
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
