"""Which outcomes count against which changes of a cohort, as shares ready to be drawn.

An outcome counts against a change when it occurred from its first deployment to the end of the follow-up. False alarms
and duplicates never count. In rows by service an outcome stands with its own service where the change ran there,
and in every row of the change where it did not.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from correlator.estimates import (
    CERTAIN,
    BoolArray,
    FloatArray,
    IntArray,
    Shares,
    draw_counts,
    expected_counts,
)
from correlator.metric_cells import CATEGORIES, OUTCOME_FILTERS, Cohort, Grid
from correlator.metric_data import MetricData, Names, Outcomes
from correlator.metric_queries import MetricQuery, unix_us
from schemas.errors import MalformedInput
from schemas.vocabulary import Candidate, OutcomeKind

INCIDENT = (OutcomeKind.INCIDENT.value,)
FAILURE_GROUP = (OutcomeKind.FAILURE_GROUP.value,)
DENSE = tuple(k.value for k in OutcomeKind if k is not OutcomeKind.INCIDENT)
"""What happens often enough to compare: new failure group, rollback, revert, hotfix."""


COUNTED_KINDS: dict[str, tuple[str, ...]] = {
    "failure_rate": DENSE,
    "failure_ratio": DENSE,
    "review_escape_rate": DENSE,
    "failure_groups_per_100_changes": FAILURE_GROUP,
    "failure_category_rate": FAILURE_GROUP,
}
"""Metric -> kinds of outcome that it counts where no filter says otherwise; the others count incidents."""


@dataclass(frozen=True, slots=True)
class Facet:
    """What splits outcomes in the rows of a question: ``names`` in the order of rows, ``code`` per share of an outcome."""

    name: str
    names: tuple[str, ...]
    code: IntArray


def facet_of(query: MetricQuery, data: MetricData) -> Facet | None:
    """The one group of outcomes in ``query.group_by``, or None. Categories are there even where none occurred.

    Raises:
        MalformedInput: two of them: the shares of the one within the other would be few.
    """
    listed = [name for name in query.group_by if name in OUTCOME_FILTERS]
    if len(listed) > 1:
        raise MalformedInput(
            f"outcomes cannot be split by {' and '.join(listed)} at once",
            hint="filter by one of them instead",
        )
    if not listed:
        return None
    outcomes = data.outcome_columns
    if listed == ["category"]:
        return Facet("category", CATEGORIES, _placed_in(CATEGORIES, outcomes.category))
    if listed == ["outcome"]:
        kinds = kinds_of(query, COUNTED_KINDS.get(query.metric, INCIDENT))
        return Facet("outcome", kinds, _placed_in(kinds, outcomes.kind))
    wanted = query.filters.get("severity")
    names = tuple(name for name in outcomes.severity.names if wanted is None or name in wanted) or ("",)
    return Facet("severity", names, _placed_in(names, outcomes.severity))


def _placed_in(names: tuple[str, ...], column: Names) -> IntArray:
    """Place of each row's name in ``names``; the last place stands for any other."""
    place = [names.index(n) if n in names else len(names) - 1 for n in column.names]
    return np.array(place or [0], np.int64)[column.codes]


@dataclass(frozen=True, slots=True)
class Masses:
    """Where the outcomes of a window went: means over outcomes, summing to one; None without outcomes."""

    outcome_count: int
    attributed: float | None
    no_change: float | None
    unattributed: float | None
    has_lottery: bool


