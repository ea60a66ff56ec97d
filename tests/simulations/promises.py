"""Is ``decidable_by`` kept? Undecided ratios are asked again on the day they promised, in worlds that went on.

A promise is for a true ratio of 1.7: by its day four of five such worlds should have decided.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import metric_builders as build
import numpy as np
from simulations.worlds import FOLLOWUP_DAYS, SCENARIOS, WINDOW_DAYS, world

from correlator import metrics

TIMES = 14
"""A world goes on for so many windows; a promise beyond is not followed up."""
ADJUSTED = "armaware_mh"


@dataclass(frozen=True, slots=True)
class Kept:
    """Of worlds that were undecided: how many promised a day that was followed up, and how many had decided by then."""

    undecided: int
    promised: int
    decided: int
    days: tuple[float, ...]

    def __str__(self) -> str:
        share = self.decided / self.promised if self.promised else float("nan")
        middle = float(np.median(self.days)) if self.days else float("nan")
        return (
            f"{self.undecided} undecided, {self.promised} followed up, decided by then {share:.0%} "
            f"(promised 80 %, {100 * (share - 0.8):+.0f} points), median promise {middle:.0f} days after the window"
        )


def kept(name: str, n: int, runs: int, seed: int) -> Kept:
    """Follow ``runs`` worlds of ``n`` changes per arm and window."""
    scenario = replace(SCENARIOS[name], days=WINDOW_DAYS * TIMES)
    undecided = promised = decided = 0
    days = []
    for number in range(runs):
        data = world(scenario, n * TIMES, seed + number).data()
        first = _row(data, WINDOW_DAYS)
        if first.status == "ok" and _is_decided(first):
            continue
        undecided += 1
        told = first.extra["decidable_by"]
        if told is None:
            continue
        by = (date.fromisoformat(told) - build.DAY_0.date()) / timedelta(days=1) - FOLLOWUP_DAYS
        if by > scenario.days:
            continue
        promised += 1
        days.append(by - WINDOW_DAYS)
        decided += _is_decided(_row(data, by))
    return Kept(undecided, promised, decided, tuple(days))


def _row(data: metrics.MetricData, end: float) -> metrics.MetricRow:
    """The deciding row of the window until ``end``, as known when its last change has been followed."""
    as_of: datetime = build.day(end + FOLLOWUP_DAYS)
    answer = metrics.answer(build.ask("change_failure_ratio", end=end, as_of=as_of), data)
    return next(
        row
        for row in answer.rows
        if row.groups["method"] == ADJUSTED and row.groups["comparison"] == "ai_marked:not_ai_marked"
    )


def _is_decided(row: metrics.MetricRow) -> bool:
    return row.status == "ok" and ((row.low or 0.0) > 1 or (row.high is not None and row.high < 1))
