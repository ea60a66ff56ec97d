"""Which changes a comparison sets against which, and in which strata they are compared.

A stratum holds changes of one repository, of one size, deployed within four weeks of each other, and seen alike: where
services send traces, and with a revision, more failures are found, whoever wrote the change.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from correlator import weights as attribution
from correlator.adjusted_ratios import Strata
from correlator.estimates import FloatArray, IntArray
from correlator.metric_cells import Grid, arm_names
from correlator.metric_data import DAY_US
from correlator.metric_decisions import COMPARISONS
from correlator.metric_figures import Asked
from correlator.metric_queries import MetricQuery, unix_us
from schemas.errors import MalformedInput
from schemas.vocabulary import Origin

BLOCK_US = 28 * DAY_US
"""Strata span four weeks: weekly ones leave most strata with one arm."""
CELLS_MAX = 60


@dataclass(frozen=True, slots=True)
class Sides:
    """The changes of one comparison. ``arm``: per change of ``who``, 1 AI-marked, 0 compared with.

    ``stratum``: place x four weeks. ``prior``: how suspect each was before any evidence, on the scale of attribution.
    """

    who: IntArray
    arm: IntArray
    stratum: IntArray
    place: IntArray
    prior: FloatArray

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
        n = np.maximum(np.bincount(self.stratum, minlength=count), 1)
        place = np.zeros(count, np.int64)
        place[self.stratum] = self.place
        return Strata(
            self.stratum[at],
            self.arm[at],
            np.bincount(self.stratum[self.arm == 1], minlength=count).astype(np.float64),
            np.bincount(self.stratum[self.arm == 0], minlength=count).astype(np.float64),
            np.bincount(self.stratum, weights=self.prior, minlength=count) / n,
            place,
        )


def cells_of(query: MetricQuery, grid: Grid) -> list[tuple[MetricQuery, dict[str, str], Any, IntArray]]:
    """(query narrowed to the cell, labels, time, changes) per cell, in the order of rows."""
    if grid.cell_count > CELLS_MAX:
        raise MalformedInput(
            f"a ratio for each of {grid.cell_count} cells is too much to ask",
            hint=f"at most {CELLS_MAX}: group or split the window less",
        )
    found = []
    for b, time in enumerate(grid.buckets.names):
        for g, labels in enumerate(grid.groups):
            is_member = np.zeros(int(grid.who.max(initial=-1)) + 1, dtype=bool)
            is_member[grid.who[grid.cell == g * grid.buckets.count + b]] = True
            members = np.flatnonzero(is_member)
            filters: Mapping[str, tuple[str, ...]] = {
                **query.filters,
                **({"service": (labels["service"],)} if labels.get("service") else {}),
            }
            found.append((replace(query, filters=filters), labels, time, members))
    return found


def sides_of(
    asked: Asked,
    members: IntArray,
    at: IntArray,
    comparison: str,
    *,
    is_seen: bool,
    unknown_is_ai: bool = False,
) -> Sides:
    """The two sides among ``members``.

    Args:
        at: per change, when it came into exposure.
        is_seen: whether what is compared has to be seen in traces, so that strata are of changes seen alike.
        unknown_is_ai: count changes of unknown origin as AI-marked: the other bound of what they may hide.
    """
    changes = asked.data.change_columns
    arm = arm_names(changes, asked.query.ai_share_min).codes[members]
    origin = changes.origin.codes[members]
    marked, other = arm == 0, arm == 1
    if unknown_is_ai:
        marked = marked | (origin == changes.origin.code(Origin.UNKNOWN))
    if comparison == COMPARISONS[1]:
        other = other & (origin == changes.origin.code(Origin.HUMAN))
    keep = marked | other
    who = members[keep]
    place = np.zeros(who.size, np.int64)
    for codes in (
        changes.repository.codes[who],
        changes.size_band.codes[who],
        *((changes.has_traces[who] + 2 * changes.has_revision[who],) if is_seen else ()),
    ):
        place = _pressed(place * (int(codes.max(initial=0)) + 1) + codes)
    block = (at[who] - unix_us(asked.query.from_)) // BLOCK_US
    stratum = _pressed(place + block * (int(place.max(initial=0)) + 1))
    return Sides(who, marked[keep].astype(np.int64), stratum, place, prior_of(changes.lines_added[who]))


def _pressed(key: IntArray) -> IntArray:
    """The same classes, numbered from 0 without gaps; keys are small, so that nothing need be sorted."""
    if not key.size:
        return key.astype(np.int64)
    key = key - key.min()
    is_there = np.zeros(int(key.max()) + 1, dtype=bool)
    is_there[key] = True
    return (np.cumsum(is_there) - 1)[key].astype(np.int64)


def prior_of(lines: IntArray) -> FloatArray:
    """How suspect changes of so many lines are before any evidence: attribution has counted that already."""
    prior = attribution.load().prior
    return np.clip(lines, 1, prior["size_lines_max"]).astype(np.float64) ** prior["size_exponent"]
