"""Each span counts once in ``operation_hours``, however late it came and however often it was delivered."""

import math
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from builders import MILLISECOND_NS, START, Row, at, span
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from load_builders import deliver

from collector import rollups
from schemas.settings import ServiceSettings, Settings
from schemas.store import Store
from schemas.vocabulary import SpanKind

HOUR_MS = 3_600_000
NOW = START + timedelta(days=3)


@pytest.fixture
def store() -> Store:
    return Store.open()


def fold(store: Store, *, now: datetime = NOW, is_thorough: bool = True, **given_: Any) -> int:
    return rollups.fold(store, Settings(**given_), now=now, is_thorough=is_thorough)


def hours(store: Store) -> list[Row]:
    return store.rows("SELECT * FROM operation_hours ORDER BY ALL")


def buckets(row: Row) -> dict[int, int]:
    return dict(row["duration_counts"])


def rolled(spans: Iterable[Row], *, ratio: float | None = None) -> list[dict[str, Any]]:
    """What ``operation_hours`` should hold of distinct spans, by another way: one after the other."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in spans:
        start: datetime = row["start_time"]
        key = (
            row["service"],
            row["environment"] or "",
            row.get("revision") or row.get("service_version"),
            row["name"],
            row["kind"],
            start.replace(minute=0, second=0, microsecond=0),
        )
        entry = found.setdefault(
            key,
            {"n": 0, "errors": 0, "ns": 0, "buckets": Counter(), "first": start, "last": start, "weight": 0},
        )
        entry["n"] += 1
        entry["errors"] += row["status_code"] == 2
        entry["ns"] += row["duration_ns"]
        entry["buckets"][math.ceil(math.log2(max(row["duration_ns"], 1)) * 8) - 1] += 1
        entry["first"], entry["last"] = min(entry["first"], start), max(entry["last"], start)
        entry["weight"] += Decimal(1) / Decimal(str(ratio)) if ratio else 0
    return [{"key": key} | found[key] for key in sorted(found, key=str)]


def counted(store: Store) -> list[dict[str, Any]]:
    """``operation_hours`` in the shape of :func:`rolled`."""
    rows = [
        {
            "key": tuple(
                r[c] for c in ("service", "environment", "revision", "operation", "kind", "hour_at")
            ),
            "n": r["span_count"],
            "errors": r["error_count"],
            "ns": int(r["duration_ns_sum"]),
            "buckets": Counter(buckets(r)),
            "first": r["first_seen_at"],
            "last": r["last_seen_at"],
            "weight": r["span_weight"],
        }
        for r in hours(store)
    ]
    return sorted(rows, key=lambda r: str(r["key"]))


def test_one_row_is_one_operation_of_one_revision_in_one_hour(store: Store) -> None:
    deliver(
        store,
        1,
        [
            span(1, name="GET /", revision="a" * 40, ms=10),
            span(2, name="GET /", revision="a" * 40, ms=30, is_error=True),
            span(3, name="GET /", service_version="1.2", ms=5),
            span(4, name="GET /", revision="a" * 40, start_ms=HOUR_MS, ms=7, environment=None),
            span(5, name="GET /", revision="a" * 40, kind=SpanKind.CLIENT, exception_type="E"),
            span(6, name="GET /", revision="a" * 40, exception_type="E"),
        ],
    )
    assert fold(store) == 6
    found = {
        (r["revision"], r["environment"], r["kind"]): (
            r["span_count"],
            r["error_count"],
            r["exception_count"],
        )
        for r in hours(store)
    }
    assert found == {
        ("a" * 40, "production", SpanKind.INTERNAL): (3, 1, 1),
        ("1.2", "production", SpanKind.INTERNAL): (1, 0, 0),
        ("a" * 40, "", SpanKind.INTERNAL): (1, 0, 0),
        # A call that raised and succeeded after all is no failure, as the correlator has it.
        ("a" * 40, "production", SpanKind.CLIENT): (1, 0, 0),
    }


def test_a_duplicate_counts_once_in_one_load_in_a_later_one_and_thirty_hours_later(store: Store) -> None:
    first = span(1, received_at=at(2000))
    deliver(store, 1, [first, first | {"received_at": at(2001)}])
    assert fold(store) == 1
    deliver(store, 2, [first | {"received_at": at(60_000)}, span(2, received_at=at(60_000))])
    assert fold(store) == 1
    deliver(store, 3, [first | {"received_at": START + timedelta(hours=30)}])
    assert fold(store) == 0
    assert sum(r["span_count"] for r in hours(store)) == 2


def test_a_duplicate_that_overtook_its_first_delivery_counts_once(store: Store) -> None:
    """The late one is counted first: the load of the other was stuck in the spool."""
    deliver(store, 2, [span(1, received_at=START + timedelta(hours=30))])
    assert fold(store) == 1
    deliver(store, 1, [span(1, received_at=at(1000))])
    assert fold(store) == 0


def test_a_late_span_counts_in_the_hour_in_which_it_started(store: Store) -> None:
    deliver(store, 1, [span(1, name="a", received_at=START + timedelta(hours=30))])
    fold(store)
    assert [r["hour_at"] for r in hours(store)] == [START]
    assert hours(store)[0]["displaced_count"] == 0


def test_in_a_large_store_late_spans_wait_for_their_turn(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollups, "LATE_AT_ONCE_SPANS", 0)
    late = START + timedelta(hours=30)
    deliver(store, 1, [span(1, received_at=late)])
    assert fold(store, is_thorough=False, now=late) == 1
    deliver(store, 2, [span(2, received_at=late), span(3, start_ms=30 * HOUR_MS, received_at=late)])
    assert fold(store, is_thorough=False, now=late + timedelta(minutes=1)) == 1
    assert fold(store, is_thorough=False, now=late + timedelta(minutes=59)) == 0
    assert fold(store, is_thorough=False, now=late + timedelta(minutes=61)) == 1


@pytest.mark.parametrize("start_ms", [-50 * 365 * 24 * HOUR_MS, 90 * 1000, 74 * 365 * 24 * HOUR_MS])
def test_a_clock_that_is_wrong_beyond_reason_counts_in_the_hour_of_receipt(
    store: Store, start_ms: float
) -> None:
    """1976, a minute ahead of its receipt, and 2100: none may found an hour of its own."""
    deliver(store, 1, [span(1, start_ms=start_ms, received_at=START), span(2, received_at=at(1))])
    fold(store)
    assert {r["hour_at"] for r in hours(store)} == {START}
    is_other_hour = abs(start_ms) > HOUR_MS
    assert sum(r["displaced_count"] for r in hours(store)) == is_other_hour


def test_history_that_is_replayed_keeps_its_own_hours(store: Store) -> None:
    two_years = -2 * 365 * 24 * HOUR_MS
    deliver(store, 1, [span(1, start_ms=two_years, received_at=START)])
    fold(store)
    assert [r["hour_at"] for r in hours(store)] == [at(two_years)]


def test_spans_weigh_what_tracestate_says_else_the_configured_ratio_else_nothing_is_known(
    store: Store,
) -> None:
    deliver(
        store,
        1,
        [
            span(1, name="a", trace_state="ot=th:8"),
            span(2, name="a", trace_state="ot=th:c", is_error=True),
            span(3, name="a"),
            span(4, name="b", service="cart"),
            span(5, name="c", service="other"),
        ],
    )
    fold(store, services={"cart": ServiceSettings(sampling_ratio=0.1)})
    found = {
        r["service"]: (r["span_count"], r["weighed_count"], r["span_weight"], r["failing_weight"])
        for r in hours(store)
    }
    assert found == {
        "checkout": (3, 2, 6, 4),
        "cart": (1, 1, 10, 0),
        "other": (1, 0, 0, 0),
    }


def test_a_run_that_fails_counts_nothing_and_the_next_one_counts_all(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(store, 1, [span(i) for i in range(1, 5)])
    execute, left = Store.execute, 0

    def failing(self: Store, text: str, **parameters: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise ZeroDivisionError
        execute(self, text, **parameters)

    monkeypatch.setattr(Store, "execute", failing)
    for step in range(1, 9):
        left = step
        with pytest.raises(ZeroDivisionError):
            fold(store)
        assert hours(store) == []
        assert store.value("SELECT count(*) FROM folded_loads") == 0
    monkeypatch.undo()
    assert fold(store) == 4
    assert fold(store) == 0


SPANS = st.lists(
    st.builds(
        lambda id_, minutes, ns, name, revision, is_error, trace: span(
            id_,
            trace=trace,
            start_ms=minutes * 60_000 + id_,
            name=f"op {name}",
            revision=revision,
            is_error=is_error,
            duration_ns=ns,
        ),
        st.integers(1, 40),
        st.integers(-1900, 100),
        st.integers(0, 10**12),
        st.integers(0, 2),
        st.sampled_from([None, "a", "b"]),
        st.booleans(),
        st.integers(1, 2),
    ),
    min_size=1,
    max_size=25,
    unique_by=lambda row: (row["trace_id"], row["span_id"]),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SPANS, st.data())
def test_any_order_any_repetition_and_any_runs_in_between_count_the_distinct_spans(
    monkeypatch: pytest.MonkeyPatch, spans: list[Row], data: st.DataObject
) -> None:
    monkeypatch.setattr(rollups, "SLICE_SPANS", data.draw(st.sampled_from([1, 7, 10_000])))
    monkeypatch.setattr(rollups, "LATE_AT_ONCE_SPANS", data.draw(st.sampled_from([0, 10_000])))
    monkeypatch.setattr(rollups, "RANGES_MAX", data.draw(st.sampled_from([1, 48])))
    store = Store.open()
    again = data.draw(st.lists(st.sampled_from(spans), max_size=25))
    order = data.draw(st.permutations(spans + again))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(order)), max_size=5)))
    numbers = data.draw(st.permutations(range(1, len(cuts) + 2)))
    now = START + timedelta(hours=2)
    for number, low, high in zip(numbers, [0, *cuts], [*cuts, len(order)], strict=True):
        # Some deliveries come soon after the span, some up to 33 hours later.
        received = [
            row
            | {
                "received_at": row["start_time"]
                + timedelta(minutes=data.draw(st.sampled_from([0, 1, 14, 15, 16, 1800])))
            }
            for row in order[low:high]
        ]
        deliver(store, number, received)
        now += timedelta(minutes=data.draw(st.sampled_from([0, 61])))
        if data.draw(st.booleans()):
            fold(store, now=now, is_thorough=False, sampling_ratio=0.25)
    fold(store, now=now, sampling_ratio=0.25)
    assert counted(store) == rolled(spans, ratio=0.25)


def test_equal_facts_in_another_order_give_equal_rows() -> None:
    spans = [
        span(i, name=f"op {i % 3}", duration_ns=i * MILLISECOND_NS, trace_state="ot=th:1")
        for i in range(1, 50)
    ]
    stores = [Store.open(), Store.open()]
    for store, listed in zip(stores, (spans, spans[::-1]), strict=True):
        for number, low in enumerate(range(0, 49, 7)):
            deliver(store, number, listed[low : low + 7])
            fold(store)
    assert hours(stores[0]) == hours(stores[1])
