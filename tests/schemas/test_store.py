"""The one door to DuckDB: opening, upgrading, appending, asking."""

import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
import structlog

from schemas import migrations, tables
from schemas import store as stores
from schemas.errors import StoreError
from schemas.store import Store, arrow

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def repository(name: str = "acme/shop", **overrides: object) -> dict[str, object]:
    return {"repository": name, "source": "/srv/shop.git", "added_at": NOW, **overrides}


def test_a_key_keeps_the_first_row_unless_told_to_replace() -> None:
    store = Store.open()
    store.append_rows(tables.REPOSITORIES, [repository()])
    store.append_rows(tables.REPOSITORIES, [repository(source="/elsewhere")])
    assert store.value("SELECT source FROM repositories") == "/srv/shop.git"
    store.append_rows(tables.REPOSITORIES, [repository(source="/elsewhere")], replace=True)
    assert store.value("SELECT source FROM repositories") == "/elsewhere"


def test_times_come_back_aware_and_in_utc() -> None:
    store = Store.open()
    there = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))
    store.append_rows(tables.REPOSITORIES, [repository(added_at=there)])
    row = store.row("SELECT added_at FROM repositories WHERE added_at = $at", at=there)
    assert row is not None
    assert row["added_at"] == NOW
    assert row["added_at"].utcoffset() == timedelta(0)


def test_a_transaction_is_all_or_nothing() -> None:
    store = Store.open()

    def append_and_fail() -> None:
        with store.transaction():
            store.append_rows(tables.REPOSITORIES, [repository()])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        append_and_fail()
    assert store.value("SELECT count(*) FROM repositories") == 0


def test_replacing_rows_of_equal_keys_in_one_transaction_works() -> None:
    store = Store.open()
    batch = arrow(tables.SERVICE_REPOSITORIES, [{"service": "a", "path": "", "basis": "stated"}])
    store.replace_all(tables.SERVICE_REPOSITORIES, batch)
    with store.transaction():
        store.replace_all(tables.SERVICE_REPOSITORIES, batch)
    assert store.value("SELECT count(*) FROM service_repositories") == 1


def test_a_fork_has_the_facts_and_inferences_of_its_own() -> None:
    store = Store.open()
    store.append_rows(tables.REPOSITORIES, [repository()])
    store.append_rows(tables.SERVICE_REPOSITORIES, [{"service": "a", "path": "", "basis": "stated"}])
    past = store.fork("past")
    assert past.value("SELECT count(*) FROM repositories") == 1
    assert past.value("SELECT count(*) FROM service_repositories") == 0
    past.append_rows(tables.SERVICE_REPOSITORIES, [{"service": "b", "path": "", "basis": "stated"}])
    assert store.value("SELECT string_agg(service) FROM service_repositories") == "a"
    past.drop_fork()


def test_equal_content_has_an_equal_digest_whatever_the_order() -> None:
    digests = []
    for names in (("a/b", "c/d"), ("c/d", "a/b")):
        store = Store.open()
        for name in names:
            store.append_rows(tables.REPOSITORIES, [repository(name)])
        digests.append(store.digest(tables.REPOSITORIES))
    assert digests[0] == digests[1]
    store.append_rows(tables.REPOSITORIES, [repository("e/f")])
    assert store.digest(tables.REPOSITORIES) != digests[0]


def test_what_was_written_survives_reopening(tmp_path: Path) -> None:
    path = tmp_path / "aftermerge.duckdb"
    store = Store.open(path)
    store.append_rows(tables.REPOSITORIES, [repository()])
    store.close()
    again = Store.open(path)
    assert again.value("SELECT repository FROM repositories") == "acme/shop"
    again.close()


def test_a_store_of_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "aftermerge.duckdb"
    Store.open(path).close()
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"INSERT INTO meta.schema_version VALUES ({migrations.CURRENT + 1}, NULL)")
    with pytest.raises(StoreError, match="schema version") as caught:
        Store.open(path)
    assert "upgrade" in caught.value.hint


def test_an_older_store_is_upgraded_and_its_inferences_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "aftermerge.duckdb"
    store = Store.open(path)
    store.append_rows(tables.REPOSITORIES, [repository()])
    store.append_rows(tables.SERVICE_REPOSITORIES, [{"service": "a", "path": "", "basis": "stated"}])
    store.close()
    monkeypatch.setattr(migrations, "CURRENT", migrations.CURRENT + 1)
    step = ("ALTER TABLE facts.repositories ADD COLUMN mirror_bytes BIGINT",)
    monkeypatch.setitem(migrations.STEPS, migrations.CURRENT, step)
    upgraded = Store.open(path)
    row = upgraded.row("SELECT repository, mirror_bytes FROM repositories")
    assert row == {"repository": "acme/shop", "mirror_bytes": None}
    assert upgraded.value("SELECT count(*) FROM service_repositories") == 0
    upgraded.close()


