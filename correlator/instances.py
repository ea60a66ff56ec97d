"""Failures that all come from one of several instances, hosts or zones that serve the same revision. Pure.

A change fails wherever it runs, in proportion to the requests there: that every failure meets the same of k places is
then k ** (1 - m) for m failures, whichever it is. A sick disk, node or zone looks like that by itself. Only instances of
the same revision are compared: a canary is alone with its revision, and says nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from math import log
from typing import Any

Row = Mapping[str, Any]

SLOTS_MIN = 5
"""Ten-second stretches in which it must have failed: of two instances, one in sixteen groups fails so by chance."""

LOOKED_AT = {"failures_max": 200, "quarters_max": 8, "slots_min": SLOTS_MIN}
"""Bounds of ``instance_failures.sql``; so many quarters of an hour of traffic are read per group at most."""

DISPERSION = 1.5
"""Failures of one client, one partition or one batch share their instance beyond ten seconds, too."""

_QUARTER = timedelta(minutes=15)
_APART = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Lone:
    """The place that all failures came from. ``share``: of the requests that it answered, 0..1; ``log_ratio`` > 0: log of
    (all from one place | that place is sick) / (the same | a change fails everywhere)."""

    level: str
    place: str
    failed: int
    share: float
    log_ratio: float

    @property
    def text(self) -> str:
        return (
            f"all of the first {self.failed} failures came from one {self.level}, {self.place}, which answered"
            f" {self.share:.0%} of the requests to the same revision then"
        )


def stretches(failed: Iterable[Row]) -> Iterator[tuple[datetime, datetime, Sequence[Row]]]:
    """(since, until, rows of ``instance_failures.sql`` within), of stretches of time that lie apart."""
    rows = sorted(failed, key=lambda row: row["quarter_at"])
    cuts = [at for at, (one, other) in enumerate(pairwise(rows), 1) if _is_apart(one, other)]
    for start, end in pairwise([0, *cuts, len(rows)]):
        if part := rows[start:end]:
            yield part[0]["quarter_at"], part[-1]["quarter_at"] + _QUARTER, part


def _is_apart(one: Row, other: Row) -> bool:
    return bool(other["quarter_at"] - one["quarter_at"] > _APART)


def lone(rows: Iterable[Row]) -> dict[str, Lone]:
    """group id -> the place that its failures came from, of rows of ``instance_traffic.sql``; of instance, host and zone
    the one that says most. Groups of which it says nothing are left out."""
    by_place: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        by_place[(row["group_id"], row["level"])].append(row)
    found: dict[str, Lone] = {}
    for (group_id, _), counted in by_place.items():
        one = _weighed(counted)
        known = found.get(group_id)
        if one.log_ratio > 0 and (known is None or one.log_ratio > known.log_ratio):
            found[group_id] = one
    return found


def _weighed(rows: Sequence[Row]) -> Lone:
    slots = sum(row["slot_count"] for row in rows)
    # Few requests may all have come to one place by chance: one more is taken to have.
    told = sum(row["slot_count"] * log((row["all_count"] + 1) / (row["own_count"] + 1)) for row in rows)
    # Which place it would be nobody had said before: the first failure only names it.
    value = told * (slots - 1) / slots / DISPERSION if slots else 0.0
    own, all_ = sum(row["own_count"] for row in rows), sum(row["all_count"] for row in rows)
    return Lone(
        level=rows[0]["level"],
        place=rows[0]["place"],
        failed=sum(row["failed_count"] for row in rows),
        share=own / all_ if all_ else 1.0,
        log_ratio=value,
    )
