"""How often an operation ran, by hour and revision. Pure; filled from ``operation_traffic.sql``."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

import numpy as np

from correlator.occurrences import Times, micros, moment
from correlator.revisions import Timeline

Operation = tuple[str, str, str | None]
"""(service, environment, name of the SERVER or CONSUMER span; None: all that the service did)."""

Counted = tuple[str | None, Times, Times]
"""(sha or None, hours as the microsecond of their beginning, requests in each)."""


class Traffic:
    """Requests of one operation; none when unknown."""

    def __init__(self, counted: Iterable[Counted] = ()) -> None:
        """``counted``: any number of parts per revision, in any order."""
        parts: dict[str | None, list[tuple[Times, Times]]] = defaultdict(list)
        for sha, hours, requests in counted:
            parts[sha].append((hours, requests))
        self._of = {sha: _summed(found) for sha, found in parts.items()}
        self._all = _summed([part for found in parts.values() for part in found])

    def count(
        self, *, sha: str | None = None, since: datetime | None = None, until: datetime | None = None
    ) -> int:
        """Requests of ``sha`` (any, when None) in hours that begin in [since, until)."""
        hours, before = self._all if sha is None else self._of.get(sha, _NONE)
        low = 0 if since is None else np.searchsorted(hours, micros(since))
        high = len(hours) if until is None else np.searchsorted(hours, micros(until))
        return int(before[max(low, high)] - before[low])

    def shared_hours(self, sha: str) -> list[tuple[datetime, int, int]]:
        """(hour, requests of ``sha``, requests of other known revisions) where both answered some."""
        own = self._by_hour(sha)
        others: dict[int, int] = defaultdict(int)
        for other in self._of:
            if other is not None and other != sha:
                for at, requests in self._by_hour(other).items():
                    others[at] += requests
        return [(moment(at), own[at], others[at]) for at in sorted(own) if own[at] and others.get(at)]

    def _by_hour(self, sha: str | None) -> dict[int, int]:
        hours, before = self._of.get(sha, _NONE)
        found: dict[int, int] = defaultdict(int)
        for at, requests in zip(hours.tolist(), np.diff(before).tolist(), strict=True):
            found[at] += requests
        return found


def of_operations(
    rows: Iterable[Mapping[str, Any]],
    *,
    sha_of: Callable[[str, str | None], str | None],
    timeline: Timeline,
) -> dict[Operation, Traffic]:
    """Operation -> its requests.

    Args:
        rows: of ``operation_traffic.sql``.
        sha_of: (service, revision text) -> full sha or None.
    """
    counted: dict[Operation, list[Counted]] = defaultdict(list)
    for row in rows:
        service, environment = row["service"], row["environment"]
        hours, seen = np.array(row["hours"], np.int64), np.array(row["first_seen"], np.int64)
        requests = np.array(row["requests"], np.int64)
        sha = sha_of(service, row["revision"])
        parts = [(sha, 0, len(hours))] if sha else timeline.parts(service, environment, seen)
        counted[(service, environment, row["operation"])] += [
            (ran, hours[start:end], requests[start:end]) for ran, start, end in parts
        ]
    return {operation: Traffic(found) for operation, found in counted.items()}


def weighed_services(hours: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Services that sent spans and whose sampling is known for each of them; from rows of ``service_hours.sql``."""
    is_weighed: dict[str, bool] = {}
    for row in hours:
        service = row["service"]
        is_weighed[service] = is_weighed.get(service, True) and row["is_weighed"]
    return frozenset(service for service, is_known in is_weighed.items() if is_known)


def hour(moment: datetime) -> datetime:
    """The beginning of its hour."""
    return moment.replace(minute=0, second=0, microsecond=0)


def _summed(parts: list[tuple[Times, Times]]) -> tuple[Times, Times]:
    """(hours, sorted; how many requests came before each, and in all)."""
    hours = np.concatenate([hours for hours, _ in parts]) if parts else np.empty(0, np.int64)
    requests = np.concatenate([requests for _, requests in parts]) if parts else np.empty(0, np.int64)
    order = np.argsort(hours, kind="stable")
    return hours[order], np.concatenate([[0], np.cumsum(requests[order])]).astype(np.int64)


_NONE = _summed([])