def test_a_second_process_is_refused_with_a_sentence_that_helps(tmp_path: Path) -> None:
    path = tmp_path / "aftermerge.duckdb"
    store = Store.open(path)
    code = (
        "import sys; from pathlib import Path; from schemas.store import Store; from schemas.errors import StoreError\n"
        "try: Store.open(Path(sys.argv[1]))\n"
        "except StoreError as error: print(error, '|', error.hint)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True, timeout=60
    )
    assert "another process has" in done.stdout
    assert "server is running" in done.stdout
    store.close()


@pytest.mark.parametrize("table", tables.ALL, ids=lambda t: t.name)
def test_every_table_takes_an_empty_batch_of_its_own_schema(table: tables.Table) -> None:
    store = Store.open()
    assert store.append_rows(table, []) == 0
    assert isinstance(store.arrow(f"SELECT * FROM {table.name}"), pa.Table)


def test_a_refresh_loses_nothing_and_waits_for_who_is_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "REFRESH_ROWS", 2)
    store = Store.open(tmp_path / "aftermerge.duckdb")
    assert not store.refresh()
    store.append_rows(tables.REPOSITORIES, [repository()])
    assert not store.refresh(), "too little was written"
    store.append_rows(tables.REPOSITORIES, [repository("acme/till")])
    store.execute("CREATE TEMP TABLE mine AS SELECT 1 AS number")
    with store.transaction():
        assert not store.refresh()
    forked = store.fork("past")
    assert store.refresh()
    assert not store.refresh(), "nothing was written since"
    for one in (store, forked):
        assert one.value("SELECT count(*) FROM repositories") == 2
    assert store.value("SELECT number FROM mine") == 1
    store.append_rows(tables.REPOSITORIES, [repository("acme/depot")])
    store.close()
    again = Store.open(tmp_path / "aftermerge.duckdb")
    assert again.value("SELECT count(*) FROM repositories") == 3
    again.close()


def test_a_refresh_leaves_as_much_memory_as_there_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "REFRESH_ROWS", 1)
    store = Store.open(tmp_path / "aftermerge.duckdb", memory_limit=300_000_000, memory_resting=100_000_000)
    allowed = store.value("SELECT current_setting('memory_limit')")
    store.append_rows(tables.REPOSITORIES, [repository()])
    store.execute(
        "CREATE TEMP TABLE mine AS SELECT range AS number, 'text ' || range AS said FROM range(100000)"
    )
    assert store.refresh()
    assert store.value("SELECT current_setting('memory_limit')") == allowed
    assert store.value("SELECT sum(number) FROM mine") == sum(range(100_000))
    store.close()


def test_other_threads_read_and_write_while_the_store_is_refreshed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "REFRESH_ROWS", 1)
    store, failures, enough = Store.open(tmp_path / "aftermerge.duckdb"), [], threading.Event()
    written = {"a": 0, "b": 0}

    def work(name: str) -> None:
        try:
            while not enough.is_set():
                with store.transaction():
                    store.append_rows(tables.REPOSITORIES, [repository(f"{name}/{written[name]}")])
                written[name] += 1
                held = "SELECT count(*) FROM repositories WHERE repository LIKE $like"
                assert store.value(held, like=f"{name}/%") == written[name]
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in written]
    for thread in threads:
        thread.start()
    refreshed, until = 0, time.monotonic() + 60
    while refreshed < 3 and not failures and time.monotonic() < until:
        refreshed += store.refresh()
    enough.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert refreshed == 3
    assert store.value("SELECT count(*) FROM repositories") == sum(written.values())
    store.close()


def test_rows_are_named_for_a_statement_while_the_store_is_refreshed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "REFRESH_ROWS", 1)
    store = Store.open(tmp_path / "aftermerge.duckdb")
    store.append_rows(tables.REPOSITORIES, [repository()])
    attach, is_away = store._file.attach, threading.Event()

    def slowly() -> None:
        is_away.set()
        time.sleep(0.3)
        attach()

    monkeypatch.setattr(store._file, "attach", slowly)
    refresh = threading.Thread(target=store.refresh)
    refresh.start()
    assert is_away.wait(10)
    with store.registered("mine", stores.arrow(tables.REPOSITORIES, [repository("acme/till")])):
        assert store.value("SELECT count(*) FROM mine") == 1
    refresh.join()
    store.close()


def test_a_file_that_was_away_for_a_moment_is_taken_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "REFRESH_ROWS", 1)
    path = tmp_path / "aftermerge.duckdb"
    store = Store.open(path)
    store.append_rows(tables.REPOSITORIES, [repository()])
    moved = path.rename(tmp_path / "elsewhere")
    path.mkdir()
    with pytest.raises(duckdb.Error):
        store.refresh()
    with pytest.raises(duckdb.Error):
        store.value("SELECT count(*) FROM repositories")
    path.rmdir()
    moved.rename(path)
    assert store.refresh()
    assert store.value("SELECT count(*) FROM repositories") == 1
    store.close()


