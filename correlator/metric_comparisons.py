"""AI-marked changes against others: three ratios, and beside them what two common rules would have said.

Rows come per comparison (with changes not AI-marked, and with those that evidence gives to people) and per method.
Methods and what each assumes stand in METRICS.md; a ratio is an association, never a cause.
"""

from dataclasses import replace

import numpy as np
from scipy import special

from correlator import adjusted_ratios, estimates, metric_decisions, power, ratios
from correlator.adjusted_ratios import Adjusted
from correlator.estimates import IntArray
from correlator.metric_catalogue import (
    ADJUSTED_EVENTS_MIN,
    RATIO_TO_TELL,
)
from correlator.metric_cells import Buckets, Grid, arm_names, cohort_of, grid_of
from correlator.metric_decisions import (
    ADJUSTED,
    COMPARISONS,
    CORRECTED,
    CRUDE,
    LAST,
    NAIVE_METHODS,
    WEIGHTED,
)
from correlator.metric_failures import DENSE, INCIDENT, Counted, Failures, counted_of, failures_of, kinds_of
from correlator.metric_figures import Asked, Found
from correlator.metric_lines import landed_of
from correlator.metric_naive import Blamed, blamed_of, last_deployment, share_weighted
from correlator.metric_queries import MetricQuery, MetricRow
from correlator.metric_ratio_rows import Estimated, caveats_of, row_of
from correlator.metric_sides import Sides, cells_of, sides_of
from correlator.ratios import Ratio
from schemas.vocabulary import Origin


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
    counted = counted_of(_plain(asked), data, cohort, kinds)
    # Which deployments come last before an outcome is the same in every cell.
    blamed = blamed_of(data, counted, cohort.as_of_us)
    for cell_query, labels, time, members in cells_of(query, grid):
        for comparison in COMPARISONS:
            sides = sides_of(asked, members, changes.deployed_at, comparison, is_seen=True)
            of_cell = replace(asked, query=cell_query)
            is_default = comparison == COMPARISONS[0]
            found = _failure_methods(of_cell, sides, counted, blamed if is_default else None)
            overlap = sides.strata(sides.who)
            rows += [
                row_of(asked, time, {**labels, "comparison": comparison, "method": method}, sides, overlap, e)
                for method, e in found.items()
            ]
    return Found(
        rows,
        "draws_ratio",
        changes=cohort.mature,
        immature_count=int(cohort.immature.size),
        never_deployed_count=cohort.never_deployed_count,
        masses=counted.masses,
        caveats=caveats_of(rows),
        meta={
            **metric_decisions.meta_of(rows, asked.data.tag_errors),
            "unknown_bounds": _unknown_bounds(asked, cohort.mature, rows, counted),
        },
    )


def _failure_methods(
    asked: Asked, sides: Sides, counted: Counted, blamed: Blamed | None
) -> dict[str, Estimated | None]:
    """Every method, the naive ones and the correction only with ``blamed``: for the default comparison."""
    level = asked.query.level
    has_all = blamed is not None
    failures = _failures(asked, sides, counted)
    n = np.array([sides.n0, sides.n1])
    methods: dict[str, Estimated | None] = dict.fromkeys(
        (CRUDE, ADJUSTED, *((CORRECTED,) if has_all else ()))
    )
    if has_all:
        methods |= dict.fromkeys(NAIVE_METHODS)
    if not n.all():
        return methods
    expected = failures.expected(once=True)
    events = float(expected[1]), float(expected[0])
    base = float(expected[0] / n[0]) or float(expected.sum() / n.sum())
    detectable = power.min_detectable_ratio(base, sides.n1, sides.n0, level=level)
    needed = power.needed_per_arm(base, RATIO_TO_TELL, level=level)
    drawn = failures.to_cells(failures.draw(asked.rng), once=True)
    crude = ratios.blind(expected, drawn, n, asked.rng, level)
    methods[CRUDE] = Estimated(crude, *events, detectable, needed)
    fit = _fit(asked, sides, failures)
    if fit is not None:
        methods[ADJUSTED] = adjusted = _adjusted(fit, events, sides, needed, asked)
        if has_all:
            corrected = fit.corrected(asked.data.tag_errors, asked.rng, level)
            methods[CORRECTED] = _corrected(corrected, adjusted, asked)
    if blamed is not None:
        for name, rule in ((LAST, last_deployment), (WEIGHTED, share_weighted)):
            x1, x0, ratio = rule(blamed, sides.who, sides.arm, level)
            methods[name] = Estimated(ratio, x1, x0, detectable, needed)
    return methods


def _plain(asked: Asked) -> MetricQuery:
    return replace(asked.query, group_by=(), interval=None)


def _failures(asked: Asked, sides: Sides, counted: Counted) -> Failures:
    pair = Grid(
        ({}, {}),
        Buckets(np.zeros(2, np.int64), (asked.query.from_,)),
        sides.who,
        sides.arm,
        np.full(sides.who.size, -1, np.int64),
    )
    return failures_of(_plain(asked), asked.data, sides.who, pair, counted)


def _fit(asked: Asked, sides: Sides, failures: Failures) -> Adjusted | None:
    changes = asked.data.change_columns
    # Candidates outside of the exposure are AI-marked or not as well; the last place is for no change.
    marked = np.zeros(changes.count + 1, np.int64)
    marked[:-1] = arm_names(changes, asked.query.ai_share_min).codes == 0
    marked[sides.who] = sides.arm
    strata = sides.strata(failures.unit_change)
    return adjusted_ratios.aware(failures.shares, marked[failures.row_change], strata, asked.rng)


