"""Rows of traces that are kept from run to run are what the store holds, whatever arrived, in whatever parts."""

import random
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

import builders as b
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trace_builders import deliver, emptied, telemetry

from correlator.trace_rows import TraceRows
from schemas import tables
from schemas.store import Row, Store

IDS = [b.hex_trace_id(number) for number in range(1, 4)]


@pytest.fixture(scope="module")
def opened() -> Iterator[Store]:
    store = Store.open()
    yield store
    store.close()


def asked(kept: TraceRows, ids: list[str], *, days_ago: int = 0) -> tuple[list[Row], list[Row]]:
    kept.follow(until=b.UNTIL - timedelta(days=days_ago))
    return kept.spans(ids), kept.exceptions(ids)


@settings(deadline=None, max_examples=40)
@given(
    telemetry(),
    st.randoms(use_true_random=False),
    st.lists(st.integers(0, 60), max_size=4),
    st.booleans(),
    st.lists(st.sets(st.sampled_from(IDS)), min_size=5, max_size=5),
)
def test_rows_that_are_kept_are_those_of_the_store(
    opened: Store,
    facts: list[tuple[tables.Table, dict[str, Any]]],
    chance: random.Random,
    cuts: list[int],
    is_numbered: bool,
    wanted: list[set[str]],
) -> None:
    store = emptied(opened)
    kept = TraceRows(store)
    chance.shuffle(facts)
    bounds = [0, *sorted(min(cut, len(facts)) for cut in cuts), len(facts)]
    for number, (low, high) in enumerate(pairwise(bounds)):
        deliver(store, facts[low:high], is_numbered=is_numbered)
        # Spans lie up to 400 days ahead: with each run fewer of them do.
        ids, days_ago = sorted(wanted[number]), 100 * (len(bounds) - number)
        assert asked(kept, ids, days_ago=days_ago) == asked(TraceRows(store), ids, days_ago=days_ago)
    assert asked(kept, IDS) == asked(TraceRows(store), IDS)


def test_what_was_taken_from_the_store_is_not_kept(opened: Store) -> None:
    store = emptied(opened)
    deliver(store, [(tables.SPANS, b.server(1)), (tables.SPANS, b.span(2, parent=1))])
    kept = TraceRows(store)
    assert len(asked(kept, IDS)[0]) == 2
    store.execute("DELETE FROM spans WHERE span_id = 2")
    assert len(asked(kept, IDS)[0]) == 1


def test_an_earlier_time_is_answered_anew(opened: Store) -> None:
    store = emptied(opened)
    deliver(store, [(tables.SPANS, b.server(1)), (tables.SPANS, b.span(2, parent=1, start_ms=86_400_000))])
    kept = TraceRows(store)
    days_ago = (b.UNTIL - b.at(0)).days
    assert len(asked(kept, IDS)[0]) == 2
    assert len(asked(kept, IDS, days_ago=days_ago)[0]) == 1


def test_nothing_is_read_again_while_nothing_arrives(opened: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store = emptied(opened)
    deliver(store, [(tables.SPANS, b.server(1))])
    kept = TraceRows(store)
    before = asked(kept, IDS)
    deliver(store, [(tables.SPANS, b.server(1, trace=9))])
    kept.follow(until=b.UNTIL)
    monkeypatch.setattr(Store, "rows", lambda *_, **__: pytest.fail("asked the store"))
    assert (kept.spans(IDS), kept.exceptions(IDS)) == before
