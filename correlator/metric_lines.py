"""What became of the lines of a change, and whose lines they are: rework, reverts, AI share of output.

Lines have one owner, so nothing is drawn here; changes count from landing, whether deployed or not.
"""

from dataclasses import dataclass

import numpy as np

from correlator import estimates
from correlator.estimates import BoolArray, FloatArray, IntArray
from correlator.metric_cells import as_of_us, grid_of, selected
from correlator.metric_data import DAY_US, MetricData
from correlator.metric_figures import Asked, Found, cell_rows, share_rows
from correlator.metric_queries import MetricQuery, unix_us
from schemas.vocabulary import Origin

REWORKED_FROM = 0.25
"""A change counts as reworked from this share of its lines on: one huge change then weighs as much as a small one."""
BOOTSTRAP_BELOW = 200
"""Changes per cell below which the t interval is too narrow (covers 0.88 to 0.91 of the time, bootstrap-t 0.91 to 0.93)."""
BOOTSTRAP_CELLS_MAX = 60
"""Beyond so many cells every cell gets the t interval: a bootstrap costs about 5 ms."""


@dataclass(frozen=True, slots=True)
class Landed:
    """Changes that landed in the window: observed for the whole follow-up, and those too young."""

    mature: IntArray
    immature_count: int


def landed_of(
    query: MetricQuery, data: MetricData, window_days: int, mask: BoolArray | None = None
) -> Landed:
    """Split the changes that the query selects (and ``mask``) by whether their follow-up has been observed."""
    changes, rework = data.change_columns, data.rework_columns
    as_of = as_of_us(query, data)
    chosen = selected(query, changes) if mask is None else selected(query, changes) & mask
    chosen &= (changes.landed_at >= unix_us(query.from_)) & (
        changes.landed_at < min(unix_us(query.to), as_of + 1)
    )
    old = (rework.observed_days >= window_days) & (changes.landed_at <= as_of - window_days * DAY_US)
    return Landed(np.flatnonzero(chosen & old), int((chosen & ~old).sum()))


def line_rework_rate(asked: Asked) -> Found:
    """Reworked lines over added lines of mature changes; see METRICS.md."""
    return _line_share(asked, asked.data.rework_columns.reworked[asked.window_days])


def lines_fixed_rate(asked: Asked) -> Found:
    """Lines mended by a fix or a revert over added lines of mature changes; see METRICS.md."""
    return _line_share(asked, asked.data.rework_columns.lines_fixed)


def _line_share(asked: Asked, lines: IntArray) -> Found:
    changes, rework = asked.data.change_columns, asked.data.rework_columns
    landed = landed_of(asked.query, asked.data, asked.window_days, rework.lines_added > 0)
    grid = grid_of(asked.query, changes, landed.mature, changes.landed_at)
    whole = rework.lines_added[grid.who].astype(np.float64)
    part = np.minimum(lines[grid.who].astype(np.float64), whole)
    found = estimates.ratio_of_sums(part, whole, grid.cell, grid.cell_count)
    low, high = estimates.ratio_logit_t(found, asked.query.level)
    small = np.flatnonzero((found.n >= 5) & (found.n < BOOTSTRAP_BELOW))
    if grid.cell_count <= BOOTSTRAP_CELLS_MAX:
        for cell in small:
            inside = grid.cell == cell
            low[cell], high[cell] = estimates.bootstrap_t(
                part[inside], whole[inside], asked.rng, asked.query.level
            )
    rows = cell_rows(
        asked,
        grid,
        value=found.ratio,
        low=low,
        high=high,
        numerator=estimates.summed(part, grid.cell, grid.cell_count),
        denominator=estimates.summed(whole, grid.cell, grid.cell_count),
        n=found.n,
    )
    method = "ratio_logit_t" if not small.size or grid.cell_count > BOOTSTRAP_CELLS_MAX else "bootstrap_t"
    return Found(rows, method, changes=landed.mature, immature_count=landed.immature_count)


def share_of_changes_reworked(asked: Asked) -> Found:
    """Share of mature changes of which at least a quarter was reworked; see METRICS.md."""
    rework = asked.data.rework_columns
    reworked = rework.reworked[asked.window_days] >= REWORKED_FROM * rework.lines_added
    return _change_share(asked, reworked, rework.lines_added > 0)


def revert_rate(asked: Asked) -> Found:
    """Share of mature changes that were reverted; see METRICS.md."""
    changes, rework = asked.data.change_columns, asked.data.rework_columns
    limit = np.minimum(changes.landed_at + asked.window_days * DAY_US, np.full(changes.count, asked.as_of_us))
    return _change_share(asked, rework.reverted_at <= limit, None)


def _change_share(asked: Asked, hit: BoolArray, mask: BoolArray | None) -> Found:
    changes = asked.data.change_columns
    landed = landed_of(asked.query, asked.data, asked.window_days, mask)
    grid = grid_of(asked.query, changes, landed.mature, changes.landed_at)
    rows = share_rows(asked, grid, hit)
    return Found(rows, "wilson", changes=landed.mature, immature_count=landed.immature_count)


def ai_share_of_output(asked: Asked) -> Found:
    """AI lines over all added lines of landed changes, bounded by the lines of unknown origin; see METRICS.md."""
    changes = asked.data.change_columns
    chosen = selected(asked.query, changes)
    chosen &= (changes.landed_at >= unix_us(asked.query.from_)) & (
        changes.landed_at < min(unix_us(asked.query.to), asked.as_of_us + 1)
    )
    grid = grid_of(asked.query, changes, np.flatnonzero(chosen), changes.landed_at)
    lines = changes.lines_added.astype(np.float64)
    unknown = changes.origin.codes == changes.origin.code(Origin.UNKNOWN)

    def summed(values: FloatArray) -> FloatArray:
        return estimates.summed(values[grid.who], grid.cell, grid.cell_count)

    total = summed(lines)
    declared = summed(lines * ai_line_share(asked.data))
    open_ = summed(np.where(unknown, lines, 0.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        value, high = declared / total, (declared + open_) / total
    rows = cell_rows(
        asked,
        grid,
        value=value,
        low=value,
        high=high,
        numerator=declared,
        denominator=total,
        n=grid.n,
        extra={"unknown_lines": open_},
    )
    return Found(rows, "declared_bounds", changes=np.flatnonzero(chosen))


def ai_line_share(data: MetricData) -> FloatArray:
    """Share of each change's added lines that evidence gives to AI; an ``ai`` change without a measured share is 1."""
    changes = data.change_columns
    is_ai = changes.origin.codes == changes.origin.code(Origin.AI)
    is_mixed = changes.origin.codes == changes.origin.code(Origin.MIXED)
    measured = np.where(np.isnan(changes.ai_share), np.where(is_ai, 1.0, 0.0), changes.ai_share)
    return np.where(is_ai | is_mixed, np.clip(measured, 0.0, 1.0), 0.0)
