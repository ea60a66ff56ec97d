"""Whether durations were as ever while an incident was open."""

from typing import Any

import pyarrow as pa
from failure_builders import T0, hours, incident

from correlator import paces, services
from correlator.paces import Pace
from schemas import tables
from schemas.store import Store, arrow, sql

FAST, SLOW = 180, 200


def part(is_open: bool, counts: dict[int, int], operation: str = "GET /orders") -> list[dict[str, Any]]:
    return [
        {"operation": operation, "is_open": is_open, "bucket": bucket, "span_count": count}
        for bucket, count in counts.items()
    ]


BEFORE = part(False, {FAST: 1000})


def test_many_fast_requests_are_steady_and_many_slow_ones_slower() -> None:
    assert paces.of("Slow", [*BEFORE, *part(True, {FAST: 95, SLOW: 3})]) is Pace.STEADY
    assert paces.of("Slow", [*BEFORE, *part(True, {FAST: 60, SLOW: 40})]) is Pace.SLOWER


def test_too_few_requests_say_nothing() -> None:
    assert paces.of("Slow", [*BEFORE, *part(True, {FAST: 12})]) is Pace.UNKNOWN
    assert paces.of("Slow", [*BEFORE, *part(True, {SLOW: 1})]) is Pace.UNKNOWN
    assert paces.of("Slow", part(True, {FAST: 500})) is Pace.UNKNOWN
    assert paces.of("Slow", []) is Pace.UNKNOWN


def test_where_nothing_is_sampled_away_a_few_requests_are_all_there_were() -> None:
    assert paces.of("Slow", [*BEFORE, *part(True, {FAST: 2})], is_whole=True) is Pace.STEADY
    assert paces.of("Slow", [*BEFORE, *part(True, {FAST: 2, SLOW: 1})], is_whole=True) is not Pace.STEADY
    assert paces.of("Slow", BEFORE, is_whole=True) is Pace.UNKNOWN


def test_the_operation_that_the_title_names_is_meant() -> None:
    others = [*part(False, {FAST: 1000}, "POST /orders"), *part(True, {FAST: 900}, "POST /orders")]
    rows = [*BEFORE, *part(True, {SLOW: 30}), *others]
    assert paces.of("Latency high", rows) is Pace.STEADY
    assert paces.of("GET /orders is slow", rows) is Pace.SLOWER
    assert paces.of("POST /orders is slow", rows) is Pace.STEADY
    assert paces.of("p95 of /refunds doubled", rows) is Pace.UNKNOWN


def test_another_mix_of_operations_is_no_slowness() -> None:
    export = [*part(False, {SLOW: 50}, "GET /export"), *part(True, {SLOW: 400}, "GET /export")]
    assert paces.of("Latency high", [*BEFORE, *part(True, {FAST: 50}), *export]) is Pace.STEADY


def told(*cells: tuple[float, int, int], opened: float = 0, as_of: float = 48) -> Pace:
    """Pace of an incident over hours of (hours after T0, bucket, spans), asked as a correlation does."""
    rows = [
        {
            "service": "checkout", "environment": "production", "revision": None, "operation": "GET /orders",
            "kind": 2, "hour_at": hours(at), "span_count": count, "error_count": 0, "exception_count": 0,
            "displaced_count": 0, "weighed_count": count, "span_weight": count, "failing_weight": 0,
            "duration_ns_sum": count, "duration_counts": [(bucket, count)], "first_seen_at": hours(at),
            "last_seen_at": hours(at), "last_received_at": hours(at),
        }
        for at, bucket, count in cells
    ]  # fmt: skip
    store = Store.open()
    with store.transaction():
        store.append(tables.OPERATION_HOURS, arrow(tables.OPERATION_HOURS, rows))
    alarm = incident(title="Slow", opened_at=hours(opened), resolved_at=hours(opened + 1))
    asked = paces.asked(services.watched_at(alarm, {"checkout": ["production"]}), as_of=hours(as_of))
    naive = [{k: v.replace(tzinfo=None) if hasattr(v, "tzinfo") else v for k, v in a.items()} for a in asked]
    with store.registered("asked_incidents", pa.Table.from_pylist(naive)):
        return paces.of("Slow", store.rows(sql("correlator", "incident_durations")))


def test_what_slowed_days_ago_and_was_noticed_late_is_not_its_own_standard() -> None:
    fast = [(-24.0 * day, FAST, 200) for day in range(5, 9)]
    slow = [(-24.0 * day, SLOW, 200) for day in range(1, 4)]
    assert T0.minute == 0
    assert told(*fast, *slow, (0, SLOW, 100)) is Pace.SLOWER
    assert told(*fast, (0, FAST, 100)) is Pace.STEADY


def test_hours_that_have_not_ended_and_hours_after_the_incident_are_not_looked_at() -> None:
    fast = [(-24.0 * day, FAST, 200) for day in range(5, 9)]
    assert told(*fast, (0, FAST, 100), as_of=0.5) is Pace.UNKNOWN
    assert told(*fast, (5, FAST, 100)) is Pace.UNKNOWN