@dataclass(frozen=True, slots=True)
class Failures:
    """Shares over units (a change, per facet or service where those are grouped) and where units stand.

    ``row_change``: change of each share, -1 for none. A place is a unit in a cell, or all units of one change there
    (its outcome here and its outcome elsewhere, in rows by service): ``places`` x units, ``cells`` (x facets) x
    places, ones.
    """

    shares: Shares
    row_change: IntArray
    unit_change: IntArray
    places: sparse.csr_array
    cells: sparse.csr_array
    masses: Masses

    @property
    def unit_count(self) -> int:
        return int(self.unit_change.size)

    def expected(self, *, once: bool) -> FloatArray:
        """Per cell: expected outcomes, or with ``once`` expected changes that had at least one."""
        mean, any_ = expected_counts(self.shares, self.unit_count)
        if not once:
            return np.asarray(self.cells @ (self.places @ mean), dtype=np.float64)
        none = np.ones(self.places.shape[0])
        place, unit = self.places.nonzero()
        np.multiply.at(none, place, 1.0 - any_[unit])
        return np.asarray(self.cells @ (1.0 - none), dtype=np.float64)

    def expected_squares(self, drawn: IntArray) -> FloatArray:
        """Per cell: mean over draws of the sum of squared outcomes per change."""
        placed = np.asarray(self.places @ drawn, dtype=np.float64)
        return np.asarray(self.cells @ (placed**2).mean(axis=1), dtype=np.float64)

    def draw(self, rng: np.random.Generator) -> IntArray:
        """Units x draws of outcomes caused."""
        return draw_counts(self.shares, self.unit_count, rng)

    def to_cells(self, drawn: IntArray, *, once: bool) -> IntArray:
        """Cells x draws of what :meth:`draw` returned."""
        placed = self.places @ drawn
        return np.asarray(self.cells @ ((placed > 0).astype(np.int64) if once else placed), dtype=np.int64)


def kinds_of(query: MetricQuery, default: tuple[str, ...]) -> tuple[str, ...]:
    """Kinds of outcome that the query counts: its ``outcome`` filter, else the metric's own.

    Raises:
        MalformedInput: no such kind.
    """
    wanted = query.filters.get("outcome", default)
    known = tuple(k.value for k in OutcomeKind)
    for kind in wanted:
        if kind not in known:
            raise MalformedInput(f"unknown outcome {kind!r}", hint=f"one of {', '.join(known)}")
    return tuple(wanted)


@dataclass(frozen=True, slots=True)
class Counted:
    """Shares of the outcomes that a question counts, whichever changes are exposed: the same in each of its cells.

    ``rows``: of the outcomes' columns. Per row: ``change`` (-1 for none), ``outcome`` (numbered from 0), ``weight``,
    and ``is_in_time``, whether the outcome occurred from the change's deployment to the end of its follow-up.
    """

    rows: IntArray
    change: IntArray
    outcome: IntArray
    weight: FloatArray
    is_in_time: BoolArray
    masses: Masses


def counted_of(query: MetricQuery, data: MetricData, cohort: Cohort, kinds: tuple[str, ...]) -> Counted:
    """Outcomes of ``kinds`` until ``cohort.as_of_us``, against changes followed for ``cohort.followup_us``."""
    outcomes = data.outcome_columns
    counts = relevant(query, outcomes, kinds) & (outcomes.occurred_at <= cohort.as_of_us)
    rows = np.flatnonzero(counts)
    change = outcomes.change[rows]
    age = outcomes.occurred_at[rows] - np.r_[data.change_columns.deployed_at, 0][change]
    return Counted(
        rows,
        change,
        np.unique(outcomes.outcome[rows], return_inverse=True)[1].astype(np.int64),
        outcomes.weight[rows],
        (age >= 0) & (age <= cohort.followup_us),
        _masses_of(query, outcomes, counts, cohort),
    )


def failures_of(
    query: MetricQuery, data: MetricData, who: IntArray, grid: Grid, counted: Counted
) -> Failures:
    """What befell the changes ``who``, mapped onto ``grid``."""
    changes, rows, change = data.change_columns, counted.rows, counted.change
    exposed = np.zeros(changes.count + 1, dtype=bool)
    exposed[who] = True
    inside = exposed[change] & counted.is_in_time
    scope = _scope(data, rows, change) if _uses_service(query) else np.full(rows.size, -1, np.int64)
    if "service" in query.filters:
        wanted = [i for i, name in enumerate(changes.services.names) if name in query.filters["service"]]
        inside &= (scope < 0) | np.isin(scope, wanted)
    if "service" not in query.group_by:
        scope = np.full(rows.size, -1, np.int64)
    facet = facet_of(query, data)
    depth = len(facet.names) if facet else 1
    part = facet.code[rows] if facet else np.zeros(rows.size, np.int64)
    width = len(changes.services.names) + 1
    key = (change * depth + part) * width + scope + 1
    unit = np.full(rows.size, -1, np.int64)
    keys, unit[inside] = np.unique(key[inside], return_inverse=True)
    left, unit_scope = np.divmod(keys, width)
    unit_change, unit_part = np.divmod(left, depth)
    return Failures(
        Shares(counted.outcome, unit, counted.weight),
        change,
        unit_change,
        *_placed(grid, unit_change, unit_part, unit_scope - 1, depth),
        counted.masses,
    )


