"""How long changes wait until they run, and how often a service is deployed: from the deployments that are known. Pure."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from correlator.mainlines import Mainline
from correlator.revisions import touches

Row = Mapping[str, Any]

RELEASES_KEPT = 30
"""The newest releases of a service: how a team delivered a year ago says little of today."""

UNKNOWN_LEADS = tuple(timedelta(hours=hours) for hours in (0.25, 1, 4, 24, 72, 168))
"""Where no deployment is known: each as likely as the others, from continuous deployment to a weekly release."""

UNKNOWN_GAP = timedelta(days=2)
UNKNOWN_BATCH = 3
"""Changes that touch a service per deployment of it, where none is known."""


@dataclass(frozen=True, slots=True)
class Heads:
    """Changes that touch one service, oldest first: what may run in it. Times only grow along it."""

    changes: Sequence[Row]
    _landed: list[datetime] = field(default_factory=list)
    _positions: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        newest: datetime | None = None
        for change in self.changes:
            newest = change["landed_at"] if newest is None else max(newest, change["landed_at"])
            self._landed.append(newest)
            self._positions.append(change["position"])

    def at(self, moment: datetime) -> int:
        """Index of the newest one that had landed; -1 before the first."""
        return bisect_right(self._landed, moment) - 1

    def up_to(self, position: int) -> int:
        """Index of the newest one at ``position`` of the mainline or before it; -1 when there is none."""
        return bisect_right(self._positions, position) - 1

    def landed_at(self, index: int) -> datetime:
        return self._landed[index]

    def between(self, since: datetime, until: datetime) -> Sequence[datetime]:
        """When those landed that did in (since, until]."""
        return self._landed[bisect_right(self._landed, since) : bisect_right(self._landed, until)]


@dataclass(frozen=True, slots=True)
class Release:
    """A known deployment: which head, how long that had waited, how long it ran (None: it still does), how many heads
    it brought (None for the first)."""

    at: datetime
    head: int
    lead: timedelta
    ran: timedelta | None
    batch: int | None


def heads(
    mainline: Mainline, path: str, others: Sequence[str], paths_of: Mapping[tuple[str, str], Sequence[str]]
) -> Heads:
    """The changes of ``mainline`` that touch the service at ``path``."""
    return Heads(
        [c for c in mainline.changes if touches(paths_of.get((c["repository"], c["sha"]), ()), path, others)]
    )


def releases(intervals: Sequence[Row], mainline: Mainline, service_heads: Heads) -> list[Release]:
    """The known deployments of a service in an environment, oldest first, rollbacks left out.

    Of the first revision that spans show nobody knows since when it ran: it tells no lead.

    Args:
        intervals: rows of ``running_revisions`` of one place, by time.
    """
    found: list[Release] = []
    previous: int | None = None
    for index, row in enumerate(intervals):
        position = mainline.position(row["sha"]) if row["sha"] else None
        if position is None:
            continue
        head = service_heads.up_to(position)
        is_dated = index > 0 or row["basis"] != "spans"
        if head >= 0 and is_dated and not row["is_rollback"]:
            lead = max(row["started_at"] - service_heads.landed_at(head), timedelta(0))
            ran = row["ended_at"] - row["started_at"] if row["ended_at"] else None
            batch = head - previous if previous is not None and head > previous else None
            found.append(Release(row["started_at"], head, lead, ran, batch))
        previous = head
    return found[-RELEASES_KEPT:]


def usual_gap(known: Iterable[Release]) -> timedelta:
    """Median time from one deployment to the next."""
    ran = [release.ran.total_seconds() for release in known if release.ran is not None]
    return timedelta(seconds=median(ran)) if ran else UNKNOWN_GAP


def usual_lead(known: Iterable[Release]) -> timedelta:
    """Median time from landing to running."""
    leads = [release.lead.total_seconds() for release in known]
    return timedelta(seconds=median(leads)) if leads else UNKNOWN_LEADS[1]


def usual_batch(known: Iterable[Release]) -> int:
    """Median number of the service's changes in one deployment of it, at least 1."""
    return max(round(median([r.batch for r in known if r.batch is not None] or [UNKNOWN_BATCH])), 1)
