"""``operation_hours.sql`` counts the distinct spans until a time, from hourly counts where it can."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from builders import START, Row, span
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from load_builders import deliver

from collector import retention, rollups
from correlator.run import uncounted
from correlator.traffic import weighed_services
from schemas import tables
from schemas.settings import Settings
from schemas.store import Store, sql

# What it was before there were hourly counts: a scan of every raw span.
OF_RAW_SPANS = """
WITH distinct_spans AS (
    SELECT trace_id, span_id, min(service) AS service, min(coalesce(environment, '')) AS environment,
        min(coalesce(revision, service_version)) AS revision, min(name) AS operation, max(status_code) AS status_code,
        min(start_time) AS start_time
    FROM spans
    WHERE start_time <= $until::TIMESTAMP_NS
    GROUP BY trace_id, span_id
)
SELECT service, environment, revision, operation, date_trunc('hour', start_time::TIMESTAMP) AS hour_at,
    count(*) AS span_count, count(*) FILTER (WHERE status_code = 2) AS error_count,
    min(start_time)::TIMESTAMP AS first_seen_at, max(start_time)::TIMESTAMP AS last_seen_at
FROM distinct_spans
GROUP BY service, environment, revision, operation, hour_at
ORDER BY service, environment, operation, hour_at, revision NULLS FIRST
"""
NOW = START + timedelta(hours=40)


def asked(store: Store, until: datetime = NOW) -> list[Row]:
    found = store.rows(sql("correlator", "operation_hours"), until=until, **uncounted(store, until))
    return [{k: v for k, v in row.items() if k not in ("weighed_count", "span_weight")} for row in found]


def scanned(store: Store, until: datetime = NOW) -> list[Row]:
    return store.rows(OF_RAW_SPANS, until=until)


def fold(store: Store, **given_: Any) -> None:
    rollups.fold(store, Settings(**given_), now=NOW, is_thorough=True)


SPANS = st.lists(
    st.builds(
        lambda id_, minutes, name, revision, is_error: span(
            id_,
            start_ms=minutes * 60_000 + id_,
            name=f"op {name}",
            service=f"service {name}",
            revision=revision,
            is_error=is_error,
        ),
        st.integers(1, 60),
        st.integers(0, 300),
        st.integers(0, 1),
        st.sampled_from([None, "a"]),
        st.booleans(),
    ),
    min_size=1,
    max_size=30,
    unique_by=lambda row: row["span_id"],
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SPANS, st.data())
def test_counted_and_uncounted_spans_together_give_what_a_scan_of_all_gives(
    monkeypatch: pytest.MonkeyPatch, spans: list[Row], data: st.DataObject
) -> None:
    store = Store.open()
    order = data.draw(st.permutations(spans + data.draw(st.lists(st.sampled_from(spans), max_size=15))))
    lag = st.sampled_from([timedelta(seconds=1), timedelta(minutes=5), timedelta(hours=30)])
    counted, soon = data.draw(st.integers(0, len(order))), timedelta(seconds=2)
    deliver(store, 1, [row | {"received_at": row["start_time"] + data.draw(lag)} for row in order[:counted]])
    fold(store)
    # Late spans wait to be counted; what else is not counted yet, in loads or without one, is read raw.
    deliver(store, 2, [row | {"received_at": row["start_time"] + soon} for row in order[counted::2]])
    store.append_rows(
        # Without a load: put there by another hand than the loader's.
        tables.SPANS,
        [row | {"received_at": row["start_time"] + soon} for row in order[counted + 1 :: 2]],
    )
    for minutes in data.draw(st.lists(st.integers(-10, 310), min_size=1, max_size=3)):
        until = START + timedelta(minutes=minutes)
        assert asked(store, until) == scanned(store, until)
    assert asked(store) == scanned(store)
    fold(store)
    assert asked(store) == scanned(store)


def test_exposure_survives_the_raw_spans(store: Store) -> None:
    deliver(store, 1, [span(i, start_ms=i * 600_000) for i in range(1, 20)])
    fold(store)
    before = asked(store)
    retention.expire(store, Settings(spans_retention_days=1), now=NOW + timedelta(days=3))
    assert store.value("SELECT count(*) FROM spans") == 0
    assert asked(store) == before
    # An hour that the question parts counts whole then, but nothing is said of what came later.
    until = START + timedelta(minutes=75)
    parted = asked(store, until)
    assert {row["hour_at"] for row in parted} == {START, START + timedelta(hours=1)}
    assert max(row["last_seen_at"] for row in parted) <= until


def test_sampling_is_known_of_a_service_whose_every_span_tells_it(store: Store) -> None:
    deliver(
        store,
        1,
        [
            span(1, service="a", trace_state="ot=th:8"),
            span(2, service="a", trace_state="ot=th:0"),
            span(3, service="b", trace_state="ot=th:8"),
            span(4, service="b"),
        ],
    )
    for _ in range(2):
        counted = sql("correlator", "operation_hours")
        store.execute(
            f"CREATE OR REPLACE TEMP TABLE hours_until AS {counted}", until=NOW, **uncounted(store, NOW)
        )
        assert weighed_services(store.rows(sql("correlator", "service_hours"))) == {"a"}
        fold(store)


@pytest.fixture
def store() -> Store:
    return Store.open()
