"""AI-marked changes against others: three ratios, and beside them what two common rules would have said.

Rows come per comparison (with changes not AI-marked, and with those that evidence gives to people) and per method.
Methods and what each assumes stand in METRICS.md; a ratio is an association, never a cause.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from correlator import estimates, metric_decisions, power, ratios
from correlator.estimates import IntArray
from correlator.metric_catalogue import (
    ADJUSTED_EVENTS_MIN,
    COHORT_MIN,
    OVERLAP_MIN,
    RATIO_EVENTS_MIN,
    RATIO_TO_TELL,
)
from correlator.metric_cells import Buckets, Cohort, Grid, arm_names, cohort_of, grid_of
from correlator.metric_data import DAY_US
from correlator.metric_decisions import (
    ADJUSTED,
    ADJUSTED_METHODS,
    COMPARISONS,
    CORRECTED,
    CRUDE,
    LAST,
    NAIVE_METHODS,
    WEIGHTED,
)
from correlator.metric_failures import DENSE, INCIDENT, Masses, failures_of, kinds_of
from correlator.metric_figures import Asked, Found, number
from correlator.metric_lines import landed_of
from correlator.metric_naive import blamed_of, last_deployment, share_weighted
from correlator.metric_queries import MetricQuery, MetricRow, unix_us
from correlator.ratios import Ratio, Strata
from schemas.errors import MalformedInput
from schemas.vocabulary import Caveat, Origin

BLOCK_US = 28 * DAY_US
"""Strata span four weeks: weekly ones leave most strata with one arm."""
CELLS_MAX = 60


@dataclass(frozen=True, slots=True)
class Sides:
    """The changes of one comparison. ``arm``: per change of ``who``, 1 AI-marked, 0 compared with."""

    who: IntArray
    arm: IntArray
    stratum: IntArray

    @property
    def n1(self) -> int:
        return int((self.arm == 1).sum())

    @property
    def n0(self) -> int:
        return int((self.arm == 0).sum())

    def strata(self, unit_change: IntArray) -> Strata:
        """Strata of these changes, with the place of each unit (a change) in them."""
        count = int(self.stratum.max()) + 1 if self.stratum.size else 0
        at = np.searchsorted(self.who, unit_change)
        return Strata(
            self.stratum[at],
            self.arm[at],
            np.bincount(self.stratum[self.arm == 1], minlength=count).astype(np.float64),
            np.bincount(self.stratum[self.arm == 0], minlength=count).astype(np.float64),
        )


@dataclass(frozen=True, slots=True)
class Estimated:
    """One method's ratio with the events behind it and what it takes to decide."""

    ratio: Ratio
    events_1: float
    events_0: float
    detectable: float | None
    needed_per_arm: int | None


def failure_ratio(asked: Asked) -> Found:
    """Ratio of failure rates, dense outcomes; see METRICS.md."""
    return _of_failures(asked, DENSE)


def change_failure_ratio(asked: Asked) -> Found:
    """Ratio of incident rates; see METRICS.md."""
    return _of_failures(asked, INCIDENT)


def _of_failures(asked: Asked, default: tuple[str, ...]) -> Found:
    query, data = asked.query, asked.data
    changes = data.change_columns
    cohort = cohort_of(query, data, asked.window_days)
    grid = grid_of(query, changes, cohort.mature, changes.deployed_at)
    kinds = kinds_of(query, default)
    rows: list[MetricRow] = []
    masses: Masses | None = None
    for cell_query, labels, time, members in _cells(query, grid):
        for comparison in COMPARISONS:
            sides = _sides(asked, members, changes.deployed_at, comparison)
            found, masses = _failure_methods(
                replace(asked, query=cell_query), cohort, sides, kinds, comparison == COMPARISONS[0]
            )
            overlap = sides.strata(sides.who)
            rows += [
                _row(asked, time, {**labels, "comparison": comparison, "method": method}, sides, overlap, e)
                for method, e in found.items()
            ]
    return Found(
        rows,
        "draws_ratio",
        changes=cohort.mature,
        immature_count=int(cohort.immature.size),
        never_deployed_count=cohort.never_deployed_count,
        masses=masses,
        caveats=_caveats(rows),
        meta=metric_decisions.meta_of(rows, asked.data.tag_errors),
    )


