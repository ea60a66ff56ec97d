"""When a failure was seen, and on which revision: points in time, each of which stands for a number of failures. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import numpy as np
import numpy.typing as npt

Times = npt.NDArray[np.int64]
"""Points in time, microseconds since the Unix epoch, sorted."""
Numbers = npt.NDArray[np.int64]
"""How many there are of each."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Sorted points in time, and how many failures each stands for: at least one."""

    at: Times
    counts: Numbers

    @classmethod
    def spread(cls, first: int, last: int, count: int, points_max: int) -> "Moments":
        """``count`` failures spread evenly over [first, last], microseconds, into no more than ``points_max`` points."""
        points = min(count, points_max)
        sums = np.linspace(0, count, points + 1).astype(np.int64)
        return cls(np.linspace(first, last, points).astype(np.int64), sums[1:] - sums[:-1])

    def part(self, start: int, end: int) -> "Moments":
        """Points ``start`` to ``end``, that one excluded."""
        return Moments(self.at[start:end], self.counts[start:end])


class _Counted:
    """Moments with the number of failures until each."""

    def __init__(self, moments: Moments) -> None:
        self.at = moments.at
        self._sums = np.concatenate([[0], np.cumsum(moments.counts)])

    @property
    def total(self) -> int:
        return int(self._sums[-1])

    def before(self, at: datetime, side: Literal["left", "right"] = "left") -> int:
        """Failures before ``at``, with ``right`` those at that time too."""
        return int(self._sums[np.searchsorted(self.at, micros(at), side=side)])

    def moment(self, index: int) -> datetime:
        number = index + self.total if index < 0 else index
        if not 0 <= number < self.total:
            raise IndexError(index)
        return moment(int(self.at[np.searchsorted(self._sums, number, side="right") - 1]))

    @property
    def told(self) -> bytes:
        return self.at.tobytes() + self._sums.tobytes()


class Occurrences:
    """Every failure of one group, in order of time; equal when the same failed on the same revisions."""

    def __init__(self, moments_of: Mapping[str | None, Moments]) -> None:
        """``moments_of``: revision that ran, full sha or None when unknown -> when it failed."""
        held = {sha: moments for sha, moments in moments_of.items() if len(moments.at)}
        self._of = {sha: _Counted(moments) for sha, moments in held.items()}
        self._all = _Counted(merged(held.values()))

    def __len__(self) -> int:
        return self._all.total

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Occurrences) and self._told() == other._told()

    def __hash__(self) -> int:
        return hash(self._all.told)

    def _told(self) -> dict[str | None, bytes]:
        return {sha: counted.told for sha, counted in self._of.items()}

    def at(self, index: int) -> datetime:
        """When the failure at ``index`` happened; 0 is the first, -1 the last."""
        return self._all.moment(index)

    def count(self, sha: str | None) -> int:
        """Failures on one revision."""
        return self._of[sha].total if sha in self._of else 0

    def during(self, since: datetime, until: datetime) -> dict[str | None, int]:
        """Revision -> its failures in [since, until)."""
        found = {sha: counted.before(until) - counted.before(since) for sha, counted in self._of.items()}
        return {sha: count for sha, count in found.items() if count}

    def revisions(self, *, since: datetime | None = None) -> dict[str | None, datetime]:
        """Revision -> its last failure, of the revisions that failed at ``since`` or later."""
        last = {sha: counted.moment(-1) for sha, counted in self._of.items()}
        return {sha: at for sha, at in last.items() if since is None or at >= since}

    def before(self, at: datetime) -> int:
        """How many failures came before ``at``: the index of the first one at ``at`` or later."""
        return self._all.before(at)

    def until(self, at: datetime) -> int:
        """How many failures came at ``at`` or before."""
        return self._all.before(at, side="right")


def merged(parts: Iterable[Moments]) -> Moments:
    """All points of ``parts``, sorted."""
    listed = list(parts)
    if len(listed) == 1:
        return listed[0]
    if not listed:
        return Moments(np.empty(0, np.int64), np.empty(0, np.int64))
    at = np.concatenate([part.at for part in listed])
    counts = np.concatenate([part.counts for part in listed])
    order = np.argsort(at, kind="stable")
    return Moments(at[order], counts[order])


def micros(at: datetime) -> int:
    """Microseconds since the Unix epoch of an aware time."""
    return (at - _EPOCH) // _MICROSECOND


def moment(micros_: int) -> datetime:
    """The aware time that :func:`micros` came from."""
    return _EPOCH + micros_ * _MICROSECOND
