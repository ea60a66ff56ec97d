"""How often an operation ran, by hour and revision. Pure; filled from ``operation_hours.sql``."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests of one operation: ``(hour_at, sha or None, span_count)``, oldest first; empty when unknown."""

    hours: tuple[tuple[datetime, str | None, int], ...] = ()

    def count(
        self, *, sha: str | None = None, since: datetime | None = None, until: datetime | None = None
    ) -> int:
        """Requests of ``sha`` (any, when None) in hours that begin in [since, until)."""
        return sum(
            count
            for hour, ran, count in self.hours
            if (sha is None or ran == sha)
            and (since is None or hour >= since)
            and (until is None or hour < until)
        )


def weighed_services(hours: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Services that sent spans and whose sampling is known for each of them; from rows of ``operation_hours.sql``."""
    is_weighed: dict[str, bool] = {}
    for row in hours:
        service = row["service"]
        is_weighed[service] = is_weighed.get(service, True) and row["weighed_count"] == row["span_count"]
    return frozenset(service for service, is_known in is_weighed.items() if is_known)


def hour(moment: datetime) -> datetime:
    """The beginning of its hour."""
    return moment.replace(minute=0, second=0, microsecond=0)
