"""What a ratio could become under what nobody knows: changes of unknown origin, outcomes that nobody caused for sure,
marks that are missed more often on changes that did not fail. Bounds, not intervals: no probability stands behind them.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from correlator import estimates
from correlator.estimates import FloatArray
from correlator.metric_cells import Buckets, Grid, arm_names, cohort_of
from correlator.metric_decisions import ADJUSTED, COMPARISONS, CRUDE
from correlator.metric_failures import COUNTED_KINDS, failures_of, kinds_of
from correlator.metric_figures import Asked, Found, number
from correlator.metric_queries import MetricRow
from schemas.vocabulary import Origin


def bounded(asked: Asked, found: Found) -> Found:
    """``found``, a ratio of failures, with ``bounds`` and ``tipping`` in its meta, over the whole window and all groups."""
    sides = _sides(asked)
    crude = next((r for r in found.rows if _is_main(r, CRUDE)), None)
    main = next((r for r in found.rows if _is_main(r, ADJUSTED) and r.status == "ok"), crude)
    is_told = (
        crude is not None and crude.status == "ok" and not asked.query.group_by and not asked.query.interval
    )
    extra = {
        "bounds": _bounds(asked, sides) if is_told else None,
        "tipping": _tipping(sides, main) if is_told and main is not None else None,
    }
    return replace(found, meta={**found.meta, **extra})


def _is_main(row: MetricRow, method: str) -> bool:
    return row.groups["comparison"] == COMPARISONS[0] and row.groups["method"] == method


class _Sides:
    """Changes and expected failed changes of three classes: AI-marked, others of known origin, unknown."""

    def __init__(self, n: FloatArray, failed: FloatArray, unattributed: float) -> None:
        self.n_marked, self.n_known, self.n_unknown = (float(v) for v in n)
        self.marked, self.known, self.unknown = (float(v) for v in failed)
        self.unattributed = unattributed


def _sides(asked: Asked) -> _Sides:
    query, data = replace(asked.query, group_by=(), interval=None), asked.data
    changes = data.change_columns
    cohort = cohort_of(query, data, asked.window_days)
    arm = arm_names(changes, query.ai_share_min).codes[cohort.mature]
    unknown = changes.origin.codes[cohort.mature] == changes.origin.code(Origin.UNKNOWN)
    who = cohort.mature[arm < 2]
    cell = np.where(arm == 0, 0, np.where(unknown, 2, 1))[arm < 2].astype(np.int64)
    grid = Grid(
        ({}, {}, {}),
        Buckets(np.zeros(2, np.int64), (query.from_,)),
        who,
        cell,
        np.full(who.size, -1, np.int64),
    )
    kinds = kinds_of(query, COUNTED_KINDS.get(asked.metric.id, ("incident",)))
    failures = failures_of(query, data, replace(cohort, mature=who), grid, kinds)
    masses = failures.masses
    nobody = (masses.unattributed or 0.0) * masses.outcome_count
    return _Sides(estimates.summed(np.ones(cell.size), cell, 3), failures.expected(once=True), nobody)


def _bounds(asked: Asked, s: _Sides) -> dict[str, Any]:
    """Ratios by what unknown changes and unattributed outcomes might have been; None where the compared rate is 0."""
    del asked
    healthy = s.n_unknown - s.unknown
    n0, x0 = s.n_known + s.n_unknown, s.known + s.unknown
    return {
        "unknown_not_ai": _ratio(s.marked, s.n_marked, x0, n0),
        "unknown_all_ai": _ratio(s.marked + s.unknown, s.n_marked + s.n_unknown, s.known, s.n_known),
        "unknown_lowest": _ratio(s.marked, s.n_marked + healthy, x0, s.n_known + s.unknown),
        "unknown_highest": _ratio(s.marked + s.unknown, s.n_marked + s.unknown, s.known, s.n_known + healthy),
        "unattributed_to_others": _ratio(s.marked, s.n_marked, min(x0 + s.unattributed, n0), n0),
        "unattributed_to_ai": _ratio(min(s.marked + s.unattributed, s.n_marked), s.n_marked, x0, n0),
        "unknown_changes": number(s.n_unknown),
        "unattributed_outcomes": number(s.unattributed, 6),
    }


def _ratio(x1: float, n1: float, x0: float, n0: float) -> float | None:
    return number((x1 / n1) / (x0 / n0)) if n1 > 0 and n0 > 0 and x0 > 0 else None


def _tipping(s: _Sides, row: MetricRow) -> dict[str, Any] | None:
    """How unevenly marks would have to be missed (or given) for the ratio to be 1.

    Errors of marking that do not depend on failing never turn a ratio over: they only pull it toward 1. What could
    is that AI-written changes *without* a failure carry a mark more rarely than those with one, or, below 1, that
    people's changes without a failure were marked. ``share`` is of those changes; ``at_nearest`` is the same for the
    interval's end next to 1, None where the interval holds 1.
    """
    n1, n0 = s.n_marked, s.n_known + s.n_unknown
    base = (s.known + s.unknown) / n0
    if row.value is None or row.value <= 0 or base <= 0:
        return None
    nearest = row.low if row.value > 1 else row.high
    crosses = nearest is None or (nearest - 1) * (row.value - 1) <= 0
    return {
        "direction": "marks_missed_without_failure" if row.value > 1 else "marks_given_without_failure",
        "share": _moved(row.value, base, n1, n0),
        "share_at_nearest": None if crosses or nearest is None else _moved(nearest, base, n1, n0),
        "method": row.groups["method"],
    }


def _moved(ratio: float, base: float, n1: float, n0: float) -> float | None:
    """Share of the healthy changes of the arm grown that must move there for both rates to be one.

    Failures stay where they are, ``m`` healthy changes move: x1 / (n1 + m) = x0 / (n0 - m).
    """
    x1, x0 = ratio * base * n1, base * n0
    m = (x1 * n0 - x0 * n1) / (x1 + x0)
    if m >= 0:
        return number(m / (n1 - x1 + m)) if n1 - x1 + m > 0 else None
    return number(-m / (n1 - x1)) if n1 - x1 > 0 else None
