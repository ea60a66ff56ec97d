"""What is forgotten when: raw spans soon, failing traces, exceptions and hourly counts much later."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from builders import START, exception, hex_trace_id, insert, server, span, trace_id
from load_builders import deliver
from pydantic import ValidationError

from collector import retention, rollups, walk
from schemas import tables
from schemas.settings import Settings
from schemas.store import Store

DAY_MS = 86_400_000
DAY = timedelta(days=1)


@pytest.fixture
def store() -> Store:
    return Store.open()


def expire(store: Store, now: datetime, **given: Any) -> None:
    asked = {"spans_retention_days": 5, "failures_retention_days": 400, **given}
    retention.expire(store, Settings(**asked), now=now)


def kept(store: Store) -> tuple[list[str], list[str | None]]:
    """(names of the spans, messages of the exceptions) that are still there."""
    spans = store.rows("SELECT name FROM spans ORDER BY name")
    exceptions = store.rows("SELECT message FROM exceptions ORDER BY message")
    return [row["name"] for row in spans], [row["message"] for row in exceptions]


def test_raw_spans_go_after_their_days_but_failing_traces_stay_whole(store: Store) -> None:
    old, new = START, START + 10 * DAY
    insert(
        store,
        [
            server(1, trace=1, name="old, ok", received_at=old),
            server(1, trace=2, name="old, failing", received_at=old, is_error=True),
            server(2, trace=2, parent=1, name="old, beside it", received_at=old),
            server(1, trace=3, name="old, with an exception", received_at=old),
            server(2, trace=3, parent=1, name="old, beside an exception", received_at=old),
            server(1, trace=4, name="old, with a warning", received_at=old),
            server(1, trace=5, name="old, failing later on", received_at=old),
            server(2, trace=5, name="new, failing", received_at=new, is_error=True),
            server(1, trace=6, name="new, ok", received_at=new),
            # Replayed history: what counts is when it came, not when it happened.
            server(1, trace=7, name="long ago, just received", start_ms=-900 * DAY_MS, received_at=new),
        ],
        [
            exception(1, trace=3, message="old", received_at=old),
            exception(1, trace=4, message="old, a warning", received_at=old, severity_number=13),
            exception(1, trace=9, message="old, without a trace", received_at=old) | {"trace_id": None},
        ],
    )
    for _ in range(2):
        expire(store, new + DAY)
        assert kept(store) == (
            [
                "long ago, just received",
                "new, failing",
                "new, ok",
                "old, beside an exception",
                "old, beside it",
                "old, failing",
                "old, failing later on",
                "old, with an exception",
            ],
            ["old", "old, a warning", "old, without a trace"],
        )
    expire(store, START + 401 * DAY)
    assert kept(store) == (["new, failing"], [])


def test_stacks_stay_as_long_as_what_may_name_them(store: Store) -> None:
    rows = [
        walk.stack_row(f"day {day}") | {"stack_id": day, "loaded_at": START + timedelta(days=day)}
        for day in (0, 1, 2, 30)
    ]
    for row in rows:
        store.execute(
            "INSERT INTO facts.stacks BY NAME SELECT $stack_id AS stack_id, $stacktrace AS stacktrace, $length AS length, "
            "$loaded_at::TIMESTAMP AS loaded_at",
            **row,
        )
    # Exceptions of the last minute of a day that are kept may name a stack of its first.
    expire(store, START + timedelta(days=402))
    assert [row["stack_id"] for row in store.rows("SELECT stack_id FROM stacks ORDER BY ALL")] == [1, 2, 30]


@pytest.mark.parametrize("table", [tables.SPAN_EVENTS, tables.SPAN_LINKS], ids=lambda t: t.name)
def test_events_and_links_go_with_their_spans(store: Store, table: tables.Table) -> None:
    insert(store, [server(1, trace=1), server(1, trace=2, is_error=True), server(1, trace=3)])
    row = {"span_id": 1, "received_at": START, "time": START, "name": "retry"}
    rows = [row | {"trace_id": trace_id(n)} for n in (1, 2)]
    store.append_rows(table, [*rows, row | {"trace_id": trace_id(3), "received_at": START + 9 * DAY}])
    expire(store, START + 10 * DAY)
    left = store.rows(f"SELECT trace_hex(trace_id) AS trace FROM {table.name} ORDER BY 1")
    assert [r["trace"] for r in left] == [hex_trace_id(2), hex_trace_id(3)]


def test_the_boundary_day_is_kept(store: Store) -> None:
    insert(store, [server(1, received_at=START)])
    expire(store, START + 5 * DAY)
    assert len(kept(store)[0]) == 1
    expire(store, START + 5 * DAY + timedelta(seconds=1))
    assert kept(store)[0] == []


def test_what_is_not_counted_yet_is_not_forgotten(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollups, "LATE_AT_ONCE_SPANS", 0)
    deliver(store, 1, [span(1, name="counted")])
    rollups.fold(store, Settings(), now=START)
    late = START + 2 * DAY
    deliver(store, 2, [span(2, name="late, counted later", received_at=late)])
    rollups.fold(store, Settings(), now=late, is_thorough=True)
    deliver(store, 3, [span(3, name="late, waits", received_at=late)])
    rollups.fold(store, Settings(), now=late)
    deliver(store, 4, [span(4, name="waits")])
    expire(store, START + 30 * DAY)
    assert kept(store)[0] == ["late, waits", "waits"]


def test_hourly_counts_outlive_the_spans(store: Store) -> None:
    deliver(store, 1, [span(1), span(2, start_ms=-900 * DAY_MS, received_at=START)])
    rollups.fold(store, Settings(), now=START, is_thorough=True)
    expire(store, START + 30 * DAY)
    assert kept(store)[0] == []
    assert store.value("SELECT sum(span_count)::BIGINT FROM operation_hours") == 2
    expire(store, START + 401 * DAY)
    assert store.value("SELECT count(*) FROM operation_hours") == 0


def test_counted_loads_are_forgotten_but_the_newest_and_no_number_is_given_twice(store: Store) -> None:
    for number in (1, 2, 3):
        deliver(store, number, [span(number)], loaded_at=START)
    rollups.fold(store, Settings(), now=START)
    expire(store, START + 2 * DAY)
    for table in ("loads", "folded_loads"):
        assert store.rows(f"SELECT load_number FROM {table}") == [{"load_number": 3}]
    assert rollups.fold(store, Settings(), now=START) == 0
    assert rollups.next_load(store, 1, now=START) == 4


def test_failures_that_would_go_before_other_spans_are_refused() -> None:
    with pytest.raises(ValidationError, match="failures_retention_days"):
        Settings(spans_retention_days=30, failures_retention_days=20)