def _failure_methods(
    asked: Asked, cohort: Cohort, sides: Sides, kinds: tuple[str, ...], has_all: bool
) -> tuple[dict[str, Estimated | None], Masses]:
    query, level = asked.query, asked.query.level
    pair = Grid(
        ({}, {}),
        Buckets(np.zeros(2, np.int64), (query.from_,)),
        sides.who,
        sides.arm,
        np.full(sides.who.size, -1, np.int64),
    )
    within = replace(cohort, mature=sides.who)
    plain = replace(query, group_by=(), interval=None)
    failures = failures_of(plain, asked.data, within, pair, kinds)
    n = np.array([sides.n0, sides.n1])
    methods: dict[str, Estimated | None] = dict.fromkeys(
        (CRUDE, ADJUSTED, *((CORRECTED,) if has_all else ()))
    )
    if has_all:
        methods |= dict.fromkeys(NAIVE_METHODS)
    if not n.all():
        return methods, failures.masses
    expected = failures.expected(once=True)
    events = float(expected[1]), float(expected[0])
    base = float(expected[0] / n[0]) or float(expected.sum() / n.sum())
    detectable = power.min_detectable_ratio(base, sides.n1, sides.n0, level=level)
    needed = power.needed_per_arm(base, RATIO_TO_TELL, level=level)
    drawn = failures.to_cells(failures.draw(asked.rng), once=True)
    crude = ratios.blind(expected, drawn, n, asked.rng, level)
    methods[CRUDE] = Estimated(crude, *events, detectable, needed)
    marked = np.zeros(asked.data.change_columns.count + 1, np.int64)
    marked[:-1] = arm_names(asked.data.change_columns, query.ai_share_min).codes == 0
    strata = sides.strata(failures.unit_change)
    fit = ratios.aware(failures.shares, marked[failures.row_change], strata, asked.rng)
    if fit is not None:
        methods[ADJUSTED] = Estimated(ratios.pooled(fit, level), *events, detectable, needed)
        if has_all:
            share = sides.n1 / (sides.n1 + sides.n0)
            corrected = ratios.tag_corrected(
                fit.log_ratio, fit.log_variance, share, asked.data.tag_errors, asked.rng, level=level
            )
            ratio = Ratio(*corrected, None, None, None, None, None)
            methods[CORRECTED] = Estimated(ratio, *events, detectable, needed)
    if has_all:
        blamed = blamed_of(plain, asked.data, kinds, cohort.as_of_us)
        for name, rule in ((LAST, last_deployment), (WEIGHTED, share_weighted)):
            x1, x0, ratio = rule(blamed, sides.who, sides.arm, level)
            methods[name] = Estimated(ratio, x1, x0, detectable, needed)
    return methods, failures.masses


def line_rework_ratio(asked: Asked) -> Found:
    """Ratio of line rework; see METRICS.md. A line has one owner: blind and aware differ by the strata only."""
    changes, rework = asked.data.change_columns, asked.data.rework_columns
    landed = landed_of(asked.query, asked.data, asked.window_days, rework.lines_added > 0)
    grid = grid_of(asked.query, changes, landed.mature, changes.landed_at)
    rows: list[MetricRow] = []
    for _, labels, time, members in _cells(asked.query, grid):
        for comparison in COMPARISONS:
            sides = _sides(asked, members, changes.landed_at, comparison)
            found = _line_methods(asked, sides, comparison == COMPARISONS[0])
            strata = sides.strata(sides.who)
            rows += [
                _row(asked, time, {**labels, "comparison": comparison, "method": method}, sides, strata, e)
                for method, e in found.items()
            ]
    return Found(
        rows,
        "ratio_of_sums",
        changes=landed.mature,
        immature_count=landed.immature_count,
        caveats=_caveats(rows),
        meta=metric_decisions.meta_of(rows, asked.data.tag_errors),
    )


