"""Every periodic job, in one APScheduler: correlate, count, sync, weekly report, retention.

A job that fails is logged and runs again at its next time; jobs never overlap themselves. The weekly report has a
guard in the ledger, so that two schedulers publish it once, and a server that was down at its hour makes up for it.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger
from prometheus_client import CollectorRegistry, Counter, Gauge

from api import report
from schemas.errors import AftermergeError
from schemas.records import Progress
from schemas.settings import Settings
from schemas.store import Store

log = structlog.get_logger()


class Jobs(Protocol):
    """What the jobs need of an installation."""

    settings: Settings
    store: Store

    def correlate(self) -> object: ...

    def count(self) -> object: ...

    def retain(self) -> object: ...

    def follow(self, progress: Progress | None = None) -> object: ...

    def scheduled_report(self, week: str) -> object: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the last run of one job went. ``error`` is None when it went well; times are UTC."""

    job: str
    ended_at: datetime
    duration_s: float
    error: str | None


class Outcomes:
    """The last outcome of each job, and their counts in ``registry``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._last: dict[str, Outcome] = {}
        self._runs = Counter(
            "aftermerge_job_runs", "Runs of periodic jobs", ["job", "outcome"], registry=registry
        )
        self._succeeded_at = Gauge(
            "aftermerge_job_last_success_timestamp_seconds",
            "When the job last went well",
            ["job"],
            registry=registry,
        )

    def add(self, outcome: Outcome) -> None:
        """Remember how a run went."""
        self._last[outcome.job] = outcome
        self._runs.labels(outcome.job, "failed" if outcome.error else "ok").inc()
        if outcome.error is None:
            self._succeeded_at.labels(outcome.job).set(outcome.ended_at.timestamp())

    def told(self) -> dict[str, dict[str, object]]:
        """job -> ``ended_at``, ``duration_s``, ``error``; jobs that have not run yet are absent."""
        return {
            name: {"ended_at": o.ended_at, "duration_s": o.duration_s, "error": o.error}
            for name, o in sorted(self._last.items())
        }


def start(
    jobs: Jobs,
    *,
    on_end: Callable[[Outcome], None] | None = None,
    progress: Progress | None = None,
) -> BackgroundScheduler:
    """A running scheduler; ``shutdown(True)`` waits for the job at work.

    Args:
        jobs: what is done; the first sync begins at once, the first correlation after its interval.
        on_end: told the outcome of every run, in the job's thread.
        progress: told the steps of a repository's first sync.
    """
    settings, now = jobs.settings, datetime.now(UTC)
    # A run is left out while the one before it is at work: that is how it should be, and no news.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    scheduler = BackgroundScheduler(
        timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": 3600}
    )
    cron = CronTrigger(day_of_week=settings.report_weekday, hour=settings.report_hour, timezone=UTC)

    def add(name: str, job: Callable[[], object], trigger: object, **given: object) -> None:
        scheduler.add_job(_told(name, job, on_end), trigger, id=name, name=name, **given)

    add("correlate", jobs.correlate, IntervalTrigger(seconds=settings.correlate_interval_s))
    add("count", jobs.count, IntervalTrigger(seconds=settings.rollup_interval_s))
    add(
        "sync",
        lambda: jobs.follow(progress),
        IntervalTrigger(seconds=settings.sync_interval_s),
        next_run_time=now,
    )
    add("retention", jobs.retain, IntervalTrigger(hours=6))
    add("weekly report", lambda: report_last_week(jobs, now=datetime.now(UTC)), cron)
    if _has_missed_a_report(jobs.store, cron, now):
        add("missed weekly report", lambda: report_last_week(jobs, now=now), None)
    scheduler.start()
    return scheduler


def report_last_week(jobs: Jobs, *, now: datetime) -> bool:
    """Publish the report of the ISO week before ``now``, unless somebody did; True when this call did."""
    week = report.week_of(now - timedelta(days=7))
    if not report.claim(jobs.store, week, now):
        return False
    try:
        jobs.scheduled_report(week)
    except BaseException:
        # The claim said that it would be made; the next start or the next scheduler may try again.
        jobs.store.execute("DELETE FROM report_runs WHERE period = $week", week=week)
        raise
    return True


def _has_missed_a_report(store: Store, cron: CronTrigger, now: datetime) -> bool:
    """Was the server down at the last hour of the report? An installation that never made one has missed none."""
    week_start = report.week_start(report.week_of(now))
    due = cron.get_next_fire_time(None, week_start)
    is_due = due is not None and due <= now
    has_any = store.value("SELECT count(*) FROM report_runs") > 0
    made = store.value(
        "SELECT count(*) FROM report_runs WHERE period = $week", week=report.week_of(now - timedelta(days=7))
    )
    return is_due and has_any and not made


def _told(
    name: str, job: Callable[[], object], on_end: Callable[[Outcome], None] | None
) -> Callable[[], None]:
    def run() -> None:
        started, failure = time.monotonic(), None
        try:
            job()
        except AftermergeError as error:
            failure = str(error)
            log.warning("job failed", job=name, error=failure, hint=error.hint)
        except Exception as error:
            failure = f"{type(error).__name__}: {error}"
            log.exception("job failed", job=name)
        if on_end is not None:
            on_end(Outcome(name, datetime.now(UTC), round(time.monotonic() - started, 3), failure))

    return run
