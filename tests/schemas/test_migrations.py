"""Stores of earlier versions are brought to the present one with what they hold."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import duckdb
import pytest
from builders import START, exception, insert

from collector import rollups
from schemas import migrations
from schemas.settings import Settings
from schemas.store import ROW_GROUP_SIZE, Store

NEW_IN_2 = {"loads", "folded_loads", "operation_hours"}
NEW_IN_3 = {
    "facts.signal_hours",
    "facts.code_mappings",
    "facts.reviews",
    "facts.source_maps",
    "ledger.groupings",
    "ledger.said_attributions",
    "facts.attested_lines",
    "facts.side_commit_paths",
    "facts.ignored_revisions",
    "facts.artifacts",
    "facts.setting_changes",
    "ledger.provenance_overrides",
    "ledger.former_provenance",
    "ledger.provenance_audits",
    "ledger.provenance_labels",
}


def columns(store: Store) -> list[dict[str, object]]:
    return store.rows(
        "SELECT table_schema, table_name, column_name, data_type, is_nullable, ordinal_position "
        "FROM information_schema.columns WHERE table_catalog = 'aftermerge' AND table_schema <> 'meta' ORDER BY ALL"
    )


def without_version_5(connection: duckdb.DuckDBPyConnection) -> None:
    """Take back what version 5 brought."""
    connection.execute(
        "CREATE TABLE facts.told_exceptions AS SELECT e.* EXCLUDE (stack_id, load_number), s.stacktrace, e.load_number "
        "FROM facts.exceptions AS e LEFT JOIN facts.stacks AS s ON s.stack_id = e.stack_id"
    )
    connection.execute("DROP TABLE facts.exceptions")
    connection.execute("DROP TABLE facts.stacks")
    connection.execute("ALTER TABLE facts.told_exceptions RENAME TO exceptions")


def without_version_3(connection: duckdb.DuckDBPyConnection) -> None:
    """Take back what version 3, and those after it, brought."""
    without_version_5(connection)
    for name in NEW_IN_3:
        connection.execute(f"DROP TABLE {name}")
    connection.execute("ALTER TABLE facts.change_requests DROP COLUMN commits")
    connection.execute("ALTER TABLE facts.exceptions DROP COLUMN load_number")
    connection.execute("CREATE TABLE facts.paths AS SELECT * EXCLUDE (is_generated) FROM facts.change_paths")
    connection.execute("DROP TABLE facts.change_paths")
    connection.execute("ALTER TABLE facts.paths RENAME TO change_paths")
    connection.execute("CREATE TABLE facts.told AS SELECT * EXCLUDE (artifact) FROM facts.deployments")
    connection.execute("DROP TABLE facts.deployments")
    connection.execute("ALTER TABLE facts.told RENAME TO deployments")


def first_version(path: Path) -> None:
    """A store as version 1 made it, with three spans of two minutes."""
    Store.open(path).close()
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{path}' AS old (ROW_GROUP_SIZE {ROW_GROUP_SIZE})")
        connection.execute("USE old")
        connection.execute("DROP VIEW facts.unfolded_spans")
        without_version_3(connection)
        for name in (*NEW_IN_2, "spans", "resources", "scopes", "spool_done", "span_events", "span_links"):
            connection.execute(f"DROP TABLE facts.{name}")
        connection.execute((Path(__file__).parent / "version_1.sql").read_text(encoding="utf-8"))
        for number, seconds in ((1, 0), (2, 30), (2, 300)):
            connection.execute(
                "INSERT INTO facts.spans BY NAME SELECT $trace::UUID AS trace_id, $number AS span_id, "
                "$start::TIMESTAMP_NS AS start_time, 1 AS duration_ns, $received::TIMESTAMP AS received_at, "
                "1 AS resource_id, 1 AS scope_id, 'cart' AS service, 'GET /' AS name, 2 AS kind, 0 AS status_code, "
                "MAP {'app.tenant': 't7', 'app.number': '5'} AS attributes, [1, 3] AS attribute_kinds, "
                "[{'time': $start::TIMESTAMP_NS, 'name': 'exception', 'attributes': MAP {'k': 'v'}, "
                "'attribute_kinds': [1]}] AS events, "
                "[{'trace_id': $trace::UUID, 'span_id': 9, 'attributes': MAP {'l': 'w'}, 'attribute_kinds': [1]}] "
                "AS links",
                {
                    "trace": str(UUID(int=1)),
                    "number": number,
                    "start": START.replace(tzinfo=None),
                    "received": (START + timedelta(seconds=seconds)).replace(tzinfo=None),
                },
            )
        connection.execute(
            "INSERT INTO facts.resources VALUES (1, 'cart', NULL, 'python', MAP {'a': 'b'}, [1], NULL)"
        )
        connection.execute("INSERT INTO facts.scopes VALUES (1, 'shop', '1', MAP {}, [], NULL)")
        connection.execute("INSERT INTO facts.spool_done VALUES (7, $1, 3, 0)", [START.replace(tzinfo=None)])
        connection.execute("UPDATE meta.schema_version SET version = 1")


def test_what_the_first_version_held_is_there_in_the_present_shape(tmp_path: Path) -> None:
    first_version(tmp_path / "old.duckdb")
    store = Store.open(tmp_path / "old.duckdb")
    held = store.rows("SELECT attribute_keys, attribute_values, attribute_kinds FROM facts.spans")
    assert (
        held
        == [
            {
                "attribute_keys": ["app.tenant", "app.number"],
                "attribute_values": ["t7", "5"],
                "attribute_kinds": "13",
            }
        ]
        * 3
    )
    (event, *_), (link, *_) = (
        store.rows(f"SELECT * FROM facts.{name}") for name in ("span_events", "span_links")
    )
    assert (event["name"], event["attribute_keys"], event["attribute_values"]) == ("exception", ["k"], ["v"])
    assert (link["linked_span_id"], link["attribute_kinds"]) == (9, "1")
    assert store.rows("SELECT service, attribute_values FROM facts.resources") == [
        {"service": "cart", "attribute_values": ["b"]}
    ]
    assert store.rows("SELECT segment, span_count, is_whole FROM facts.spool_done") == [
        {"segment": 7, "span_count": 3, "is_whole": True}
    ]
    store.close()


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


def test_exceptions_of_version_4_name_their_stacks(tmp_path: Path) -> None:
    path = tmp_path / "old.duckdb"
    said = [
        exception(1, stacktrace="at a"),
        exception(2, stacktrace="at a"),
        exception(3, stacktrace="at bé"),
        exception(4),
    ]
    store = Store.open(path)
    insert(store, [], said)
    store.close()
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{path}' AS old (ROW_GROUP_SIZE {ROW_GROUP_SIZE})")
        connection.execute("USE old")
        without_version_5(connection)
        connection.execute("UPDATE meta.schema_version SET version = 4")
    store = Store.open(path)
    assert store.rows(
        "SELECT e.span_id, s.stacktrace, s.length, s.loaded_at FROM facts.exceptions AS e "
        "LEFT JOIN facts.stacks AS s ON s.stack_id = e.stack_id ORDER BY e.span_id"
    ) == [
        {"span_id": 1, "stacktrace": "at a", "length": 4, "loaded_at": said[1]["received_at"]},
        {"span_id": 2, "stacktrace": "at a", "length": 4, "loaded_at": said[1]["received_at"]},
        {"span_id": 3, "stacktrace": "at bé", "length": 5, "loaded_at": said[2]["received_at"]},
        {"span_id": 4, "stacktrace": None, "length": None, "loaded_at": None},
    ]
    assert store.value("SELECT count(*) FROM facts.stacks") == 2
    store.close()


def test_verdicts_of_provenance_survive_an_upgrade(tmp_path: Path) -> None:
    """Inferences are made anew; what earlier rules said of a commit is kept with their version."""
    path = tmp_path / "old.duckdb"
    Store.open(path).close()
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{path}' AS old (ROW_GROUP_SIZE {ROW_GROUP_SIZE})")
        connection.execute("USE old")
        without_version_3(connection)
        connection.execute(
            "INSERT INTO inferences.commit_provenance VALUES ('acme/shop', 'a1', 'ai', 'author', ['codex'], [], 'A', "
            "'declared', FALSE, '[]', '[]', '2025.1.1')"
        )
        connection.execute("UPDATE meta.schema_version SET version = 2")
    store = Store.open(path)
    assert store.rows("SELECT sha, catalogue_version, origin, tools FROM former_provenance") == [
        {"sha": "a1", "catalogue_version": "2025.1.1", "origin": "ai", "tools": ["codex"]}
    ]
    assert store.value("SELECT count(*) FROM commit_provenance") == 0
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
