"""Drift in generated traffic: what was injected is found with its revision, quiet traffic is silent, order is nothing."""

import random
from collections.abc import Callable
from datetime import timedelta
from functools import cache

import drift_traffic as traffic
import numpy as np
import pytest
from drift_traffic import BEGIN, NEW, OLD, Row
from load_builders import deliver

from collector import rollups
from correlator import drift
from correlator.drift_detectors import Finding
from schemas.settings import Settings
from schemas.store import Store
from schemas.vocabulary import Detector, SpanKind

DAYS, DEPLOYED = 4.0, 2.6
UNTIL = BEGIN + timedelta(days=DAYS)


def found(store: Store) -> list[Finding]:
    drift.follow(store, until=UNTIL)
    return drift.read(store)


def world(change: traffic.Change | None, **given: float | int) -> Store:
    return traffic.world(change=change, days=DAYS, deployed_after=DEPLOYED, **given)  # type: ignore[arg-type]


def is_request(row: Row, name: str) -> bool:
    return row["kind"] == SpanKind.SERVER and row["name"] == name


def without(row: Row, key: str) -> Row:
    kept = [
        pair for pair in zip(row["attribute_keys"], row["attribute_values"], strict=True) if pair[0] != key
    ]
    keys, values = zip(*kept, strict=True)
    return {**row, "attribute_keys": list(keys), "attribute_values": list(values)}


def everything(row: Row, rng: np.random.Generator) -> Row:
    """A revision that does all of it, each to another route or call."""
    chance = rng.random()
    if is_request(row, "GET /orders"):
        row = without(row, "enduser.id") if "enduser.id" in row["attribute_keys"] and chance < 0.3 else row
        return {**row, "duration_ns": row["duration_ns"] * 4}
    if is_request(row, "POST /orders"):
        row = without(row, "cart.total") if chance < 0.4 else row
        return {**row, "http_response_status_code": 403} if rng.random() < 0.4 else row
    if is_request(row, "GET /account"):
        values = [v.replace("left", "ask jane@acme.org, left") for v in row["attribute_values"]]
        return {**row, "http_response_status_code": 200, "attribute_values": values}
    if row["name"] == "INSERT orders":
        code = "23505" if chance < 0.1 else row["db_response_status_code"]
        return {**row, "db_response_status_code": code, "repeat": 5}
    if row["name"] == "POST" and chance < 0.2:
        return {**row, "server_address": "collect.tracker.example"}
    return row


@cache
def findings_of_everything() -> tuple[Finding, ...]:
    return tuple(found(world(everything)))


@pytest.mark.parametrize(
    ("detector", "subject"),
    [
        (Detector.DENIALS_ROSE, "POST /orders"),
        (Detector.DENIALS_STOPPED, "GET /account"),
        (Detector.CALLERS_UNAUTHENTICATED, "GET /orders"),
        (Detector.HOST_IS_NEW, "collect.tracker.example"),
        (Detector.CONSTRAINTS_BROKEN, "orders"),
        (Detector.VALUES_EMPTY, "POST /orders"),
        (Detector.PERSONAL_DATA_SENT, "note"),
        (Detector.OPERATION_SLOWER, "GET /orders"),
        (Detector.CALLS_MULTIPLIED, "INSERT orders"),
    ],
)
def test_an_injected_drift_is_found_with_the_revision_that_brought_it(
    detector: Detector, subject: str
) -> None:
    hits = [f for f in findings_of_everything() if f.detector is detector and f.subject == subject]
    assert len(hits) == 1
    (finding,) = hits
    assert finding.revision == NEW
    deployed = BEGIN + timedelta(days=DEPLOYED)
    assert deployed <= finding.onset_at <= deployed + timedelta(hours=2)
    assert finding.last_seen_at > UNTIL - timedelta(hours=3)
    assert sum(count for *_, count in finding.moments) > 0


def test_a_route_that_stops_refusing_is_one_failure_not_two() -> None:
    """Whom it refused had no name: now they are granted without one."""
    on_account = [f.detector for f in findings_of_everything() if f.subject == "GET /account"]
    assert on_account == [Detector.DENIALS_STOPPED]


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_quiet_traffic_gives_no_finding(seed: int) -> None:
    """Nights, bursts of refused visitors, noise and a deployment that changes nothing; watched attributes too."""
    assert found(world(None, seed=seed)) == []


def telemetry_without_users(row: Row, _: np.random.Generator) -> Row:
    return without(row, "enduser.id") if "enduser.id" in (row.get("attribute_keys") or ()) else row