def _line_methods(asked: Asked, sides: Sides, has_all: bool) -> dict[str, Estimated | None]:
    rework, level = asked.data.rework_columns, asked.query.level
    methods: dict[str, Estimated | None] = dict.fromkeys(
        (CRUDE, ADJUSTED, *((CORRECTED,) if has_all else ()))
    )
    if not sides.n1 or not sides.n0:
        return methods
    whole = rework.lines_added[sides.who].astype(np.float64)
    part = np.minimum(rework.reworked[asked.window_days][sides.who].astype(np.float64), whole)
    arms = [
        estimates.ratio_of_sums(part[sides.arm == a], whole[sides.arm == a], np.zeros(n, np.int64), 1)
        for a, n in ((0, sides.n0), (1, sides.n1))
    ]
    rate_0, rate_1 = float(arms[0].ratio[0]), float(arms[1].ratio[0])
    events = tuple(float(((part > 0) & (sides.arm == a)).sum()) for a in (1, 0))
    if rate_0 <= 0 or rate_1 <= 0:
        value = None if rate_0 <= 0 else 0.0
        ratio = Ratio(value, 0.0, None, 100 * rate_1, 100 * rate_0, 100 * (rate_1 - rate_0), None, None)
        methods[CRUDE] = Estimated(ratio, events[0], events[1], None, None)
        return methods
    value, low, high = ratios.of_sums(arms[1], arms[0], level)
    error = float(np.hypot(arms[0].standard_error[0], arms[1].standard_error[0]))
    ratio = _with_difference(value, low, high, rate_1, rate_0, error, level)
    methods[CRUDE] = _line_estimate(ratio, events, sides, _log_error(arms), level)
    stratified = ratios.stratified_of_sums(part, whole, sides.arm, sides.stratum)
    if stratified is not None:
        log_ratio, variance, risk_1, risk_0 = stratified
        center, low_log, high_log = ratios.rubin(np.array([log_ratio]), np.array([variance]), level)
        error = float(np.sqrt(variance)) * risk_1
        ratio = _with_difference(
            float(np.exp(center)),
            float(np.exp(low_log)),
            float(np.exp(high_log)),
            risk_1,
            risk_0,
            error,
            level,
        )
        methods[ADJUSTED] = _line_estimate(ratio, events, sides, float(np.sqrt(variance)), level)
        if has_all:
            share = float(whole[sides.arm == 1].sum() / whole.sum())
            corrected = ratios.tag_corrected(
                np.array([log_ratio]),
                np.array([variance]),
                share,
                asked.data.tag_errors,
                asked.rng,
                level=level,
            )
            plain = Ratio(*corrected, None, None, None, None, None)
            methods[CORRECTED] = _line_estimate(plain, events, sides, float(np.sqrt(variance)), level)
    return methods


def _log_error(arms: list[estimates.RatioOfSums]) -> float:
    return float(np.hypot(*(arm.standard_error[0] / arm.ratio[0] for arm in arms)))


def _with_difference(
    value: float, low: float, high: float | None, rate_1: float, rate_0: float, error: float, level: float
) -> Ratio:
    _, down, up = ratios.rubin(np.array([rate_1 - rate_0]), np.array([error**2]), level)
    return Ratio(value, low, high, 100 * rate_1, 100 * rate_0, 100 * (rate_1 - rate_0), 100 * down, 100 * up)


def _line_estimate(
    ratio: Ratio, events: tuple[float, ...], sides: Sides, log_error: float, level: float
) -> Estimated:
    return Estimated(
        ratio,
        events[0],
        events[1],
        power.detectable_at(log_error, level=level),
        power.needed_at(log_error, min(sides.n1, sides.n0), RATIO_TO_TELL, level=level),
    )


# --- cells, sides, rows ---------------------------------------------------------------------------


def _cells(query: MetricQuery, grid: Grid) -> list[tuple[MetricQuery, dict[str, str], Any, IntArray]]:
    """(query narrowed to the cell, labels, time, changes) per cell, in the order of rows."""
    if grid.cell_count > CELLS_MAX:
        raise MalformedInput(
            f"a ratio for each of {grid.cell_count} cells is too much to ask",
            hint=f"at most {CELLS_MAX}: group or split the window less",
        )
    found = []
    for b, time in enumerate(grid.buckets.names):
        for g, labels in enumerate(grid.groups):
            members = np.unique(grid.who[grid.cell == g * grid.buckets.count + b])
            filters: Mapping[str, tuple[str, ...]] = {
                **query.filters,
                **({"service": (labels["service"],)} if labels.get("service") else {}),
            }
            found.append((replace(query, filters=filters), labels, time, members))
    return found


