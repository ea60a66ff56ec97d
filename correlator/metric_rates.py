"""Rates over deployed changes: how many failed, how many outcomes per 100 changes or per 1,000 lines."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from correlator import adjusted_ratios, estimates, ratios
from correlator.estimates import FloatArray, IntArray
from correlator.metric_cells import CATEGORIES, OUTCOME_FILTERS, Cohort, Grid, cohort_of, grid_of
from correlator.metric_contrasts import contrasts_of, has_contrasts
from correlator.metric_data import DAY_US
from correlator.metric_failures import (
    COUNTED_KINDS,
    INCIDENT,
    Failures,
    counted_of,
    facet_of,
    failures_of,
    kinds_of,
)
from correlator.metric_figures import Asked, Found, cell_rows, number
from correlator.metric_queries import MetricRow
from correlator.metric_sides import prior_of
from correlator.metric_unattributed import unattributed_of
from schemas.vocabulary import Caveat

OVERDISPERSED_FROM = 1.2
OVERLAPPING = {"service", "team", "tool", "model"}
"""A change may stand in several of these groups."""


def changes_that_failed(asked: Asked) -> Found:
    """Share of mature changes with at least one of the outcomes that the metric counts; see METRICS.md."""
    cohort, grid, failures, unattributed = exposed(asked)
    n = np.repeat(grid.n, _depth(asked))
    expected = failures.expected(once=True)
    drawn = failures.to_cells(_draw(asked, grid, failures), once=True)
    whole = estimates.with_unattributed(drawn, unattributed, n, asked.rng, once=True)
    low, high = estimates.cfr(expected, whole, n, asked.rng, asked.query.level)
    rows = cell_rows(
        asked,
        grid,
        value=_divide(expected, n),
        low=low,
        high=high,
        numerator=expected,
        denominator=n.astype(np.float64),
        n=n,
    )
    meta = {}
    if has_contrasts(asked, grid):
        meta["contrasts"] = contrasts_of(asked, grid, drawn)
    return _found(rows, "draws_beta", cohort, failures, meta=meta)


def per_100_changes(asked: Asked) -> Found:
    """Outcomes by weight per 100 mature changes, by facet where grouped; see METRICS.md."""
    return _per_exposure(asked, _hundred_changes)


def per_1000_added_lines(asked: Asked) -> Found:
    """Outcomes by weight per 1,000 lines that mature changes added; see METRICS.md."""
    return _per_exposure(asked, _thousand_lines)


def per_1000_changed_lines(asked: Asked) -> Found:
    """Outcomes by weight per 1,000 lines that mature changes added or deleted; see METRICS.md."""
    return _per_exposure(asked, _thousand_changed_lines)


def per_100_change_weeks(asked: Asked) -> Found:
    """Outcomes by weight per 100 weeks that changes have run, young ones included for as long as they have; see METRICS.md."""
    cohort = cohort_of(asked.query, asked.data, asked.window_days)
    every = np.sort(np.concatenate([cohort.mature, cohort.immature]))
    whole = replace(cohort, mature=every, immature=np.zeros(0, np.int64))
    return _per_exposure(asked, _hundred_weeks, whole)


def exposed(asked: Asked, cohort: Cohort | None = None) -> tuple[Cohort, Grid, Failures, FloatArray]:
    """The changes of a question that are followed to the end (or ``cohort``), their cells, and what befell them.

    The last is what the outcomes that were given to nobody could add, see ``correlator/metric_unattributed.py``.
    """
    changes = asked.data.change_columns
    found = cohort or cohort_of(asked.query, asked.data, asked.window_days)
    grid = grid_of(asked.query, changes, found.mature, changes.deployed_at)
    kinds = kinds_of(asked.query, COUNTED_KINDS.get(asked.metric.id, INCIDENT))
    counted = counted_of(asked.query, asked.data, found, kinds)
    failures = failures_of(asked.query, asked.data, found.mature, grid, counted)
    return found, grid, failures, unattributed_of(asked.query, asked.data, found, grid, counted)


def _draw(asked: Asked, grid: Grid, failures: Failures) -> IntArray:
    """Units x draws of outcomes caused. Groups that do not overlap draw with their own rates.

    Draws by weight alone pull groups together: the doubtful part of each weight falls on whoever else was deployed.
    Of two groups that fail at 4 and 6.8 in 100, 1,000 changes each, intervals around such draws held the rate 82 to 85
    times in 100 where the culprit had half of the weight.
    """
    named = set(asked.query.group_by) - set(OUTCOME_FILTERS)
    if not named or named & OVERLAPPING or len(grid.groups) < 2:
        return failures.draw(asked.rng)
    changes = asked.data.change_columns
    group = np.full(changes.count, -1, np.int64)
    group[grid.who] = grid.cell // grid.buckets.count
    who = np.flatnonzero(group >= 0)
    n = np.bincount(group[who], minlength=len(grid.groups)).astype(np.float64)
    prior = estimates.summed(prior_of(changes.lines_added[who]), group[who], n.size) / np.maximum(n, 1)
    return adjusted_ratios.aware_counts(failures.shares, group[failures.unit_change], n, prior, asked.rng)


def _depth(asked: Asked) -> int:
    facet = facet_of(asked.query, asked.data)
    return len(facet.names) if facet else 1


def _per_exposure(
    asked: Asked, exposure_of: Callable[[Asked, Grid], FloatArray], among: Cohort | None = None
) -> Found:
    cohort, grid, failures, unattributed = exposed(asked, among)
    depth = _depth(asked)
    n = np.repeat(grid.n, depth)
    exposure = np.repeat(exposure_of(asked, grid), depth)
    units = _draw(asked, grid, failures)
    expected = failures.expected(once=False)
    drawn = failures.to_cells(units, once=False)
    # phi from the expected sums over draws: a cell of few events has no steady phi of its own in every draw.
    phi = estimates.dispersion(failures.expected_squares(units), drawn.mean(axis=1))
    whole = estimates.with_unattributed(drawn, unattributed, n, asked.rng, once=False)
    low, high = estimates.count_rate(expected, whole, exposure, phi, asked.rng, level=asked.query.level)
    extra = {"dispersion": phi}
    if depth > 1:
        extra |= _category_shares(expected, drawn, depth, asked)
    rows = cell_rows(
        asked,
        grid,
        value=_divide(expected, exposure),
        low=low,
        high=high,
        numerator=expected,
        denominator=exposure,
        n=n,
        extra=extra,
    )
    meta = {}
    if set(asked.query.group_by) == {"arm", "category"} and asked.query.interval is None:
        meta["category_contrasts"] = _contrasts(drawn, exposure, phi, grid, asked)
    caveats = [Caveat.OVERDISPERSED] if bool((phi > OVERDISPERSED_FROM).any()) else []
    return _found(rows, "draws_gamma_phi", cohort, failures, caveats, meta)


def _category_shares(
    expected: FloatArray, drawn: IntArray, depth: int, asked: Asked
) -> dict[str, FloatArray]:
    """Share of each category within its group and bucket, with a Dirichlet interval; nan where nothing failed."""
    share, low, high = (np.full(expected.size, np.nan) for _ in range(3))
    for start in range(0, expected.size, depth):
        cell = slice(start, start + depth)
        total = expected[cell].sum()
        if total > 0:
            share[cell] = expected[cell] / total
            found = estimates.category_shares(drawn[cell], asked.rng, asked.query.level)
            low[cell], high[cell] = np.minimum(found[0], share[cell]), np.maximum(found[1], share[cell])
    return {"share": share, "share_low": low, "share_high": high}


def _contrasts(
    drawn: IntArray, exposure: FloatArray, phi: FloatArray, grid: Grid, asked: Asked
) -> list[dict[str, object]]:
    """Per category: rate of AI-marked over not AI-marked changes, with a q-value over all categories."""
    arm = {labels["arm"]: g for g, labels in enumerate(grid.groups)}
    depth = len(CATEGORIES)
    sides = []
    for name in ("ai_marked", "not_ai_marked"):
        cell = slice(arm[name] * depth, (arm[name] + 1) * depth)
        if exposure[cell].min() * 100 < asked.min_n:
            return []
        sides.append(estimates.gamma_draws(drawn[cell], exposure[cell], phi[cell], asked.rng, 4000))
    ratio = sides[0] / sides[1]
    tail = (1 - asked.query.level) / 2
    low, middle, high = np.quantile(ratio, [tail, 0.5, 1 - tail], axis=1)
    p = np.array([ratios.two_sided(a, b) for a, b in zip(*sides, strict=True)])
    q = estimates.benjamini_hochberg(p)
    return [
        {
            "category": category,
            "ratio": number(middle[k]),
            "low": number(low[k]),
            "high": number(high[k]),
            "q_value": number(q[k]),
        }
        for k, category in enumerate(CATEGORIES)
    ]


def _found(
    rows: list[MetricRow],
    method: str,
    cohort: Cohort,
    failures: Failures,
    caveats: Iterable[str] = (),
    meta: Mapping[str, Any] | None = None,
) -> Found:
    return Found(
        rows,
        method,
        changes=cohort.mature,
        immature_count=int(cohort.immature.size),
        never_deployed_count=cohort.never_deployed_count,
        masses=failures.masses,
        caveats=caveats,
        meta=meta or {},
    )


def _hundred_changes(asked: Asked, grid: Grid) -> FloatArray:  # noqa: ARG001
    return grid.n / 100.0


def _thousand_lines(asked: Asked, grid: Grid) -> FloatArray:
    lines = asked.data.change_columns.lines_added[grid.who].astype(np.float64)
    return estimates.summed(lines, grid.cell, grid.cell_count) / 1000.0


def _thousand_changed_lines(asked: Asked, grid: Grid) -> FloatArray:
    changes = asked.data.change_columns
    lines = (changes.lines_added + changes.lines_deleted)[grid.who].astype(np.float64)
    return estimates.summed(lines, grid.cell, grid.cell_count) / 1000.0


def _hundred_weeks(asked: Asked, grid: Grid) -> FloatArray:
    age = asked.as_of_us - asked.data.change_columns.deployed_at[grid.who]
    weeks = np.clip(age, 0, asked.window_days * DAY_US) / (7 * DAY_US)
    return estimates.summed(weeks, grid.cell, grid.cell_count) / 100.0


def _divide(numerator: FloatArray, denominator: FloatArray | IntArray) -> FloatArray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(numerator / denominator, dtype=np.float64)