NEEDS_40_MB = (
    "SELECT max(length(ns)) FROM (SELECT n % 100000, list(n) AS ns FROM range(2000000) AS t(n) GROUP BY 1)"
)


def test_a_job_for_which_the_memory_was_too_little_is_run_again_with_more(tmp_path: Path) -> None:
    store = Store.open(
        tmp_path / "s.duckdb",
        memory_limit=400_000_000,
        memory_working=20_000_000,
        memory_resting=10_000_000,
        threads=1,
    )
    store.execute("SET temp_directory = ''")
    runs = 0

    def job() -> str:
        nonlocal runs
        runs += 1
        with store.transaction():
            store.append_rows(tables.REPOSITORIES, [repository()])
            store.execute(NEEDS_40_MB)
        return "done"

    assert store.at_work(job) == "done"
    assert runs > 1
    assert store.memory_limit == 10_000_000, "what needs no more is given no more"
    assert store.value("SELECT count(*) FROM repositories") == 1, "what was cut off left nothing behind"
    runs = 0
    store.at_work(job)
    assert runs == 1, "it is known now what the work takes"
    store.execute(NEEDS_40_MB)
    assert store.memory_limit > 10_000_000
    store.close()


def test_a_job_that_needs_more_than_is_allowed_fails_and_the_store_answers_on(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "s.duckdb", memory_limit=20_000_000, memory_resting=10_000_000, threads=1)
    store.execute("SET temp_directory = ''")
    with pytest.raises(duckdb.OutOfMemoryException):
        store.at_work(lambda: store.execute(NEEDS_40_MB))
    assert store.value("SELECT 1") == 1
    store.close()


@pytest.mark.parametrize(("wait_s", "at_most"), [(60.0, 1), (0.01, 2)])
def test_jobs_take_turns_but_none_waits_for_a_long_one(
    wait_s: float, at_most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "TURN_WAIT_S", wait_s)
    store = Store.open()
    both, at_work, most = threading.Event(), 0, 0
    lock = threading.Lock()

    def job() -> None:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
            if at_work == 2:
                both.set()
        # Long enough for the other one to come in, if it may.
        both.wait(1.0 if at_most == 1 else 30.0)
        with lock:
            at_work -= 1

    threads = [threading.Thread(target=store.at_work, args=(job,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == at_most


def test_a_store_that_is_behind_takes_more_until_it_has_caught_up(tmp_path: Path) -> None:
    store = Store.open(
        tmp_path / "s.duckdb",
        memory_limit=200_000_000,
        memory_working=40_000_000,
        memory_resting=20_000_000,
        memory_behind=80_000_000,
    )

    def taken() -> int:
        stated = str(store.value("SELECT current_setting('memory_limit')"))
        assert float(stated.removesuffix(" MiB")) == pytest.approx(store.memory_limit / 1024**2, abs=0.1)
        return store.memory_limit

    assert taken() == 20_000_000
    store.hurry(is_behind=True)
    assert taken() == 80_000_000
    assert store.at_work(taken) == 80_000_000
    store.hurry(is_behind=False)
    assert store.at_work(taken) == 40_000_000
    assert taken() == 20_000_000
    store.close()


def test_a_table_that_is_replaced_as_a_whole_keeps_the_first_row_of_a_key_and_tells_of_others() -> None:
    store = Store.open()
    row = {"service": "cart", "repository": "shop", "path": "", "basis": "stated"}
    rows = [row, row | {"service": "pay"}, row | {"repository": "other"}]
    for _ in range(2):
        with structlog.testing.capture_logs() as logged:
            store.replace_all(tables.SERVICE_REPOSITORIES, arrow(tables.SERVICE_REPOSITORIES, rows))
        assert [(line["event"], line["table"], line["dropped"]) for line in logged] == [
            ("rows_of_one_key", "service_repositories", 1)
        ]
        assert store.rows("SELECT service, repository FROM service_repositories ORDER BY service") == [
            {"service": "cart", "repository": "shop"},
            {"service": "pay", "repository": "shop"},
        ]
    store.close()


def test_only_inferences_that_are_kept_row_by_row_have_an_index() -> None:
    store = Store.open()
    keyed = store.rows(
        "SELECT DISTINCT table_name FROM duckdb_constraints() "
        "WHERE schema_name = 'inferences' AND constraint_type = 'PRIMARY KEY'"
    )
    kept = {"death_edges", "drift_hours", "line_owners", "line_reads", "lines_written"}
    assert {row["table_name"] for row in keyed} == kept
    others = [t for t in tables.of(tables.Schema.INFERENCES) if t.key and not t.is_indexed]
    assert len(others) == 17
    for table in others:
        # Arrow groups no ids and no lists: a key of those would fail.
        types = {table.arrow_schema.field(name).type for name in table.key}
        assert not any(isinstance(t, pa.UuidType) or pa.types.is_nested(t) for t in types), table.name
    store.close()
