"""The schema version of a store and the steps that lead to it; forward only.

A new store gets the tables of ``schemas/tables.py`` and version :data:`CURRENT`. An older one gets each later step
of :data:`STEPS` in order, each in one transaction with its version. Inference tables need no steps: they are
dropped and made anew, because `aftermerge rebuild` can always refill them from the facts.
"""

import duckdb

from schemas import tables
from schemas.errors import StoreError
from schemas.tables import Schema

CURRENT = 1

STEPS: dict[int, tuple[str, ...]] = {}
"""version -> statements that lead to it from the version before; table names are qualified by schema."""

VIEWS = (
    """CREATE OR REPLACE MACRO facts.trace_hex(id) AS replace(id::VARCHAR, '-', '')""",
    """CREATE OR REPLACE MACRO facts.attribute(keys, texts, key) AS texts[list_position(keys, key)]""",
    """CREATE OR REPLACE MACRO facts.span_hex(id) AS printf('%016x', id)""",
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
                _advance(connection, step, list(STEPS[step]) + _remade_inferences())
        for statement in VIEWS:
            connection.execute(statement)
    finally:
        connection.execute("USE memory")


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
