"""Failures that raise no error, looked for day by day in hourly counts: only days near hours that changed are looked at.

A day is held against the seven before it and followed for two, so that what is found on it never depends on more: the
same hours give the same findings, in whatever order their spans came. Whole hours only: a finding comes when the hour
of its onset has ended. Touches the store, as ``run.py`` does.
"""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from correlator import drift_detectors, occurrences
from correlator.drift_detectors import Finding
from schemas import tables
from schemas.store import Row, Store, arrow, sql
from schemas.vocabulary import Detector

BASELINE = timedelta(days=7)
FOLLOW_UP = timedelta(days=2)
LATE_MAX = timedelta(days=2)
"""Counts that reach the hours so long after their spans were received are not noticed until something else changes."""

HITS_MIN = 10
"""Hits and misses of a series below which its share is not tested."""

WORKING = (tables.DRIFT_HOURS, tables.DRIFT_FINDINGS, tables.DRIFT_READS)
"""What :func:`follow` keeps."""

_DAY = timedelta(days=1)


def follow(store: Store, *, until: datetime) -> int:
    """Look through the days near hours that changed since the last call, and return how many days that were.

    Args:
        store: its ``drift_findings``, ``drift_hours`` and ``drift_reads`` are brought up to date.
        until: hours that ended until then are looked at; earlier than in the last call all is looked at anew.
    """
    closed_at = until.replace(minute=0, second=0, microsecond=0)
    read = store.row("SELECT * FROM drift_reads")
    if read is not None and (read["rules"] != rules() or read["closed_at"] > closed_at):
        read = None
    with store.transaction():
        if read is None:
            for table in WORKING:
                store.replace_all(table, arrow(table, []))
        if read is None:
            since = datetime.min.replace(year=1700, tzinfo=UTC)
        else:
            # Hours that were open at the last call hold nothing that was received before it closed.
            since = min(read["received_at"], read["closed_at"]) - LATE_MAX
        changed = store.rows(sql("correlator", "drift_hours"), closed_at=closed_at, since=since)
        days = _days([row["hour_at"] for row in changed], closed_at)
        for day in days:
            _look_at(store, day, closed_at)
        for row in changed:
            store.execute("DELETE FROM drift_hours WHERE hour_at = $hour_at", hour_at=row["hour_at"])
        held = [row for row in changed if row["digest"] is not None]
        store.append_rows(tables.DRIFT_HOURS, held)
        received_at = store.value(
            "SELECT max(last_received_at) FROM operation_hours WHERE hour_at < $closed_at",
            closed_at=closed_at,
        )
        row = {"rules": rules(), "closed_at": closed_at, "received_at": received_at or closed_at}
        store.replace_all(tables.DRIFT_READS, arrow(tables.DRIFT_READS, [row]))
    return len(days)


def read(store: Store) -> list[Finding]:
    """Every finding, in the order of its onset."""
    rows = store.rows(
        "SELECT * FROM drift_findings ORDER BY onset_at, service, environment, detector, subject, aspect"
    )
    return [_finding(row) for row in rows]


def rules() -> str:
    """Version of all that makes findings, 16 hex digits."""
    names = ("drift_cells", "drift_first_seen", "drift_operations", "drift_hours")
    told = [drift_detectors.VERSION, str(BASELINE), str(FOLLOW_UP), str(HITS_MIN)]
    told += [sql("correlator", name) for name in names]
    return hashlib.sha256("\x00".join(told).encode()).hexdigest()[:16]


def _days(hours: Sequence[datetime], closed_at: datetime) -> list[date]:
    """Days whose findings the counts of ``hours`` may change."""
    reach = range(-FOLLOW_UP.days, BASELINE.days + 1)
    found = {hour.date() + days * _DAY for hour in {h.replace(hour=0) for h in hours} for days in reach}
    # Before the first hour there is no baseline, after the last nothing to find.
    return sorted(day for day in found if _start(day) < closed_at)


def _look_at(store: Store, day: date, closed_at: datetime) -> None:
    start = _start(day)
    asked: dict[str, Any] = {"since": start - BASELINE, "until": min(start + _DAY + FOLLOW_UP, closed_at)}
    findings = [
        *drift_detectors.of_shares(
            store.rows(sql("correlator", "drift_cells"), **asked, day=start, hits_min=HITS_MIN), day
        ),
        *drift_detectors.of_first_seen(store.rows(sql("correlator", "drift_first_seen"), **asked, day=start)),
        *drift_detectors.of_operations(store.rows(sql("correlator", "drift_operations"), **asked, day=start)),
    ]
    store.execute("DELETE FROM drift_findings WHERE day_at = $day_at", day_at=start)
    store.append_rows(tables.DRIFT_FINDINGS, [_row(finding, start) for finding in findings])


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)


def _row(finding: Finding, day_at: datetime) -> Row:
    named = {name: getattr(finding, name) for name in Finding.__slots__}
    moments = [
        [occurrences.micros(begin), occurrences.micros(end), revision, count]
        for begin, end, revision, count in finding.moments
    ]
    return {**named, "detector": str(finding.detector), "moments": json.dumps(moments), "day_at": day_at}


def _finding(row: Row) -> Finding:
    named = {name: row[name] for name in Finding.__slots__}
    moments = tuple(
        (occurrences.moment(begin), occurrences.moment(end), revision, count)
        for begin, end, revision, count in json.loads(row["moments"])
    )
    return Finding(**{**named, "detector": Detector(row["detector"]), "moments": moments})
