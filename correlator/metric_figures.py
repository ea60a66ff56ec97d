"""How a figure becomes a row, and when it is hidden; what every metric is handed and hands back."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np

from correlator import estimates
from correlator.estimates import BoolArray, FloatArray, IntArray
from correlator.metric_catalogue import COHORT_MIN, Metric
from correlator.metric_cells import Grid
from correlator.metric_data import MetricData
from correlator.metric_failures import Masses, facet_of
from correlator.metric_queries import MetricQuery, MetricRow


@dataclass(frozen=True, slots=True)
class Asked:
    """One question, settled: the metric, its follow-up, its threshold and the seeded generator."""

    query: MetricQuery
    data: MetricData
    metric: Metric
    window_days: int
    min_n: int
    as_of_us: int
    rng: np.random.Generator


@dataclass(frozen=True, slots=True)
class Found:
    """What a metric found: rows, the changes they speak of (None: none), and what the meta block needs."""

    rows: list[MetricRow]
    method: str
    changes: IntArray | None = None
    immature_count: int = 0
    never_deployed_count: int = 0
    masses: Masses | None = None
    caveats: Iterable[str] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)


def number(value: float | None, digits: int = 9) -> float | None:
    """``value`` rounded for equal bytes; None for nan and infinity."""
    if value is None or not math.isfinite(value):
        return None
    return round(float(value), digits) + 0.0


def figure(
    time: datetime,
    groups: Mapping[str, str],
    *,
    value: float | None,
    low: float | None,
    high: float | None,
    numerator: float | None,
    denominator: float | None,
    n: int,
    min_n: int,
    cohort_min: int = COHORT_MIN,
    extra: Mapping[str, Any] | None = None,
) -> MetricRow:
    """A row under the rules of suppression.

    No n, or a denominator of 0: undefined, never 0. Below ``cohort_min``: everything hidden. Below ``min_n``: the
    point hidden; interval, counts, reason and ``needed`` (how many more until it shows) stay.
    """
    listed = dict(extra or {})
    if 0 < n < cohort_min:
        blank = dict.fromkeys(listed)
        return MetricRow(
            time,
            groups,
            None,
            None,
            None,
            None,
            None,
            None,
            "insufficient",
            "cohort_below_5",
            {**blank, "needed": None},
        )
    if n == 0 or denominator == 0 or (value is not None and math.isnan(value)):
        return MetricRow(
            time,
            groups,
            None,
            None,
            None,
            number(numerator, 6),
            number(denominator, 6),
            n,
            "undefined",
            None,
            {**listed, "needed": max(0, min_n - n)},
        )
    hidden = n < min_n
    return MetricRow(
        time,
        groups,
        None if hidden else number(value),
        number(low),
        number(high),
        number(numerator, 6),
        number(denominator, 6),
        n,
        "insufficient" if hidden else "ok",
        "small_n" if hidden else None,
        {**listed, "needed": max(0, min_n - n)},
    )


def share_rows(
    asked: Asked,
    grid: Grid,
    hit: BoolArray,
    *,
    cohort_min: int = COHORT_MIN,
    extra: Mapping[str, FloatArray] | None = None,
) -> list[MetricRow]:
    """One row per cell: the share of its members that were hit, with the Wilson interval; nobody's cause is in doubt.

    Args:
        hit: by row of the table that ``grid.who`` points into.
    """
    n = grid.n.astype(np.float64)
    x = estimates.summed(hit[grid.who].astype(np.float64), grid.cell, grid.cell_count)
    low, high = estimates.wilson(x, n, asked.query.level)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = x / n
    return cell_rows(
        asked,
        grid,
        value=value,
        low=low,
        high=high,
        numerator=x,
        denominator=n,
        n=grid.n,
        cohort_min=cohort_min,
        extra=extra,
    )


def cell_rows(
    asked: Asked,
    grid: Grid,
    *,
    value: FloatArray,
    low: FloatArray,
    high: FloatArray,
    numerator: FloatArray,
    denominator: FloatArray,
    n: IntArray,
    extra: Mapping[str, FloatArray] | None = None,
    min_n: int | None = None,
    cohort_min: int = COHORT_MIN,
) -> list[MetricRow]:
    """One row per cell (and facet of outcomes, when grouped), ordered by time, then group, then facet.

    Arrays are by cell = group x buckets + bucket, with facets innermost.
    """
    query, buckets = asked.query, grid.buckets
    facet = facet_of(query, asked.data)
    parts = facet.names if facet else ("",)
    depth = len(parts)
    rows = []
    for b, time in enumerate(buckets.names):
        for g, labels in enumerate(grid.groups):
            for k, part in enumerate(parts):
                i = (g * buckets.count + b) * depth + k
                groups = {
                    name: part if facet is not None and name == facet.name else labels[name]
                    for name in query.group_by
                }
                rows.append(
                    figure(
                        time,
                        groups,
                        value=float(value[i]),
                        low=float(low[i]),
                        high=float(high[i]),
                        numerator=float(numerator[i]),
                        denominator=float(denominator[i]),
                        n=int(n[i]),
                        min_n=asked.min_n if min_n is None else min_n,
                        cohort_min=cohort_min,
                        extra={key: number(float(v[i])) for key, v in (extra or {}).items()},
                    )
                )
    return rows
