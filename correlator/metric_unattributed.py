"""What the outcomes that the evidence gave to nobody could add to each cell, had changes done all of them.

A point never counts them; its interval does, see ``with_unattributed`` in ``correlator/estimates.py``.
"""

import numpy as np

from correlator import estimates
from correlator.estimates import FloatArray, IntArray
from correlator.metric_cells import Cohort, Grid
from correlator.metric_data import NEVER, Changes, MetricData, NameLists
from correlator.metric_failures import Counted, facet_of, service_codes
from correlator.metric_queries import MetricQuery
from correlator.metric_sides import prior_of
from schemas.vocabulary import Candidate

ANYWHERE = 0
"""Stands for an outcome of no service, or of one in which no change could have done it; services follow from 1."""


def unattributed_of(
    query: MetricQuery, data: MetricData, cohort: Cohort, grid: Grid, counted: Counted
) -> FloatArray:
    """Cells (x facets): expected outcomes if changes had done all that is unattributed.

    Each outcome's unattributed weight is spread over the code changes that were deployed in the follow-up before it
    and ran in its service, by how suspect changes of their size are before any evidence.
    """
    changes, outcomes = data.change_columns, data.outcome_columns
    facet = facet_of(query, data)
    depth = len(facet.names) if facet else 1
    found = np.zeros((grid.cell_count, depth))
    is_nobody = outcomes.candidate.codes[counted.rows] == outcomes.candidate.code(Candidate.UNATTRIBUTED)
    rows = counted.rows[is_nobody & (counted.weight > 0)]
    if not rows.size or not grid.who.size:
        return found.ravel()
    at = outcomes.occurred_at[rows]
    line = _Line(changes, cohort, int(at.max()))
    where = service_codes(data, rows) + 1
    where = np.where(line.suspicion(where, at) > 0, where, ANYWHERE)
    suspects = line.suspicion(where, at)
    somebody = suspects > 0
    rows, suspects, key = rows[somebody], suspects[somebody], line.key(where, at)[somebody]
    order = np.argsort(key, kind="stable")
    rows, key, share = rows[order], key[order], (outcomes.weight[rows] / suspects)[order]
    member, stands = _standing(query, grid, changes.services)
    who = grid.who[member]
    prior = prior_of(changes.lines_added[who])
    since = changes.deployed_at[who]
    first = np.searchsorted(key, line.key(stands, since), side="left")
    last = np.searchsorted(key, line.key(stands, since + cohort.followup_us), side="right")
    for part in range(depth):
        of_part = share if facet is None else np.where(facet.code[rows] == part, share, 0.0)
        total = np.r_[0.0, np.cumsum(of_part)]
        found[:, part] = estimates.summed(
            prior * (total[last] - total[first]), grid.cell[member], grid.cell_count
        )
    return found.ravel()


class _Line:
    """Code changes by service and time, on one line of keys that sort by both."""

    def __init__(self, changes: Changes, cohort: Cohort, last_us: int) -> None:
        self._followup = cohort.followup_us
        suspects = np.flatnonzero(changes.is_code & (changes.deployed_at < NEVER))
        member, where = _listed(changes.services, suspects)
        at = changes.deployed_at[suspects]
        self._start = int(at.min(initial=last_us))
        self._length = max(int(at.max(initial=last_us)), last_us) - self._start + self._followup + 2
        key = self.key(where, at[member])
        order = np.argsort(key, kind="stable")
        self._keys = key[order]
        self._total = np.r_[0.0, np.cumsum(prior_of(changes.lines_added[suspects])[member][order])]

    def key(self, where: IntArray, at: IntArray) -> IntArray:
        return where * self._length + np.clip(at - self._start, 0, self._length - 1)

    def suspicion(self, where: IntArray, at: IntArray) -> FloatArray:
        """Sum of the priors of the changes that could have caused an outcome there and then."""
        first = np.searchsorted(self._keys, self.key(where, at - self._followup), side="left")
        last = np.searchsorted(self._keys, self.key(where, at), side="right")
        found: FloatArray = np.where(at >= self._start, self._total[last] - self._total[first], 0.0)
        return np.where(last > first, found, 0.0)


def _listed(services: NameLists, who: IntArray) -> tuple[IntArray, IntArray]:
    """(position in ``who``, service from 1 or :data:`ANYWHERE`): each change stands anywhere, and in its services."""
    counts = services.counts[who]
    member = np.repeat(np.arange(who.size), counts)
    offset = np.arange(member.size) - np.repeat(np.cumsum(counts) - counts, counts)
    codes = services.codes[services.starts[who][member] + offset]
    everyone = np.arange(who.size)
    return np.r_[everyone, member], np.r_[np.full(who.size, ANYWHERE), codes + 1].astype(np.int64)


def _standing(query: MetricQuery, grid: Grid, services: NameLists) -> tuple[IntArray, IntArray]:
    """As :func:`_listed` for the places of a grid: a row by service, or a filter, sees the services that it names."""
    member, where = _listed(services, grid.who)
    fits = where == ANYWHERE
    wanted = np.ones(len(services.names) + 1, dtype=bool)
    if "service" in query.filters:
        wanted[1:] = [name in query.filters["service"] for name in services.names]
    named = grid.service[member]
    fits |= wanted[where] & ((named < 0) | (named + 1 == where))
    return member[fits], where[fits]
