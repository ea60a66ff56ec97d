"""Which changes a question counts, and into which cells they fall: groups x time buckets.

A change stands in one cell per group, but in several when it ran in several services or was written with several
tools: such rows overlap and do not add up to the total.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import product
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from correlator.estimates import BoolArray, IntArray
from correlator.metric_data import DAY_US, NEVER, Changes, MetricData, NameLists, Names
from correlator.metric_queries import MetricQuery, naive, unix_us
from schemas.errors import MalformedInput
from schemas.vocabulary import FailureCategory, Origin

ARMS = ("ai_marked", "not_ai_marked", "automation")
"""Arm 0 is ``ai_marked`` here; automation stands in neither arm of a comparison and is shown apart."""
ORIGINS = tuple(o.value for o in Origin)
CATEGORIES = tuple(c.value for c in FailureCategory)
CHANGE_GROUPS = (
    *("origin", "arm", "service", "repository", "team", "kind", "size_band", "tool", "model", "review"),
)
OUTCOME_FILTERS = ("category", "severity", "outcome")
"""What splits outcomes rather than changes: a filter on them narrows the numerator, a group by them splits it."""
BUCKETS_MAX = 2000


@dataclass(frozen=True, slots=True)
class Buckets:
    """Time buckets of a question: ``edges`` (microseconds, one more than buckets) and the time that names each."""

    edges: IntArray
    names: tuple[datetime, ...]

    @property
    def count(self) -> int:
        return len(self.names)

    def of(self, at: IntArray) -> IntArray:
        """Bucket of each time; the caller has left out times beyond the window."""
        return np.searchsorted(self.edges, at, side="right").astype(np.int64) - 1


@dataclass(frozen=True, slots=True)
class Grid:
    """Cells of a question. ``who[i]`` (a change) stands in ``cell[i]`` = group x buckets + bucket.

    ``service[i]``: code of the service under which it stands there, -1 when services are not grouped.
    """

    groups: tuple[dict[str, str], ...]
    buckets: Buckets
    who: IntArray
    cell: IntArray
    service: IntArray

    @property
    def cell_count(self) -> int:
        return len(self.groups) * self.buckets.count

    @property
    def n(self) -> IntArray:
        """Changes per cell."""
        return np.bincount(self.cell, minlength=self.cell_count).astype(np.int64)


def as_of_us(query: MetricQuery, data: MetricData) -> int:
    """The moment until which facts count: the query's, but never later than the data's."""
    stated = unix_us(data.as_of)
    return stated if query.as_of is None else min(stated, unix_us(query.as_of))


def buckets_of(query: MetricQuery) -> Buckets:
    """Buckets of the window in the query's zone; the first and the last may be cut by the window.

    Raises:
        MalformedInput: the zone is unknown, or there would be more than :data:`BUCKETS_MAX` buckets.
    """
    start, end = naive(query.from_).replace(tzinfo=UTC), naive(query.to).replace(tzinfo=UTC)
    if query.interval is None:
        return Buckets(np.array([unix_us(start), unix_us(end)], np.int64), (start,))
    try:
        zone = ZoneInfo(query.tz)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise MalformedInput(f"unknown time zone {query.tz!r}", hint="an IANA name, e.g. UTC") from error
    local = start.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    if query.interval == "week":
        local -= timedelta(days=local.weekday())
    elif query.interval == "month":
        local = local.replace(day=1)
    names: list[datetime] = []
    while local.astimezone(UTC) < end:
        names.append(local.astimezone(UTC))
        if len(names) > BUCKETS_MAX:
            raise MalformedInput(
                f"more than {BUCKETS_MAX} buckets", hint="narrow the window or widen the interval"
            )
        local = _following(local, query.interval)
    edges = [unix_us(start), *(unix_us(at) for at in names[1:]), unix_us(end)]
    return Buckets(np.array(edges, np.int64), tuple(names))


def _following(local: datetime, interval: str) -> datetime:
    # Wall-clock arithmetic within one zone: a day of 23 or 25 hours is still one day.
    if interval == "day":
        return local + timedelta(days=1)
    if interval == "week":
        return local + timedelta(days=7)
    return local.replace(year=local.year + local.month // 12, month=local.month % 12 + 1)


@lru_cache(maxsize=4)
def arm_names(changes: Changes, ai_share_min: float) -> Names:
    """Arm of each change, as codes into :data:`ARMS`.

    AI-marked: origin ``ai``, or ``mixed`` with at least ``ai_share_min`` of its added lines from AI. Automation in
    neither. All others, human and unknown, are not AI-marked; the name says what is known, not who wrote them.
    """
    origin = changes.origin
    mixed = origin.codes == origin.code(Origin.MIXED)
    enough = np.nan_to_num(changes.ai_share, nan=0.0) >= ai_share_min
    marked = (origin.codes == origin.code(Origin.AI)) | (mixed & enough)
    automation = origin.codes == origin.code(Origin.AUTOMATION)
    return Names(np.where(marked, 0, np.where(automation, 2, 1)).astype(np.int64), ARMS)


def selected(query: MetricQuery, changes: Changes) -> BoolArray:
    """Changes that pass the query's filters; code changes only, unless ``is_code`` says otherwise."""
    mask = np.ones(changes.count, dtype=bool)
    for name, wanted in query.filters.items():
        if name in OUTCOME_FILTERS:
            continue
        if name == "is_code":
            _check(name, wanted, ("true", "false"))
            mask &= np.where(changes.is_code, "true" in wanted, "false" in wanted)
            continue
        column = column_of(name, query, changes)
        mask &= column.holding(wanted) if isinstance(column, NameLists) else column.among(wanted)
    if "is_code" not in query.filters:
        mask &= changes.is_code
    return mask


