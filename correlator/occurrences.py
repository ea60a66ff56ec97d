"""When a failure was seen, and on which revision: eight bytes a failure, however many there are. Pure."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

Times = npt.NDArray[np.int64]
"""Points in time, microseconds since the Unix epoch, sorted."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Occurrences:
    """Every failure of one group, in order of time; equal when the same failed on the same revisions."""

    def __init__(self, times_of: Mapping[str | None, Times]) -> None:
        """``times_of``: revision that ran, full sha or None when unknown -> when it failed."""
        self._of = {sha: times for sha, times in times_of.items() if len(times)}
        self._all = merged(self._of.values())

    def __len__(self) -> int:
        return len(self._all)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Occurrences) and self._told() == other._told()

    def __hash__(self) -> int:
        return hash(self._all.tobytes())

    def _told(self) -> dict[str | None, bytes]:
        return {sha: times.tobytes() for sha, times in self._of.items()}

    def at(self, index: int) -> datetime:
        """When the failure at ``index`` happened; 0 is the first, -1 the last."""
        return moment(int(self._all[index]))

    def count(self, sha: str | None) -> int:
        """Failures on one revision."""
        return len(self._of.get(sha, ()))

    def during(self, since: datetime, until: datetime) -> dict[str | None, int]:
        """Revision -> its failures in [since, until)."""
        found = {
            sha: int(np.searchsorted(times, micros(until)) - np.searchsorted(times, micros(since)))
            for sha, times in self._of.items()
        }
        return {sha: count for sha, count in found.items() if count}

    def revisions(self, *, since: datetime | None = None) -> dict[str | None, datetime]:
        """Revision -> its last failure, of the revisions that failed at ``since`` or later."""
        least = -(2**63) if since is None else micros(since)
        return {sha: moment(int(times[-1])) for sha, times in self._of.items() if times[-1] >= least}

    def before(self, at: datetime) -> int:
        """How many failures came before ``at``: the index of the first one at ``at`` or later."""
        return int(np.searchsorted(self._all, micros(at), side="left"))

    def until(self, at: datetime) -> int:
        """How many failures came at ``at`` or before."""
        return int(np.searchsorted(self._all, micros(at), side="right"))


def merged(parts: Iterable[Times]) -> Times:
    """All times of ``parts``, sorted."""
    listed = list(parts)
    if len(listed) == 1:
        return listed[0]
    return np.sort(np.concatenate(listed)) if listed else np.empty(0, np.int64)


def micros(at: datetime) -> int:
    """Microseconds since the Unix epoch of an aware time."""
    return (at - _EPOCH) // _MICROSECOND


def moment(micros_: int) -> datetime:
    """The aware time that :func:`micros` came from."""
    return _EPOCH + micros_ * _MICROSECOND