def _sides(asked: Asked, members: IntArray, at: IntArray, comparison: str) -> Sides:
    changes = asked.data.change_columns
    arm = arm_names(changes, asked.query.ai_share_min).codes[members]
    other = arm == 1
    if comparison == COMPARISONS[1]:
        other &= changes.origin.codes[members] == changes.origin.code(Origin.HUMAN)
    keep = (arm == 0) | other
    who = members[keep]
    block = (at[who] - unix_us(asked.query.from_)) // BLOCK_US
    key = (block * (len(changes.repository.names) + 1) + changes.repository.codes[who]) * (
        len(changes.size_band.names) + 1
    ) + changes.size_band.codes[who]
    stratum = np.unique(key, return_inverse=True)[1].astype(np.int64)
    return Sides(who, (arm[keep] == 0).astype(np.int64), stratum)


def _row(
    asked: Asked,
    time: Any,
    groups: dict[str, str],
    sides: Sides,
    strata: Strata,
    estimated: Estimated | None,
) -> MetricRow:
    """A ratio under the rules of suppression: both arms, enough events, for adjusted ones enough overlap."""
    method, n1, n0 = groups["method"], sides.n1, sides.n0
    hidden = _hidden(asked, method, n1, n0, strata.overlap, estimated)
    blank = hidden == "cohort_below_5"
    shown = None if blank else estimated
    ratio = shown.ratio if shown else None
    needed = shown.needed_per_arm if shown else None
    value = ratio.value if ratio else None
    is_significant = (
        ratio is not None
        and value is not None
        and ratio.low is not None
        and (ratio.low > 1 or (ratio.high is not None and ratio.high < 1))
    )
    nearest = None
    if ratio is not None and is_significant and ratio.low is not None:
        nearest = ratio.low if ratio.low > 1 else ratio.high
    show = hidden is None
    extra = {
        "n_ai_marked": None if blank else n1,
        "n_compared": None if blank else n0,
        "events_ai_marked": number(shown.events_1, 6) if shown else None,
        "events_compared": number(shown.events_0, 6) if shown else None,
        "risk_difference_per_100": number(ratio.difference) if ratio and show else None,
        "risk_difference_low": number(ratio.difference_low) if ratio else None,
        "risk_difference_high": number(ratio.difference_high) if ratio else None,
        "overlap_share": None if blank else number(strata.overlap),
        "strata_used": None if blank else strata.used,
        "min_detectable_ratio": number(shown.detectable) if shown else None,
        "e_value": number(power.e_value(value)) if show and value else None,
        "e_value_nearest": number(power.e_value(nearest))
        if show and nearest
        else (1.0 if show and value else None),
        "needed_per_arm": needed,
        "needed": None if needed is None else max(0, needed - min(n1, n0)),
        "is_naive": method in NAIVE_METHODS,
    }
    is_undefined = hidden is None and value is None
    return MetricRow(
        time,
        groups,
        number(value) if show else None,
        number(ratio.low) if ratio else None,
        number(ratio.high) if ratio else None,
        number(ratio.rate_1) if ratio else None,
        number(ratio.rate_0) if ratio else None,
        None if blank else n1 + n0,
        "undefined" if is_undefined else ("ok" if show else "insufficient"),
        hidden,
        extra,
    )


def _hidden(
    asked: Asked, method: str, n1: int, n0: int, overlap: float, estimated: Estimated | None
) -> str | None:
    if not n1 or not n0:
        return None
    if min(n1, n0) < COHORT_MIN:
        return "cohort_below_5"
    if min(n1, n0) < asked.min_n:
        return "small_n"
    if method in ADJUSTED_METHODS and overlap < OVERLAP_MIN:
        return "low_overlap"
    if estimated is None:
        return "few_events"
    if min(estimated.events_1, estimated.events_0) < RATIO_EVENTS_MIN:
        return "few_events"
    if method in ADJUSTED_METHODS and estimated.events_1 + estimated.events_0 < ADJUSTED_EVENTS_MIN:
        return "few_events"
    return None


def _caveats(rows: list[MetricRow]) -> list[str]:
    found: list[str] = []
    if any(row.suppressed == "low_overlap" for row in rows):
        found.append(Caveat.LOW_OVERLAP)
    if any(row.status == "ok" and row.high is None for row in rows):
        found.append(Caveat.OPEN_UPPER)
    events = [row.extra.get(k) for row in rows for k in ("events_ai_marked", "events_compared")]
    if any(e == 0 for e in events):
        found.append(Caveat.ZERO_CELL)
    return found
