"""How long the lines of a change live: Kaplan-Meier over ages that every change is measured at."""

from dataclasses import replace

import numpy as np
from scipy import special

from correlator import estimates
from correlator.estimates import FloatArray, IntArray
from correlator.metric_cells import grid_of
from correlator.metric_figures import Asked, Found, cell_rows
from correlator.metric_lines import landed_of
from correlator.metric_queries import MetricRow

AGES = (7, 30, 90)
"""Days after landing; a change counts at an age once it has been observed for so long."""


def line_survival(asked: Asked) -> Found:
    """Share of added lines alive at each age, and its interval clustered by change; see METRICS.md.

    From one age to the next the share that lives on is taken over the changes observed for both; the curve is the
    product of these shares, so that young changes count for as long as they have been seen.
    """
    changes, rework = asked.data.change_columns, asked.data.rework_columns
    landed = landed_of(asked.query, asked.data, AGES[0], rework.lines_added > 0)
    rows: list[MetricRow] = []
    survival: FloatArray | None = None
    variance: FloatArray | None = None
    for before, age in zip((0, *AGES), AGES, strict=False):
        who = landed.mature[rework.observed_days[landed.mature] >= age]
        grid = grid_of(asked.query, changes, landed.mature, changes.landed_at)
        seen = np.isin(grid.who, who)
        cell = grid.cell[seen]
        whole = _alive(asked, before)[grid.who[seen]]
        part = np.minimum(_alive(asked, age)[grid.who[seen]], whole)
        step = estimates.ratio_of_sums(part, whole, cell, grid.cell_count)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = step.ratio if survival is None else survival * step.ratio
            added = (step.standard_error / step.ratio) ** 2
            spread = added if variance is None else variance + added
        n = np.bincount(cell, minlength=grid.cell_count).astype(np.int64)
        low, high = _band(share, spread, n, asked.query.level)
        found = cell_rows(
            asked,
            grid,
            value=share,
            low=low,
            high=high,
            numerator=estimates.summed(part, cell, grid.cell_count),
            denominator=estimates.summed(whole, cell, grid.cell_count),
            n=n,
        )
        rows += [replace(row, groups={**row.groups, "age_days": str(age)}) for row in found]
        survival, variance = share, spread
    rows.sort(key=lambda row: row.time)
    return Found(rows, "kaplan_meier_clustered", changes=landed.mature, immature_count=landed.immature_count)


def _alive(asked: Asked, age: int) -> FloatArray:
    rework = asked.data.rework_columns
    return (rework.lines_added if age == 0 else rework.alive[age]).astype(np.float64)


def _band(
    share: FloatArray, variance: FloatArray, n: IntArray, level: float
) -> tuple[FloatArray, FloatArray]:
    """log(-log) band with t(n - 1); where no line died, or all did, Wilson on changes."""
    with np.errstate(invalid="ignore", divide="ignore"):
        t = special.stdtrit(np.maximum(n - 1, 1), 0.5 + level / 2)
        spread = np.exp(t * np.sqrt(variance) / np.abs(np.log(share)))
        low, high = share**spread, share ** (1 / spread)
        flat = ~np.isfinite(spread) | (share >= 1) | (share <= 0) | (n < 2)
        wilson_low, wilson_high = estimates.wilson(share * n, n.astype(np.float64), level)
    low, high = np.where(flat, wilson_low, low), np.where(flat, wilson_high, high)
    return np.fmin(low, share), np.fmax(high, share)
