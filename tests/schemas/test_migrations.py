"""Stores of earlier versions are brought to the present one with what they hold."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from builders import START, span

from collector import rollups
from schemas import migrations, tables
from schemas.settings import Settings
from schemas.store import ROW_GROUP_SIZE, Store

NEW_IN_2 = {"loads", "folded_loads", "operation_hours"}


def columns(store: Store) -> list[dict[str, object]]:
    return store.rows(
        "SELECT table_schema, table_name, column_name, data_type, is_nullable, ordinal_position "
        "FROM information_schema.columns WHERE table_catalog = 'aftermerge' AND table_schema <> 'meta' ORDER BY ALL"
    )


def first_version(path: Path) -> None:
    """A store as version 1 made it, with three spans of two minutes."""
    store = Store.open(path)
    store.append_rows(
        tables.SPANS,
        [
            span(1, received_at=START),
            span(2, received_at=START + timedelta(seconds=30)),
            span(2, received_at=START + timedelta(minutes=5)),
        ],
    )
    store.close()
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{path}' AS old (ROW_GROUP_SIZE {ROW_GROUP_SIZE})")
        connection.execute("USE old")
        connection.execute("DROP VIEW facts.unfolded_spans")
        for name in NEW_IN_2:
            connection.execute(f"DROP TABLE facts.{name}")
        connection.execute("ALTER TABLE facts.spans DROP COLUMN load_number")
        connection.execute("UPDATE meta.schema_version SET version = 1")


def test_spans_of_the_first_version_are_counted_once(tmp_path: Path) -> None:
    path = tmp_path / "aftermerge.duckdb"
    first_version(path)
    for _ in range(2):
        store = Store.open(path)
        rollups.fold(store, Settings(), now=datetime(2026, 4, 1, tzinfo=UTC), is_thorough=True)
        assert store.value("SELECT sum(span_count)::BIGINT FROM operation_hours") == 2
        assert store.value("SELECT count(*) FROM unfolded_spans") == 0
        assert store.value("SELECT max(version) FROM meta.schema_version") == migrations.CURRENT
        store.close()


def test_an_upgraded_store_has_the_columns_of_a_new_one(tmp_path: Path) -> None:
    first_version(tmp_path / "old.duckdb")
    upgraded, new = Store.open(tmp_path / "old.duckdb"), Store.open(tmp_path / "new.duckdb")
    assert columns(upgraded) == columns(new)


@pytest.mark.parametrize(
    ("trace_state", "ratio", "weight"),
    [
        # The examples of the specification: 100 %, 50 %, 25 %, 10 %.
        ("ot=th:0", None, 1),
        ("ot=th:8", None, 2),
        ("ot=th:c", None, 4),
        ("ot=th:e6666666666666", None, 10),
        ("ot=th:fd70a3d70a3d71", None, 100),
        ("ot=th:ffffffffffffff", None, 2**56),
        ("rojo=00f067aa0ba902b7,ot=rv:6e6d1a75832a2f;th:8 ,x=1", None, 2),
        ("ot=th:8;rv:6e6d1a75832a2f", 0.1, 2),
        # Malformed: capitals, no digits, more than 14, another digit, another vendor's key.
        ("ot=th:C", None, None),
        ("ot=th:", None, None),
        ("ot=th:000000000000000", None, None),
        ("ot=th:8x", None, None),
        ("dd=th:8", None, None),
        ("ot=xth:8", None, None),
        ("ot=th:C", 0.25, 4),
        (None, 0.1, 10),
        (None, None, None),
    ],
)
def test_a_span_weighs_what_its_sampling_says(
    trace_state: str | None, ratio: float | None, weight: int | None
) -> None:
    store = Store.open()
    assert store.value("SELECT span_weight($t, $r)", t=trace_state, r=ratio) == weight
