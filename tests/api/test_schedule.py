import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from api import report, schedule
from schemas.errors import SourceUnavailable
from schemas.settings import Settings
from schemas.store import Store

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

    def count(self) -> None:
        self.done.append("count")

    def retain(self) -> None:
        self.done.append("retain")

    def follow(self, progress: Callable[[str, int, int], None] | None = None) -> None:
        self.done.append("follow")
        if progress is not None:
            progress("acme/shop: fetch", 0, 0)
        if self.failure is not None:
            raise self.failure

    def scheduled_report(self, week: str) -> None:
        if self.failure is not None:
            raise self.failure
        self.done.append(f"report {week}")


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
    jobs = Jobs(Store.open(), correlate_interval_s=0.05, rollup_interval_s=0.05)
    told: list[str] = []
    scheduler = schedule.start(jobs, progress=lambda step, _done, _total: told.append(step))
    ends = time.monotonic() + 10
    while min(jobs.done.count(name) for name in ("correlate", "count")) < 3 and time.monotonic() < ends:
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