def _placed(
    grid: Grid, unit_change: IntArray, unit_part: IntArray, unit_scope: IntArray, depth: int
) -> tuple[sparse.csr_array, sparse.csr_array]:
    """(places x units, cells x places): where in the grid each unit stands."""
    order = np.argsort(grid.who, kind="stable")
    who = grid.who[order]
    first = np.searchsorted(who, unit_change, side="left")
    count = np.searchsorted(who, unit_change, side="right") - first
    unit = np.repeat(np.arange(unit_change.size), count)
    place = order[np.repeat(first - (np.cumsum(count) - count), count) + np.arange(unit.size)]
    fits = (grid.service[place] < 0) | (unit_scope[unit] < 0) | (grid.service[place] == unit_scope[unit])
    unit, place = unit[fits], place[fits]
    cell = grid.cell[place] * depth + unit_part[unit]
    width = int(unit_change.max()) + 1 if unit_change.size else 1
    keys, at = np.unique(cell * width + unit_change[unit], return_inverse=True)
    places = sparse.csr_array((np.ones(unit.size, np.int64), (at, unit)), shape=(keys.size, unit_change.size))
    cells = sparse.csr_array(
        (np.ones(keys.size, np.int64), (keys // width, np.arange(keys.size))),
        shape=(grid.cell_count * depth, keys.size),
    )
    return places, cells


def relevant(query: MetricQuery, outcomes: Outcomes, kinds: tuple[str, ...]) -> BoolArray:
    """Shares of outcomes of ``kinds`` that pass the outcome filters and are no false alarm and no duplicate."""
    mask = outcomes.kind.among(kinds) & ~outcomes.is_void
    if "category" in query.filters:
        mask &= outcomes.category.among(query.filters["category"])
    if "severity" in query.filters:
        mask &= outcomes.severity.among(query.filters["severity"])
    return mask


def _masses_of(query: MetricQuery, outcomes: Outcomes, counts: BoolArray, cohort: Cohort) -> Masses:
    """Mass on changes, on no change and on nobody, over the outcomes from the window to the end of its follow-up."""
    end = min(unix_us(query.to) + cohort.followup_us, cohort.as_of_us + 1)
    rows = counts & (outcomes.occurred_at >= unix_us(query.from_)) & (outcomes.occurred_at < end)
    total = np.unique(outcomes.outcome[rows]).size
    weight, candidate = outcomes.weight[rows], outcomes.candidate
    is_change = candidate.codes[rows] == candidate.code(Candidate.CHANGE)
    # A flag or configuration is none of the changes that are compared: their mass joins no arm.
    others = (Candidate.NO_CHANGE, Candidate.FLAG, Candidate.CONFIGURATION)
    is_no_change = np.isin(candidate.codes[rows], [candidate.code(other) for other in others])
    lottery = bool((is_change & (weight < CERTAIN)).any())
    if not total:
        return Masses(0, None, None, None, lottery)
    attributed = round(float(weight[is_change].sum()) / total, 6)
    no_change = round(float(weight[is_no_change].sum()) / total, 6)
    return Masses(total, attributed, no_change, round(max(0.0, 1 - attributed - no_change), 6), lottery)


def _uses_service(query: MetricQuery) -> bool:
    return "service" in query.group_by or "service" in query.filters


def service_codes(data: MetricData, rows: IntArray) -> IntArray:
    """Code (among services of changes) of each outcome's service, -1 when no change ran there."""
    services, of_outcomes = data.change_columns.services, data.outcome_columns.service
    at = {name: code for code, name in enumerate(services.names)}
    codes = np.array([at.get(name, -1) for name in of_outcomes.names], np.int64)
    return codes[of_outcomes.codes[rows]] if rows.size else np.zeros(0, np.int64)


def _scope(data: MetricData, rows: IntArray, change: IntArray) -> IntArray:
    """Code (among services of changes) of each outcome's service where its change ran there, else -1."""
    wanted = service_codes(data, rows)
    ran = data.change_columns.services.holds(change, wanted) & (change >= 0) & (wanted >= 0)
    return np.where(ran, wanted, -1).astype(np.int64)
