"""How far the crude ratio could go under what nobody knows: who wrote the changes of unknown origin, and who caused the
outcomes that could be given to nobody. Bounds, not intervals: no probability stands behind them.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from correlator import estimates
from correlator.estimates import FloatArray
from correlator.metric_cells import Buckets, Grid, arm_names, cohort_of
from correlator.metric_decisions import COMPARISONS, CRUDE
from correlator.metric_failures import COUNTED_KINDS, counted_of, failures_of, kinds_of
from correlator.metric_figures import Asked, Found, number
from schemas.vocabulary import Origin


def bounded(asked: Asked, found: Found) -> Found:
    """``found``, a ratio of failures, with ``bounds`` in its meta; None where the ratio is split or hidden."""
    crude = next(
        (
            row
            for row in found.rows
            if row.groups["comparison"] == COMPARISONS[0] and row.groups["method"] == CRUDE
        ),
        None,
    )
    is_told = (
        crude is not None and crude.status == "ok" and not asked.query.group_by and not asked.query.interval
    )
    return replace(found, meta={**found.meta, "bounds": _bounds(_sides(asked)) if is_told else None})


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
    counted = counted_of(query, data, cohort, kinds)
    failures = failures_of(query, data, who, grid, counted)
    masses = failures.masses
    nobody = (masses.unattributed or 0.0) * masses.outcome_count
    return _Sides(estimates.summed(np.ones(cell.size), cell, 3), failures.expected(once=True), nobody)


def _bounds(s: _Sides) -> dict[str, Any]:
    """Ratios by what unknown changes and unattributed outcomes might have been; None where the compared rate is 0."""
    healthy = s.n_unknown - s.unknown
    n0, x0 = s.n_known + s.n_unknown, s.known + s.unknown
    return {
        "unknown_lowest": _ratio(s.marked, s.n_marked + healthy, x0, s.n_known + s.unknown),
        "unknown_highest": _ratio(s.marked + s.unknown, s.n_marked + s.unknown, s.known, s.n_known + healthy),
        "unattributed_to_others": _ratio(s.marked, s.n_marked, min(x0 + s.unattributed, n0), n0),
        "unattributed_to_ai": _ratio(min(s.marked + s.unattributed, s.n_marked), s.n_marked, x0, n0),
        "unknown_changes": number(s.n_unknown),
        "unattributed_outcomes": number(s.unattributed, 6),
    }


def _ratio(x1: float, n1: float, x0: float, n0: float) -> float | None:
    return number((x1 / n1) / (x0 / n0)) if n1 > 0 and n0 > 0 and x0 > 0 else None
