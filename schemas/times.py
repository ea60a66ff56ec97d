"""One way to read a point in time that someone sent us: RFC 3339 text, or seconds to nanoseconds since 1970.

Knows no clock and no time zone but the one that is written. A time without a zone is refused: guessing one would
move incidents by hours, silently. Source: RFC 3339 section 5.6; the senders' spellings named below.
"""

import re
from datetime import UTC, datetime, timedelta, timezone

_TEXT = re.compile(
    r"""
    (?P<date>\d{4}-\d\d-\d\d)
    [Tt\x20]                              # RFC 3339 allows a space; GitLab sends one
    (?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,18}))?)?
    \x20?
    (?P<zone>[Zz]|UTC|(?P<sign>[+\x20-])(?P<zone_hours>\d\d)(?::?(?P<zone_minutes>\d\d))?)
    # "+0200" and "2021-04-28 21:50:00 +0200" are GitLab's; a space for "+" is what a URL decoder leaves of it
    """,
    re.VERBOSE,
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_NUMBER = re.compile(r"-?\d{1,19}(?:\.\d+)?")

# Below the first bound a number is seconds (until the year 5138), then milliseconds, microseconds, nanoseconds:
# each bound is 1e11 of its unit, so the four ranges meet without overlap from 1973 on.
_UNITS = ((1e11, 1_000_000), (1e14, 1_000), (1e17, 1))


def parse(value: object) -> datetime:
    """The time that ``value`` names, UTC, cut (not rounded) to microseconds.

    Args:
        value: an aware ``datetime``; RFC 3339 text with up to 18 fraction digits; or a number, as itself or as
            text, of seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by its size.

    Raises:
        ValueError: anything else, with a sentence for the sender.
    """
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("a time needs a time zone")
        return value.astimezone(UTC)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("a time is RFC 3339 text or a number since 1970")
    if isinstance(value, int | float):
        return _from_number(value)
    text = value.strip()
    if _NUMBER.fullmatch(text):
        return _from_number(float(text) if "." in text else int(text))
    match = _TEXT.fullmatch(text)
    if match is None:
        raise ValueError("a time is written like 2026-11-22T09:30:00Z, with a time zone")
    return _from_match(match)


def parse_optional(value: object) -> datetime | None:
    """:func:`parse`, but None for null, empty text and the zero date that Go programs send for "not yet"."""
    if value is None or value == "":
        return None
    if isinstance(value, str) and value.startswith("0001-01-01"):
        return None
    return parse(value)


def parse_bound(value: str) -> datetime:
    """:func:`parse` for one end of a query's interval: a bare date is its midnight UTC."""
    text = value.strip()
    return parse(f"{text}T00:00:00Z" if _DATE.fullmatch(text) else text)


def _from_number(value: float) -> datetime:
    try:
        microseconds = _microseconds(value)
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
    except (OverflowError, ValueError) as error:
        raise ValueError(f"{value} is no time between the years 1 and 9999") from error


def _microseconds(value: float) -> int:
    size = abs(value)
    for bound, factor in _UNITS:
        if size < bound:
            return int(value * factor)
    return int(value // 1_000)


def _from_match(match: re.Match[str]) -> datetime:
    second = int(match["second"] or 0)
    # A leap second (RFC 3339 section 5.7) is the first instant after :59, which datetime can hold.
    is_leap = second == 60
    fraction = (match["fraction"] or "")[:6].ljust(6, "0")
    try:
        day = datetime.fromisoformat(match["date"])
        moment = day.replace(
            hour=int(match["hour"]),
            minute=int(match["minute"]),
            second=59 if is_leap else second,
            microsecond=0 if is_leap else int(fraction),
            tzinfo=_zone(match),
        )
        return (moment + timedelta(seconds=is_leap)).astimezone(UTC)
    except (OverflowError, ValueError) as error:
        raise ValueError(f"{match[0]!r} is no time between the years 1 and 9999") from error


def _zone(match: re.Match[str]) -> timezone:
    if match["sign"] is None:
        return UTC
    hours, minutes = int(match["zone_hours"]), int(match["zone_minutes"] or 0)
    if minutes > 59:
        raise ValueError("a zone has at most 59 minutes")
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if match["sign"] == "-" else offset)
