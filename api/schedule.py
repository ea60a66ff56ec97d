"""Every periodic job, in one APScheduler: correlate, sync, weekly report, retention.

A job that fails is logged and runs again at its next time; jobs never overlap themselves. The weekly report has a
guard in the ledger, so that two schedulers publish it once.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from api import report
from schemas.errors import AftermergeError
from schemas.settings import Settings
from schemas.store import Store, sql

log = structlog.get_logger()


class Jobs(Protocol):
    """What the jobs need of an installation."""

    settings: Settings
    store: Store

    def correlate(self) -> object: ...

    def sync(self) -> object: ...

    def report(self, week: str) -> object: ...


def start(jobs: Jobs) -> BackgroundScheduler:
    """A running scheduler; ``shutdown(True)`` waits for the job at work."""
    settings = jobs.settings
    scheduler = BackgroundScheduler(
        timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": 3600}
    )

    def weekly() -> None:
        week = report.week_of(datetime.now(UTC) - timedelta(days=7))
        if report.claim(jobs.store, week, datetime.now(UTC)):
            jobs.report(week)

    def retain() -> None:
        drop_expired(jobs.store, now=datetime.now(UTC), days=settings.spans_retention_days)

    every = IntervalTrigger
    scheduler.add_job(_logged("correlate", jobs.correlate), every(seconds=settings.correlate_interval_s))
    scheduler.add_job(_logged("sync", jobs.sync), every(seconds=settings.sync_interval_s))
    scheduler.add_job(_logged("retention", retain), every(hours=6))
    cron = CronTrigger(day_of_week=settings.report_weekday, hour=settings.report_hour, timezone=UTC)
    scheduler.add_job(_logged("weekly report", weekly), cron)
    scheduler.start()
    return scheduler


def drop_expired(store: Store, *, now: datetime, days: int) -> None:
    """Forget raw spans and exceptions received more than ``days`` ago; traces of failure groups are kept whole."""
    with store.write_lock, store.transaction():
        for name in ("expire_spans", "expire_exceptions"):
            store.execute(sql("api", name), before=now - timedelta(days=days))


def _logged(name: str, job: Callable[[], object]) -> Callable[[], None]:
    def run() -> None:
        try:
            job()
        except AftermergeError as error:
            log.warning("job failed", job=name, error=str(error), hint=error.hint)
        except Exception:
            log.exception("job failed", job=name)

    return run