def _check(name: str, wanted: tuple[str, ...], allowed: tuple[str, ...]) -> None:
    unknown = [value for value in wanted if value not in allowed]
    if unknown:
        raise MalformedInput(f"unknown {name} {unknown[0]!r}", hint=f"one of {', '.join(allowed)}")


def column_of(name: str, query: MetricQuery, changes: Changes) -> Names | NameLists:
    """The property ``name`` of changes.

    Raises:
        MalformedInput: changes have no such property.
    """
    columns: dict[str, Names | NameLists] = {
        "origin": changes.origin,
        "repository": changes.repository,
        "service": changes.services,
        "team": changes.teams,
        "kind": changes.kind,
        "size_band": changes.size_band,
        "tool": changes.tools,
        "model": changes.models,
        "review": changes.review,
    }
    if name == "arm":
        return arm_names(changes, query.ai_share_min)
    if name not in columns:
        raise MalformedInput(
            f"changes have no property {name!r}",
            hint=f"one of {', '.join((*CHANGE_GROUPS, 'is_code', *OUTCOME_FILTERS))}",
        )
    return columns[name]


def grid_of(query: MetricQuery, changes: Changes, chosen: IntArray, at: IntArray) -> Grid:
    """Cells of the ``chosen`` changes by the query's groups (those of outcomes are not theirs) and by ``at[chosen]``.

    Arms and origins are closed sets: each is there, with 0 changes if need be. Other groups are those that occur.
    """
    buckets = buckets_of(query)
    who = chosen
    codes: dict[str, IntArray] = {}
    names: dict[str, tuple[str, ...]] = {}
    for name in query.group_by:
        if name in OUTCOME_FILTERS:
            continue
        column = column_of(name, query, changes)
        if isinstance(column, NameLists):
            who, codes, listed = _expand(column, who, codes)
            codes[name], names[name] = listed, ("", *column.names)
            if name in query.filters:
                kept = np.isin(listed, [i for i, n in enumerate(names[name]) if n in query.filters[name]])
                who, codes = who[kept], {key: code[kept] for key, code in codes.items()}
        else:
            codes[name], names[name] = _closed(name, column, who)
    open_names = [name for name in codes if name not in {"arm", "origin"}]
    closed_names = [name for name in codes if name in {"arm", "origin"}]
    open_key = np.zeros(who.size, np.int64)
    for name in open_names:
        open_key = open_key * len(names[name]) + codes[name]
    present, group = np.unique(open_key, return_inverse=True) if open_names else (np.zeros(1), open_key)
    for name in closed_names:
        group = group * len(names[name]) + codes[name]
    labels = [
        {**_open_labels(int(key), open_names, names), **dict(zip(closed_names, closed, strict=True))}
        for key in present
        for closed in product(*(names[name] for name in closed_names))
    ]
    ordered = tuple({name: label[name] for name in query.group_by if name in label} for label in labels)
    service = codes["service"] - 1 if "service" in codes else np.full(who.size, -1, np.int64)
    return Grid(ordered, buckets, who, group.astype(np.int64) * buckets.count + buckets.of(at[who]), service)


def _closed(name: str, column: Names, who: IntArray) -> tuple[IntArray, tuple[str, ...]]:
    codes = column.codes[who]
    if name == "arm":
        return codes, ARMS if (codes == 2).any() else ARMS[:2]
    if name == "origin":
        place = np.array(
            [ORIGINS.index(n) if n in ORIGINS else len(ORIGINS) - 1 for n in column.names] or [0]
        )
        return place[codes].astype(np.int64), ORIGINS
    return codes, column.names


def _expand(
    column: NameLists, who: IntArray, codes: dict[str, IntArray]
) -> tuple[IntArray, dict[str, IntArray], IntArray]:
    """One row per listed name; an empty list is one row with code 0, the others are shifted by one."""
    counts = np.maximum(column.counts[who], 1)
    source = np.repeat(np.arange(who.size), counts)
    offset = np.arange(source.size) - np.repeat(np.cumsum(counts) - counts, counts)
    who = who[source]
    empty = column.counts[who] == 0
    at = np.where(empty, 0, column.starts[who] + offset)
    listed = np.zeros(who.size, np.int64)
    if column.codes.size:
        listed = np.where(empty, 0, column.codes[at] + 1)
    return who, {name: code[source] for name, code in codes.items()}, listed


def _open_labels(key: int, open_names: list[str], names: dict[str, tuple[str, ...]]) -> dict[str, str]:
    labels = {}
    for name in reversed(open_names):
        key, code = divmod(key, len(names[name]))
        labels[name] = names[name][code]
    return labels


@dataclass(frozen=True, slots=True)
class Cohort:
    """The changes of one question by their deployment: counted, too young, never deployed.

    ``mature``: indices of changes deployed in the window at least ``window_days`` before ``as_of``.
    """

    mature: IntArray
    immature: IntArray
    never_deployed_count: int
    followup_us: int
    as_of_us: int


def cohort_of(query: MetricQuery, data: MetricData, window_days: int) -> Cohort:
    """Split the changes that the query selects; the unit is the change, its clock starts with its deployment."""
    changes = data.change_columns
    as_of = as_of_us(query, data)
    low, high = unix_us(query.from_), unix_us(query.to)
    mask = selected(query, changes)
    deployed = mask & (changes.deployed_at >= low) & (changes.deployed_at < min(high, as_of + 1))
    followup = window_days * DAY_US
    mature = deployed & (changes.deployed_at <= as_of - followup)
    landed = mask & (changes.landed_at >= low) & (changes.landed_at < high)
    never = landed & ((changes.deployed_at == NEVER) | (changes.deployed_at > as_of))
    return Cohort(
        np.flatnonzero(mature), np.flatnonzero(deployed & ~mature), int(never.sum()), followup, as_of
    )
