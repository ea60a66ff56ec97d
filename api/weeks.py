"""ISO weeks: ``2026-W47`` and the Monday-to-Monday span of UTC time that it names."""

import re
from datetime import UTC, datetime, timedelta

from schemas.errors import MalformedInput

_WEEK = re.compile(r"(\d{4})-W(\d{2})", re.ASCII)


def week_of(moment: datetime) -> str:
    """The ISO week that ``moment`` lies in (UTC): ``2026-W47``."""
    year, week, _ = moment.astimezone(UTC).isocalendar()
    return f"{year}-W{week:02d}"


def week_start(week: str) -> datetime:
    """Monday 00:00 UTC of an ISO week.

    Raises:
        MalformedInput: ``week`` is not of the form ``2026-W47``, or the year has no such week.
    """
    found = _WEEK.fullmatch(week)
    if found:
        try:
            return datetime.fromisocalendar(int(found[1]), int(found[2]), 1).replace(tzinfo=UTC)
        except ValueError:
            pass
    raise MalformedInput(f"{week!r} is no ISO week", hint="write it as 2026-W47", week=week)


def week_end(week: str) -> datetime:
    """Monday 00:00 UTC after an ISO week: the first moment that is not in it.

    Raises:
        MalformedInput: as :func:`week_start`.
    """
    return week_start(week) + timedelta(days=7)


def week_before(week: str, weeks: int = 1) -> str:
    """The ISO week ``weeks`` weeks earlier."""
    return week_of(week_start(week) - timedelta(weeks=weeks))