def one_odd_hour(row: Row, _: np.random.Generator) -> Row:
    hour = (row["start_time"] - BEGIN - timedelta(days=DEPLOYED)) // timedelta(hours=1)
    is_odd = is_request(row, "GET /account") and hour == 8
    return {**row, "http_response_status_code": 401} if is_odd else row


def slow_under_load(row: Row, _: np.random.Generator) -> Row:
    """Five times the requests, all of them slow: the load does it."""
    slower = {**row, "duration_ns": row["duration_ns"] * 3}
    return {**slower, "repeat": 5} if row["kind"] == SpanKind.SERVER else slower


def more_of_one_route(row: Row, _: np.random.Generator) -> Row:
    """A route that makes no calls multiplies: calls per request fall; one that makes them does not call more often."""
    return {**row, "repeat": 8} if is_request(row, "GET /orders") else row


@pytest.mark.parametrize(
    "change", [telemetry_without_users, one_odd_hour, slow_under_load, more_of_one_route]
)
def test_what_is_no_failure_of_the_service_is_not_found(change: traffic.Change) -> None:
    assert found(world(change)) == []


def _delivered(rows: list[Row], parts: int, draw: random.Random) -> Store:
    """The same spans in another order, in several loads with repetitions, counted and looked at in between."""
    store, settings = Store.open(), Settings(watched_attributes=("cart.total",))
    shuffled = draw.sample(rows, len(rows))
    size = len(rows) // parts + 1
    for number in range(parts):
        part = shuffled[number * size : (number + 1) * size]
        deliver(store, number + 1, [*part, *draw.sample(shuffled[: (number + 1) * size], 200)])
        rollups.fold(store, settings, now=UNTIL + timedelta(days=1), is_thorough=True)
        drift.follow(store, until=UNTIL - timedelta(hours=5 * (parts - number - 1)))
    return store


def test_the_same_spans_in_other_parts_and_order_give_the_same_findings() -> None:
    rows = list(traffic.spans(days=DAYS, deployed_after=DEPLOYED, change=everything, seed=1, per_hour=60.0))
    flat = [row for row in rows if row.pop("repeat", 1)]
    assert tuple(found(_delivered(flat, 3, random.Random(5)))) == findings_of_everything()


def test_only_days_near_hours_that_changed_are_looked_at() -> None:
    store = world(None)
    first = drift.follow(store, until=UNTIL)
    assert first > 0
    assert drift.follow(store, until=UNTIL) == 0
    assert drift.follow(store, until=UNTIL + timedelta(minutes=59)) == 0
    late = next(iter(traffic.spans(days=1, deployed_after=1, change=None, seed=9)))
    # The two days before it, its own, and the next, of which an hour has ended.
    late |= {"start_time": UNTIL - timedelta(minutes=30), "received_at": UNTIL + timedelta(minutes=20)}
    deliver(store, 2, [late])
    rollups.fold(store, Settings(), now=UNTIL + timedelta(hours=1), is_thorough=True)
    assert drift.follow(store, until=UNTIL + timedelta(hours=1)) == drift.FOLLOW_UP.days + 2


def test_what_was_found_stays_when_its_baseline_is_long_past() -> None:
    store = world(everything)
    early = found(store)
    drift.follow(store, until=UNTIL + timedelta(days=60))
    assert drift.read(store) == early


def test_hours_that_are_forgotten_take_their_findings_with_them() -> None:
    store = world(everything)
    assert found(store)
    store.execute("DELETE FROM signal_hours")
    store.execute("DELETE FROM operation_hours")
    assert found(store) == []


def test_the_past_is_answered_from_the_hours_that_had_ended() -> None:
    store = world(everything)
    deployed = BEGIN + timedelta(days=DEPLOYED)
    drift.follow(store, until=deployed)
    assert drift.read(store) == []
    drift.follow(store, until=UNTIL)
    assert drift.read(store)
    drift.follow(store, until=deployed)
    assert drift.read(store) == []


def without_revision(change: traffic.Change) -> Callable[[Row, np.random.Generator], Row]:
    return lambda row, rng: {**change(row, rng), "revision": None}


def test_without_revisions_shares_are_found_by_their_hour() -> None:
    findings = found(world(without_revision(everything)))
    rose = [f for f in findings if f.detector is Detector.DENIALS_ROSE]
    assert [f.subject for f in rose] == ["POST /orders"]
    assert rose[0].revision in (None, OLD)
    assert abs(rose[0].onset_at - (BEGIN + timedelta(days=DEPLOYED))) <= timedelta(hours=2)
