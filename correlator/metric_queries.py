"""What is asked of a metric and what comes back: the question, one flat row, the whole answer.

A row is ``{time, <groups>, value, low, high, numerator, denominator, n, status, suppressed}`` and what a metric adds;
it feeds tables, charts and the report alike. Nothing here computes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from schemas.errors import MalformedInput

INTERVALS = ("day", "week", "month")


@dataclass(frozen=True, slots=True)
class MetricQuery:
    """One question.

    ``from_`` and ``to`` (half open; naive means UTC) bound when the counted thing came to be: a change by its first
    production deployment or by its landing, an incident by its opening. ``interval``: day | week | month in ``tz``,
    None for one row per group. ``filters``: a row counts when each named property is one of the listed values.
    ``window_days``: follow-up, None for the metric's own. ``min_n``: points below are hidden, None for the metric's own.
    ``ai_share_min``: a *mixed* change counts as AI-marked from this share of AI lines on (0: always, 0.5: majority).
    """

    metric: str
    from_: datetime
    to: datetime
    interval: str | None = None
    tz: str = "UTC"
    group_by: tuple[str, ...] = ()
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    window_days: int | None = None
    level: float = 0.95
    min_n: int | None = None
    as_of: datetime | None = None
    ai_share_min: float = 0.0

    def __post_init__(self) -> None:
        if naive(self.from_) >= naive(self.to):
            raise MalformedInput("from must be before to", hint="swap them or widen the window")
        if self.interval is not None and self.interval not in INTERVALS:
            raise MalformedInput(
                f"unknown interval {self.interval!r}", hint=f"one of {', '.join(INTERVALS)}, or none"
            )
        if not 0.5 <= self.level < 1:
            raise MalformedInput("level must be at least 0.5 and below 1", hint="0.95 is the default")
        if self.min_n is not None and self.min_n < 0:
            raise MalformedInput("min_n must not be negative", hint="leave it out for the metric's own")
        if not 0 <= self.ai_share_min <= 1:
            raise MalformedInput("ai_share_min must lie between 0 and 1", hint="0 counts every mixed change")


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One figure. ``low`` or ``high`` None: unbounded on that side, unless the row is hidden or undefined.

    ``status``: ok | insufficient (hidden, see ``suppressed``) | undefined (0/0). ``extra``: what this metric adds.
    """

    time: datetime
    groups: Mapping[str, str]
    value: float | None
    low: float | None
    high: float | None
    numerator: float | None
    denominator: float | None
    n: int | None
    status: str = "ok"
    suppressed: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The flat row, in the order of its columns; ``time`` is aware UTC."""
        return {
            "time": self.time,
            **self.groups,
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "numerator": self.numerator,
            "denominator": self.denominator,
            "n": self.n,
            "status": self.status,
            "suppressed": self.suppressed,
            **self.extra,
        }


@dataclass(frozen=True, slots=True)
class MetricAnswer:
    """All figures of one question, ordered by time, then by groups as listed, with what qualifies them."""

    metric: str
    rows: tuple[MetricRow, ...]
    meta: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        return {
            "metric": self.metric,
            "rows": [row.as_dict() for row in self.rows],
            "meta": dict(self.meta),
        }


def naive(at: datetime) -> datetime:
    """The UTC clock reading of ``at`` without a zone, as the tables hold it."""
    return at if at.tzinfo is None else at.astimezone(UTC).replace(tzinfo=None)


def unix_us(at: datetime) -> int:
    """Microseconds since the epoch; naive means UTC."""
    delta = naive(at) - datetime(1970, 1, 1)  # noqa: DTZ001
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def aware(us: int) -> datetime:
    """The inverse of :func:`unix_us`, aware UTC."""
    seconds, rest = divmod(us, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)
