"""Whether a service answered as fast as ever while an incident about its speed was open. Pure.

Fast as ever is claimed only where enough was answered to tell: silence about durations that nobody could have measured
is no proof. Compared is the share of requests slower than nineteen in twenty of the same operation were before, so that
another mix of operations changes nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from scipy import special

from correlator import complaints, durations
from correlator.drift_detectors import SLOW_SHARE_MIN
from correlator.incident_links import OPEN_MAX
from correlator.traffic import hour

Row = Mapping[str, Any]

BEFORE_SPANS_MIN = 10
"""Requests of an operation in the days before, below which nobody knows how fast it was: of so few the slowest is the limit."""

DOUBT = 0.05
"""Chance that a slowdown of the size that the drift detectors ask for is taken for none."""

USUAL_SLOW_SHARE = 1 / 20


class Pace(StrEnum):
    """What durations say."""

    STEADY = "steady"
    SLOWER = "slower"
    UNKNOWN = "unknown"


def asked(watched: Iterable[Row], *, as_of: datetime) -> list[dict[str, Any]]:
    """Rows of ``asked_incidents`` for ``incident_durations.sql``: where and when durations are asked for.

    Args:
        watched: rows of ``services.watched_at``.
    """
    return [
        {**row, "until": min(row["until"], row["opened_at"] + OPEN_MAX), "closed_at": hour(as_of)}
        for row in watched
    ]


def of(title: str, rows: Iterable[Row], *, is_whole: bool = False) -> Pace:
    """Pace of the operations that a title names, else of all of the service.

    Args:
        rows: of ``incident_durations.sql``, of one incident.
        is_whole: nothing was sampled away. If no request was slow then, nobody waited, however few there were.
    """
    sides: dict[str, tuple[dict[int, int], dict[int, int]]] = defaultdict(
        lambda: (defaultdict(int), defaultdict(int))
    )
    for row in rows:
        sides[row["operation"]][row["is_open"]][row["bucket"]] += row["span_count"]
    meant = _meant(title, sides)
    slow = spans = 0
    for operation in meant:
        before, during = sides[operation]
        if sum(before.values()) >= BEFORE_SPANS_MIN:
            limit = durations.quantile_bucket(before, 1 - USUAL_SLOW_SHARE)
            slow += sum(count for bucket, count in during.items() if bucket > limit)
            spans += sum(during.values())
    if spans == 0:
        return Pace.UNKNOWN
    # Bounds of Clopper and Pearson, one-sided.
    high = 1.0 if slow == spans else float(special.betaincinv(slow + 1, spans - slow, 1 - DOUBT))
    low = 0.0 if slow == 0 else float(special.betaincinv(slow, spans - slow + 1, DOUBT))
    if high < SLOW_SHARE_MIN or (is_whole and slow == 0):
        return Pace.STEADY
    return Pace.SLOWER if low > USUAL_SLOW_SHARE and slow >= SLOW_SHARE_MIN * spans else Pace.UNKNOWN


def _meant(title: str, operations: Iterable[str]) -> list[str]:
    """Operations that a title is about; none when it names routes of which the service has none."""
    listed = sorted(operations)
    named = complaints.named_paths(title)
    if not named:
        return listed
    exact = [name for name in listed if " " in name and f"{name} " in f"{title} "]
    return exact or [name for name in listed if name.rsplit(" ", 1)[-1] in named]
