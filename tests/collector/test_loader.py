import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import otlp_builders as build
import pytest

from collector import loader as loader_module
from collector import segments
from collector.counters import Counters
from collector.loader import Loader
from collector.otlp import TABLES, Request, Signal
from collector.spool import Spool
from schemas import tables
from schemas.settings import Settings
from schemas.store import Store


class Rig:
    """A spool, a loader and a store in one folder; ``restart`` stands for a new process on the same files."""

    def __init__(self, folder: Path, store: Store, **settings: Any) -> None:
        self.folder, self.store, self.counters = folder, store, Counters()
        self.spool = Spool(folder, segment_age_s=60, counters=self.counters)
        self.settings = Settings(**settings)
        self.loader = Loader(self.store, self.spool, self.settings, self.counters)

    def append(self, *messages: Any, signal: Signal = Signal.TRACES) -> None:
        async def run() -> None:
            for message in messages:
                await self.spool.append(Request(signal, message.SerializeToString(), time.time_ns() // 1000))

        asyncio.run(run())

    def load(self) -> None:
        if not self.loader.is_alive:
            self.loader.start()
        assert self.loader.stop(30)
        asyncio.run(self.spool.close())

    def count(self, table: str) -> int:
        return int(self.store.value(f"SELECT count(*) FROM facts.{table}"))

    def sample(self, name: str, **labels: str) -> float:
        return self.counters.registry.get_sample_value(f"aftermerge_{name}", labels) or 0.0

    @property
    def loaded(self) -> list[int]:
        """Spans and exceptions of each transaction."""
        rows = self.store.rows(
            "SELECT load_number, count(*) AS row_count FROM"
            " (SELECT load_number FROM facts.spans UNION ALL SELECT load_number FROM facts.exceptions)"
            " GROUP BY load_number ORDER BY load_number"
        )
        return [row["row_count"] for row in rows]

    @property
    def quarantined(self) -> list[Path]:
        return list((self.folder / "quarantine").iterdir())


def wait_for(claim: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not claim() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert claim()


@pytest.fixture(scope="module")
def opened() -> Iterator[Store]:
    made = Store.open()
    yield made
    made.close()


@pytest.fixture
def store(opened: Store) -> Store:
    """One store for all tests here, emptied for each."""
    for table in (*TABLES, tables.SPOOL_DONE, tables.LOADS):
        opened.execute(f"DELETE FROM {table.qualified_name}")
    return opened


def test_stop_loads_all_that_was_accepted_and_leaves_an_empty_spool(tmp_path: Path, store: Store) -> None:
    rig = Rig(tmp_path, store)
    rig.append(build.traces(build.span(), build.span(events=[("exception", build.EXCEPTION)])))
    rig.append(build.logs(build.log_record(attributes=build.EXCEPTION)), signal=Signal.LOGS)
    rig.load()
    assert (rig.count("spans"), rig.count("exceptions"), rig.count("resources")) == (2, 2, 1)
    assert segments.find(tmp_path) == []
    assert (rig.loader.lag(), rig.spool.backlog_bytes, sum(rig.loaded)) == (0.0, 0, 4)
    (done,) = rig.store.rows("SELECT span_count, is_whole FROM facts.spool_done")
    assert done == {"span_count": 2, "is_whole": True}
    assert rig.sample("items_stored_total", table="spans") == 2
    # By its load a span is known to be counted or not.
    by_load = "SELECT load_number, count(*) AS span_count FROM facts.spans GROUP BY load_number ORDER BY load_number"
    assert rig.store.rows(by_load) == rig.store.rows(
        "SELECT load_number, span_count FROM facts.loads ORDER BY 1"
    )


def test_the_segments_of_an_earlier_process_are_loaded_once(tmp_path: Path, store: Store) -> None:
    first = Rig(tmp_path, store)
    first.append(build.traces(build.span()), build.traces(build.span()))
    asyncio.run(first.spool.close())
    second = Rig(tmp_path, store)
    assert second.spool.is_replaying
    second.load()
    assert not second.spool.is_replaying
    assert second.count("spans") == 2
    third = Rig(tmp_path, store)
    third.load()
    assert third.count("spans") == 2


def test_a_segment_committed_but_not_deleted_is_not_loaded_again(tmp_path: Path, store: Store) -> None:
    first = Rig(tmp_path, store)
    first.append(build.traces(build.span()))
    first.spool.seal()
    (segment,) = first.spool.sealed()
    kept = segment.path.read_bytes()
    first.load()
    # As if the process had died between the commit and the deletion.
    segment.path.write_bytes(kept)
    second = Rig(tmp_path, store)
    second.append(build.traces(build.span()))
    second.load()
    assert second.count("spans") == 2
    assert segments.find(tmp_path) == []


def test_a_group_of_segments_shares_resources_and_one_transaction(tmp_path: Path, store: Store) -> None:
    rig = Rig(tmp_path, store)
    for _ in range(5):
        rig.append(build.traces(build.span()))
        rig.spool.seal()
    rig.load()
    assert (rig.count("spans"), rig.count("resources"), rig.count("scopes")) == (5, 1, 1)
    assert rig.store.value("SELECT count(DISTINCT loaded_at) FROM facts.spool_done") == 1
    assert rig.store.value("SELECT sum(span_count)::BIGINT FROM facts.spool_done") == 5


def test_whole_row_groups_are_stored_first_and_a_segment_in_parts(tmp_path: Path, store: Store) -> None:
    rig = Rig(tmp_path, store, load_rows=3, load_age_s=60)
    for _ in range(2):
        rig.append(build.traces(*(build.span(events=[("exception", build.EXCEPTION)]) for _ in range(4))))
        rig.spool.seal()
    rig.loader.start()
    wait_for(lambda: rig.count("spans") == 6)
    done = rig.store.rows("SELECT span_count, is_whole FROM facts.spool_done ORDER BY segment")
    assert done == [{"span_count": 4, "is_whole": True}, {"span_count": 2, "is_whole": False}]
    # What is no span goes with the first part.
    assert rig.count("exceptions") == 8
    wait_for(lambda: len(rig.spool.sealed()) == 1)
    rig.load()
    assert (rig.count("spans"), rig.count("exceptions"), rig.count("span_events")) == (8, 8, 8)
    assert rig.loaded == [3 + 4, 3 + 4, 2]


def test_a_segment_that_was_stored_in_part_is_gone_on_with_after_a_crash(
    tmp_path: Path, store: Store
) -> None:
    first = Rig(tmp_path, store, load_rows=3, load_age_s=60)
    first.append(build.traces(*(build.span(events=[("exception", build.EXCEPTION)]) for _ in range(5))))
    first.spool.seal()
    first.loader.start()
    wait_for(lambda: first.count("spans") == 3 and first.loader._decoded[0].stored == 3)
    # A crash: what was in memory is gone, what is on disk stays.
    first.loader._decoded.clear()
    assert first.loader.stop(10)
    second = Rig(tmp_path, store)
    second.load()
    assert (second.count("spans"), second.count("exceptions")) == (5, 5)
    assert second.store.value("SELECT count(DISTINCT span_id) FROM facts.spans") == 5
    assert segments.find(tmp_path) == []


def test_spans_do_not_wait_longer_than_their_age_for_a_row_group(tmp_path: Path, store: Store) -> None:
    rig = Rig(tmp_path, store, load_rows=1000, load_age_s=0.2)
    rig.append(build.traces(build.span()))
    rig.spool.seal()
    rig.loader.start()
    wait_for(lambda: rig.count("spans") == 1)
    rig.load()


@pytest.mark.parametrize("has_pauses", [False, True])
def test_a_loader_that_is_behind_takes_more_memory_and_rests_when_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_pauses: bool
) -> None:
    """And in between, when work goes on without a pause."""
    monkeypatch.setattr(loader_module, "_REST_S_MAX", 0.0 if has_pauses else 3600.0)
    store = Store.open(tmp_path / "s.duckdb", memory_resting=50_000_000, memory_behind=90_000_000)
    spool = Spool(tmp_path / "spool", segment_bytes_max=1, segment_age_s=60)
    rests: list[tuple[int, int]] = []

    def on_rest() -> None:
        rests.append((int(store.value("SELECT count(*) FROM facts.spans")), store.memory_limit))

    # All that waits is behind, the last of it too.
    settings = Settings(load_rows=1, segment_bytes_max=1)
    loader = Loader(store, spool, settings, Counters(), on_rest=on_rest)

    async def append() -> None:
        for _ in range(40):
            body = build.traces(build.span()).SerializeToString()
            await spool.append(Request(Signal.TRACES, body, 1))

    asyncio.run(append())
    loader.start()
    wait_for(lambda: (40, 50_000_000) in rests)
    assert loader.stop(30)
    asyncio.run(spool.close())
    if has_pauses:
        assert next(rest for rest in rests if rest[0]) == (3, 90_000_000), "three row groups a transaction"
    else:
        assert rests == [(40, 50_000_000)], "once, when all was loaded"
    store.close()


def test_a_loader_rests_after_each_segment_of_a_transaction_that_waits_for_more(
    tmp_path: Path, store: Store
) -> None:
    """What the decoder took is given back before the transaction takes its own."""
    rests: list[tuple[int, float]] = []
    spool = Spool(tmp_path / "spool", segment_bytes_max=1, segment_age_s=60)
    counters = Counters()
    settings = Settings(load_rows=3, load_age_s=60)
    loader = Loader(
        store,
        spool,
        settings,
        counters,
        on_rest=lambda: rests.append((int(store.value("SELECT count(*) FROM facts.spans")), loader.lag())),
    )
    loader.start()
    for sent in (1, 2):
        body = build.traces(build.span()).SerializeToString()
        asyncio.run(spool.append(Request(Signal.TRACES, body, 1)))
        wait_for(lambda sent=sent: len(rests) == sent)
    assert [stored for stored, _ in rests] == [0, 0]
    assert all(lag > 0 for _, lag in rests), "acknowledged, decoded, and not stored yet"
    assert loader.stop(30)
    asyncio.run(spool.close())


def test_a_stack_is_stored_once_a_day(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Retention forgets a stack by its age: what came since a day's end is named by stacks of that day or later."""
    clock = datetime(2026, 3, 2, 23, 59, tzinfo=UTC)

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return clock.astimezone(tz)

    monkeypatch.setattr(loader_module, "datetime", Clock)
    rig = Rig(tmp_path, store, load_rows=1)
    rig.loader.start()
    for sent, moment in enumerate(
        (clock, clock, clock + timedelta(minutes=2), clock + timedelta(minutes=3)), 1
    ):
        clock = moment
        rig.append(build.traces(build.span(events=[("exception", build.EXCEPTION)])))
        rig.spool.seal()
        wait_for(lambda sent=sent: rig.count("exceptions") == sent)
    rig.load()
    stacks = store.rows("SELECT * FROM facts.stacks ORDER BY loaded_at")
    assert [row["loaded_at"].day for row in stacks] == [2, 3]
    assert {row["stacktrace"] for row in stacks} == {build.EXCEPTION["exception.stacktrace"]}
    assert {row["stack_id"] for row in stacks} == {
        row["stack_id"] for row in store.rows("SELECT stack_id FROM facts.exceptions")
    }


def test_a_corrupt_segment_is_quarantined_and_its_good_records_are_stored(
    tmp_path: Path, store: Store
) -> None:
    first = Rig(tmp_path, store)
    first.append(*(build.traces(build.span()) for _ in range(3)))
    asyncio.run(first.spool.close())
    (segment,) = segments.find(tmp_path)
    data = bytearray(segment.path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    segment.path.write_bytes(data)
    second = Rig(tmp_path, store)
    second.load()
    assert second.count("spans") == 2
    assert [p.name for p in second.quarantined] == [segment.path.name]
    assert second.sample("spool_damage_total", kind="corrupt") == 1
    assert segments.find(tmp_path) == []


def test_a_torn_end_is_counted_and_dropped(tmp_path: Path, store: Store) -> None:
    number = 1 << 40
    path = tmp_path / f"{number:019d}{segments.OPEN_SUFFIX}"
    records = [
        segments.record(number, Request(Signal.TRACES, build.traces(build.span()).SerializeToString(), 1))
        for _ in range(2)
    ]
    path.write_bytes(b"".join(records)[:-7])
    rig = Rig(tmp_path, store)
    rig.load()
    assert (rig.count("spans"), rig.sample("spool_damage_total", kind="torn"), rig.quarantined) == (1, 1, [])


def test_a_spooled_request_that_cannot_be_read_is_kept_for_a_person(tmp_path: Path, store: Store) -> None:
    rig = Rig(tmp_path, store)
    rig.append(build.traces(build.span()))
    asyncio.run(rig.spool.append(Request(Signal.TRACES, b"garbage", 1)))
    rig.load()
    assert rig.count("spans") == 1
    assert len(rig.quarantined) == 1


def test_a_store_that_fails_is_tried_again_and_nothing_is_doubled(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, store)
    failures = [duckdb.IOException("disk full"), duckdb.OutOfMemoryException("memory")]
    real = Store.append

    def append(self: Store, table: Any, batch: Any, **options: Any) -> int:
        # After the spans were inserted: the transaction must take them back.
        if table is tables.EXCEPTIONS and failures:
            raise failures.pop()
        return real(self, table, batch, **options)

    monkeypatch.setattr(Store, "append", append)
    rig.append(build.traces(build.span(events=[("exception", build.EXCEPTION)])))
    rig.loader.start()
    rig.spool.seal()
    deadline = time.monotonic() + 10
    while rig.loader.lag() and time.monotonic() < deadline:
        time.sleep(0.02)
    rig.load()
    assert (rig.count("spans"), rig.count("exceptions"), rig.count("spool_done")) == (1, 1, 1)
    assert rig.sample("load_failures_total") == 2


def test_a_store_that_stays_broken_leaves_the_spool_for_the_next_start(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, store)
    rig.append(build.traces(build.span()))
    with monkeypatch.context() as patch:

        def append(*_: Any, **__: Any) -> int:
            raise duckdb.IOException("disk full")

        patch.setattr(Store, "append", append)
        rig.loader.start()
        assert not rig.loader.stop(10)
        asyncio.run(rig.spool.close())
    second = Rig(tmp_path, store)
    second.load()
    assert second.count("spans") == 1


def test_numbers_of_segments_long_gone_are_forgotten(tmp_path: Path, store: Store) -> None:
    rig = Rig(tmp_path, store)
    rig.store.execute(
        "INSERT INTO facts.spool_done VALUES (1, TIMESTAMP '2020-01-01', 1, 0), (2, now()::TIMESTAMP, 1, 0)"
    )
    rig.load()
    assert [r["segment"] for r in rig.store.rows("SELECT segment FROM facts.spool_done")] == [2]