def _unknown_bounds(
    asked: Asked, mature: IntArray, rows: list[MetricRow], counted: Counted
) -> dict[str, dict[str, float | str | None] | None]:
    """The adjusted ratio with changes of unknown origin on the one side and on the other; None where it is not known.

    With people they stand in the default comparison already; with AI they are compared with changes that are human
    for a reason. Equal where there are none.
    """
    changes = asked.data.change_columns
    bounds: dict[str, dict[str, float | str | None] | None] = {"as_human": None, "as_ai": None}
    if asked.query.group_by or asked.query.interval:
        return bounds
    unknown = changes.origin.codes[mature] == changes.origin.code(Origin.UNKNOWN)
    with_people = next((r for r in rows if r.groups["method"] == ADJUSTED), None)
    with_ai = with_people
    if unknown.any():
        sides = sides_of(asked, mature, changes.deployed_at, COMPARISONS[1], is_seen=True, unknown_is_ai=True)
        with_ai = None
        if sides.n1 and sides.n0:
            failures = _failures(asked, sides, counted)
            expected = failures.expected(once=True)
            fit = _fit(asked, sides, failures)
            found = None
            if fit is not None:
                found = _adjusted(fit, (float(expected[1]), float(expected[0])), sides, None, asked)
            groups = {"comparison": "ai_marked_or_unknown:human", "method": ADJUSTED}
            with_ai = row_of(asked, asked.query.from_, groups, sides, sides.strata(sides.who), found)
    for name, row in (("as_human", with_people), ("as_ai", with_ai)):
        if row is not None:
            bounds[name] = {
                "value": row.value,
                "low": row.low,
                "high": row.high,
                "suppressed": row.suppressed,
            }
    return bounds


def _adjusted(
    fit: Adjusted, events: tuple[float, float], sides: Sides, needed: int | None, asked: Asked
) -> Estimated:
    level = asked.query.level
    ratio = fit.ratio(asked.rng, level)
    error = _error_of(ratio, level)
    if sum(events) >= ADJUSTED_EVENTS_MIN:
        needed = power.needed_at(error, min(sides.n1, sides.n0), RATIO_TO_TELL, level=level)
    return Estimated(
        ratio,
        *events,
        power.detectable_at(error, level=level),
        needed,
        error,
        fit.known_error,
        fit.confounded,
    )


def _corrected(
    found: tuple[float | None, float | None, float | None], adjusted: Estimated, asked: Asked
) -> Estimated:
    ratio = Ratio(*found, None, None, None, None, None)
    error = _error_of(ratio, asked.query.level)
    return replace(adjusted, ratio=ratio, error=error if np.isfinite(error) else None, confounded=None)


def _error_of(ratio: Ratio, level: float) -> float:
    """Standard error of the log ratio as its interval tells; infinite where an end is open or 0."""
    if not ratio.low or ratio.high is None:
        return float("inf")
    return float(np.log(ratio.high / ratio.low) / (2 * special.ndtri(0.5 + level / 2)))


def line_rework_ratio(asked: Asked) -> Found:
    """Ratio of line rework; see METRICS.md. A line has one owner: blind and aware differ by the strata only."""
    changes, rework = asked.data.change_columns, asked.data.rework_columns
    landed = landed_of(asked.query, asked.data, asked.window_days, rework.lines_added > 0)
    grid = grid_of(asked.query, changes, landed.mature, changes.landed_at)
    rows: list[MetricRow] = []
    for _, labels, time, members in cells_of(asked.query, grid):
        for comparison in COMPARISONS:
            sides = sides_of(asked, members, changes.landed_at, comparison, is_seen=False)
            found = _line_methods(asked, sides, comparison == COMPARISONS[0])
            strata = sides.strata(sides.who)
            rows += [
                row_of(asked, time, {**labels, "comparison": comparison, "method": method}, sides, strata, e)
                for method, e in found.items()
            ]
    return Found(
        rows,
        "ratio_of_sums",
        changes=landed.mature,
        immature_count=landed.immature_count,
        caveats=caveats_of(rows),
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
        error = stratified.log_error
        value, low, high = stratified.interval(level)
        risk_1, risk_0 = stratified.rates
        ratio = _with_difference(value, low, high, risk_1, risk_0, error * risk_1, level)
        methods[ADJUSTED] = adjusted = _line_estimate(ratio, events, sides, error, level)
        if has_all:
            corrected = adjusted_ratios.corrected_lines(stratified, asked.data.tag_errors, asked.rng, level)
            methods[CORRECTED] = _corrected(corrected, adjusted, asked)
    return methods


def _log_error(arms: list[estimates.RatioOfSums]) -> float:
    return float(np.hypot(*(arm.standard_error[0] / arm.ratio[0] for arm in arms)))


def _with_difference(
    value: float, low: float, high: float | None, rate_1: float, rate_0: float, error: float, level: float
) -> Ratio:
    between, half = rate_1 - rate_0, error * float(special.ndtri(0.5 + level / 2))
    return Ratio(
        value,
        low,
        high,
        100 * rate_1,
        100 * rate_0,
        100 * between,
        100 * (between - half),
        100 * (between + half),
    )


def _line_estimate(
    ratio: Ratio, events: tuple[float, ...], sides: Sides, log_error: float, level: float
) -> Estimated:
    return Estimated(
        ratio,
        events[0],
        events[1],
        power.detectable_at(log_error, level=level),
        power.needed_at(log_error, min(sides.n1, sides.n0), RATIO_TO_TELL, level=level),
        log_error,
        log_error,
    )
