"""What metrics read is read once per correlation, for whoever asks first or for nobody yet."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import page_builders as builders
import pytest

from api import queries
from api.installation import Installation
from api.metric_cache import DataCache
from correlator.metric_data import MetricData
from schemas import tables
from schemas.errors import MalformedInput
from schemas.settings import Settings
from schemas.store import Store, arrow

SETTINGS = Settings(data=Path("nowhere"))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """One item per time that the store was asked for what metrics read."""
    found: list[Any] = []
    original = queries.metric_data

    def counted(store: Store, settings: Settings, as_of: Any) -> Any:
        found.append(as_of)
        return original(store, settings, as_of)

    monkeypatch.setattr(queries, "metric_data", counted)
    return found


def correlated(store: Store, digest: str, minutes: int) -> None:
    as_of = builders.END + timedelta(minutes=minutes)
    row = {"as_of": as_of, "facts_digest": digest, "rules": "{}", "inferences_digest": digest}
    store.replace_all(tables.CORRELATION_RUNS, arrow(tables.CORRELATION_RUNS, [row]))


def test_what_was_prepared_is_not_read_again_until_the_next_correlation(asked: list[Any]) -> None:
    store, cache = builders.company(4), DataCache()
    correlated(store, "d1", 0)
    cache.prepare(store, SETTINGS, builders.END)
    assert len(asked) == 1
    known = queries.known(store)
    present = queries.present(known, builders.END)
    prepared = cache.get(store, SETTINGS, present, known)
    assert cache.get(store, SETTINGS, present, known) is prepared
    assert len(asked) == 1
    correlated(store, "d2", 1)
    newer = queries.known(store)
    assert cache.get(store, SETTINGS, queries.present(newer, builders.END), newer) is not prepared
    assert len(asked) == 2


def test_what_was_asked_since_the_last_correlation_is_answered_before_the_next_one_asks() -> None:
    store, cache = builders.company(4), DataCache()
    made: list[str] = []

    def answer(data: MetricData) -> str:
        made.append(f"as of {data.as_of:%H:%M}")
        return made[-1]

    def ask() -> str:
        known = queries.known(store)
        data = cache.get(store, SETTINGS, queries.present(known, builders.END), known)
        return cache.answer(data, "question", answer)

    def correlate(digest: str, minutes: int) -> None:
        correlated(store, digest, minutes)
        cache.prepare(store, SETTINGS, builders.END)

    correlate("d1", 1)
    assert ask() == ask() == f"as of {builders.END:%H}:01"
    assert len(made) == 1
    correlate("d2", 2)
    assert len(made) == 2
    assert ask() == f"as of {builders.END:%H}:02"
    assert len(made) == 2
    correlate("d3", 3)
    correlate("d4", 4)
    assert len(made) == 3, "nobody asked between the last two"


def test_an_answer_that_cannot_be_renewed_is_refused_to_who_asks_alone() -> None:
    store, cache = builders.company(4), DataCache()

    def answer(data: MetricData) -> int:
        if data.as_of.minute:
            raise MalformedInput("no longer")
        return 1

    def ask() -> int:
        known = queries.known(store)
        data = cache.get(store, SETTINGS, queries.present(known, builders.END), known)
        return cache.answer(data, "question", answer)

    correlated(store, "d1", 0)
    cache.prepare(store, SETTINGS, builders.END)
    assert ask() == 1
    correlated(store, "d2", 1)
    cache.prepare(store, SETTINGS, builders.END)
    with pytest.raises(MalformedInput):
        ask()


def test_answers_are_made_before_others_see_the_inferences_that_they_come_from(
    tmp_path: Path, asked: list[Any]
) -> None:
    cache = DataCache()
    with Installation.open(Settings(data=tmp_path)) as installation, ThreadPoolExecutor(1) as other:
        store, seen = installation.store, []

        def prepare() -> None:
            cache.prepare(store, installation.settings, builders.END)
            seen.append((queries.known(store), other.submit(queries.known, store).result()))

        installation.correlator.on_written = prepare
        first = installation.correlator.correlate(as_of=builders.END)
        ((inside, outside),) = seen
        assert inside is not None
        assert (inside["inferences_digest"], outside) == (first.digest, None)
        known = other.submit(queries.known, store).result()
        assert known == inside
        cache.get(store, installation.settings, queries.present(known, builders.END), known)
        assert len(asked) == 1
        assert not installation.correlator.correlate(as_of=builders.END).is_new
        assert len(seen) == 1


@pytest.mark.parametrize("error", [ZeroDivisionError, duckdb.ConversionException])
def test_an_answer_that_cannot_be_made_ahead_stops_no_correlation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def broken(store: Store, *_: object) -> MetricData:
        if error is duckdb.ConversionException:
            # What the database refuses ends the transaction too.
            store.execute("SELECT 'seven'::INTEGER")
        raise error

    monkeypatch.setattr(queries, "metric_data", broken)
    with Installation.open(Settings(data=tmp_path)) as installation:
        store, cache = installation.store, DataCache()
        installation.correlator.on_written = lambda: cache.prepare(store, installation.settings, builders.END)
        assert installation.correlator.correlate(as_of=builders.END).is_new
        assert queries.known(store) is not None


def test_what_was_said_of_the_same_time_by_other_rules_is_not_said_again() -> None:
    store, cache = builders.company(4), DataCache()

    def answer(_: MetricData) -> str:
        known = queries.known(store)
        assert known is not None
        return str(known["inferences_digest"])

    def asked_after(digest: str, minutes: int) -> str:
        correlated(store, digest, minutes)
        cache.prepare(store, SETTINGS, builders.END)
        known = queries.known(store)
        data = cache.get(store, SETTINGS, queries.present(known, builders.END), known)
        return cache.answer(data, "question", answer)

    assert asked_after("d1", 1) == "d1"
    # Renewed, as it was asked; then nobody asks.
    correlated(store, "d2", 2)
    cache.prepare(store, SETTINGS, builders.END)
    assert asked_after("d3", 2) == "d3"
