import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from builders import START, exception, hex_span_id, hex_trace_id, insert, server
from prometheus_client import CollectorRegistry, generate_latest

from api import report, schedule
from schemas import tables
from schemas.errors import SourceUnavailable
from schemas.settings import Settings
from schemas.store import Store

DAY_MS = 86_400_000
MONDAY = datetime(2026, 3, 9, 7, 0, tzinfo=UTC)


class Jobs:
    """What an installation would do, written down instead."""

    def __init__(self, store: Store, **settings: Any) -> None:
        self.settings = Settings(**settings)
        self.store = store
        self.done: list[str] = []
        self.failure: Exception | None = None

    def correlate(self) -> None:
        self.done.append("correlate")

    def follow(self, progress: Callable[[str], None] | None = None) -> None:
        self.done.append("follow")
        if progress is not None:
            progress("acme/shop: fetch")
        if self.failure is not None:
            raise self.failure

    def scheduled_report(self, week: str) -> None:
        if self.failure is not None:
            raise self.failure
        self.done.append(f"report {week}")


def kept(store: Store) -> tuple[list[str], list[str | None]]:
    """(names of the spans, messages of the exceptions) that are still there."""
    spans = store.rows("SELECT name FROM spans ORDER BY name")
    exceptions = store.rows("SELECT message FROM exceptions ORDER BY message")
    return [row["name"] for row in spans], [row["message"] for row in exceptions]


def test_raw_telemetry_goes_after_its_days_but_failing_traces_stay_whole() -> None:
    store = Store.open()
    old, new = START, START + timedelta(days=10)
    insert(
        store,
        [
            server(1, trace=1, name="old, ok", received_at=old),
            server(1, trace=2, name="old, failing", received_at=old, is_error=True),
            server(2, trace=2, parent=1, name="old, beside it", received_at=old),
            server(1, trace=3, name="new, ok", received_at=new),
            # Replayed history: what counts is when it came, not when it happened.
            server(1, trace=4, name="long ago, just received", start_ms=-900 * DAY_MS, received_at=new),
        ],
        [
            exception(1, trace=1, message="old", received_at=old),
            exception(1, trace=2, message="old, of a failing trace", received_at=old),
            exception(1, trace=3, message="new", received_at=new),
            exception(1, trace=9, message="old, without a trace", received_at=old) | {"trace_id": None},
        ],
    )
    group = {
        "group_id": "g",
        "trace_id": hex_trace_id(2),
        "span_id": hex_span_id(1),
        "failed_at": old,
    }
    store.append_rows(tables.GROUP_TRACES, [group])
    schedule.drop_expired(store, now=new + timedelta(days=1), days=5)
    assert kept(store) == (
        ["long ago, just received", "new, ok", "old, beside it", "old, failing"],
        ["new", "old, of a failing trace"],
    )
    schedule.drop_expired(store, now=new + timedelta(days=1), days=5)
    assert len(kept(store)[0]) == 4


def test_the_boundary_day_is_kept() -> None:
    store = Store.open()
    insert(store, [server(1, received_at=START)])
    schedule.drop_expired(store, now=START + timedelta(days=5), days=5)
    assert len(kept(store)[0]) == 1
    schedule.drop_expired(store, now=START + timedelta(days=5, seconds=1), days=5)
    assert kept(store)[0] == []


def test_a_week_is_reported_once_however_many_schedulers_ask() -> None:
    jobs = Jobs(Store.open())
    assert schedule.report_last_week(jobs, now=MONDAY)
    assert not schedule.report_last_week(jobs, now=MONDAY + timedelta(hours=1))
    assert jobs.done == ["report 2026-W10"]


def test_a_report_that_failed_may_be_made_again() -> None:
    jobs = Jobs(Store.open())
    jobs.failure = RuntimeError("no room")
    with pytest.raises(RuntimeError):
        schedule.report_last_week(jobs, now=MONDAY)
    jobs.failure = None
    assert schedule.report_last_week(jobs, now=MONDAY)


def test_a_server_that_was_down_at_the_hour_makes_up_for_it_once() -> None:
    now = datetime.now(UTC)
    jobs = Jobs(Store.open(), report_weekday="mon", report_hour=0)
    assert run_briefly(jobs, "follow") == ["follow"]
    # Somebody reported before, so last week is missing.
    assert report.claim(jobs.store, report.week_of(now - timedelta(days=21)), now)
    last_week = f"report {report.week_of(now - timedelta(days=7))}"
    assert last_week in run_briefly(jobs, last_week)
    jobs.done.clear()
    assert last_week not in run_briefly(jobs, "follow")


def run_briefly(jobs: Jobs, until: str) -> list[str]:
    """What a scheduler does from its start until ``until`` was done, sorted."""
    scheduler = schedule.start(jobs)
    ends = time.monotonic() + 10
    while until not in jobs.done and time.monotonic() < ends:
        time.sleep(0.01)
    scheduler.shutdown(True)
    return sorted(jobs.done)


def test_repositories_are_followed_at_once_and_correlation_after_its_interval() -> None:
    jobs = Jobs(Store.open(), correlate_interval_s=0.05)
    told: list[str] = []
    scheduler = schedule.start(jobs, progress=told.append)
    ends = time.monotonic() + 10
    while jobs.done.count("correlate") < 3 and time.monotonic() < ends:
        time.sleep(0.01)
    scheduler.shutdown(True)
    assert jobs.done[0] == "follow"
    assert jobs.done.count("follow") == 1
    assert told == ["acme/shop: fetch"]


def test_a_job_that_fails_is_counted_and_the_others_go_on() -> None:
    registry = CollectorRegistry()
    outcomes = schedule.Outcomes(registry)
    jobs = Jobs(Store.open(), sync_interval_s=0.05, correlate_interval_s=0.05)
    jobs.failure = SourceUnavailable("acme/gone: no route to host", hint="wait")
    scheduler = schedule.start(jobs, on_end=outcomes.add)
    ends = time.monotonic() + 10
    while (jobs.done.count("correlate") < 2 or jobs.done.count("follow") < 2) and time.monotonic() < ends:
        time.sleep(0.01)
    scheduler.shutdown(True)
    told = outcomes.told()
    assert told["sync"]["error"] == "acme/gone: no route to host"
    assert told["correlate"]["error"] is None
    text = generate_latest(registry).decode()
    assert 'aftermerge_job_runs_total{job="sync",outcome="failed"}' in text
    assert 'aftermerge_job_last_success_timestamp_seconds{job="correlate"}' in text
    assert 'aftermerge_job_last_success_timestamp_seconds{job="sync"}' not in text
