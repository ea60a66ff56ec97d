"""What metrics read is read once per correlation, for whoever asks first or for nobody yet."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import page_builders as builders
import pytest

from api import queries
from api.metric_cache import DataCache
from schemas import tables
from schemas.settings import Settings
from schemas.store import Store

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
    store.append_rows(tables.CORRELATION_RUNS, [row], replace=True)


def test_what_was_prepared_is_not_read_again_until_the_next_correlation(asked: list[Any]) -> None:
    store, cache = builders.company(4), DataCache()
    correlated(store, "d1", 0)
    cache.prepare(store, SETTINGS, builders.END)
    assert len(asked) == 1
    present = queries.present(store, builders.END)
    prepared = cache.get(store, SETTINGS, present)
    assert cache.get(store, SETTINGS, present) is prepared
    assert len(asked) == 1
    correlated(store, "d2", 1)
    assert cache.get(store, SETTINGS, queries.present(store, builders.END)) is not prepared
    assert len(asked) == 2
