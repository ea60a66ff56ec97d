"""What the figures can see: how many changes are tagged, traced, revisioned, and where the outcomes went.

Stands beside every answer, and is a metric of its own.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from correlator.estimates import BoolArray, IntArray
from correlator.metric_cells import ARMS, arm_names, buckets_of, cohort_of, grid_of, selected
from correlator.metric_data import NEVER, MetricData
from correlator.metric_failures import DENSE, INCIDENT, Masses, counted_of, kinds_of
from correlator.metric_figures import Asked, Found, figure, share_rows
from correlator.metric_queries import MetricQuery, MetricRow, unix_us
from schemas.vocabulary import Caveat, Origin

TAGGED_MIN = 0.5
UNKNOWN_MAX = 0.3
UNATTRIBUTED_MAX = 0.3
DETECTION_GAP_MAX = 0.1
DETECTION = ("services_with_traces", "services_with_revision", "failures_visible")
"""Shares of changes by which the arms are compared: one arm's failures may be easier to see."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What is known about each change: one array per figure of coverage."""

    tagged: BoolArray
    unknown: BoolArray
    automation: BoolArray
    traced: BoolArray
    revisioned: BoolArray
    visible: BoolArray

    def shares(self, who: IntArray) -> dict[str, float | None]:
        """Shares over the changes ``who``; the first two leave automation out. None without such changes."""
        people = who[~self.automation[who]]
        return {
            "tagged_share": _share(self.tagged[people]),
            "unknown_share": _share(self.unknown[people]),
            "automation_share": _share(self.automation[who]),
            "services_with_traces": _share(self.traced[who]),
            "services_with_revision": _share(self.revisioned[who]),
            "failures_visible": _share(self.visible[who]),
        }


def sight_of(data: MetricData) -> Sight:
    """Tagged: evidence says ai, mixed or human; a policy of assuming is no evidence.

    Visible: it ran where there are traces that name the revision, and where an incident was ever reported. An incident
    that names no service comes of a source that speaks for all of them.
    """
    changes = data.change_columns
    unknown = changes.origin.codes == changes.origin.code(Origin.UNKNOWN)
    automation = changes.origin.codes == changes.origin.code(Origin.AUTOMATION)
    reporting = tuple(data.incident_columns.service.names)
    reported = np.full(changes.count, "" in reporting) | changes.services.holding(
        tuple(filter(None, reporting))
    )
    return Sight(
        tagged=~unknown & ~automation & ~changes.is_assumed,
        unknown=unknown,
        automation=automation,
        traced=changes.has_traces,
        revisioned=changes.has_revision,
        visible=changes.has_traces & changes.has_revision & reported,
    )


def block(query: MetricQuery, data: MetricData, who: IntArray, masses: Masses | None) -> dict[str, Any]:
    """The ``coverage`` of an answer: over all its changes, and per arm."""
    sight = sight_of(data)
    arm = arm_names(data.change_columns, query.ai_share_min).codes
    found: dict[str, Any] = {
        "changes": int(who.size),
        **sight.shares(who),
        "outcomes": masses.outcome_count if masses else None,
        "attributed_mass": masses.attributed if masses else None,
        "no_change_mass": masses.no_change if masses else None,
        "unattributed_mass": masses.unattributed if masses else None,
    }
    found["by_arm"] = {
        name: {"changes": int((arm[who] == k).sum()), **_detection(sight, who[arm[who] == k])}
        for k, name in enumerate(ARMS)
    }
    return found


def _detection(sight: Sight, who: IntArray) -> dict[str, float | None]:
    shares = sight.shares(who)
    return {key: shares[key] for key in DETECTION}


def caveats_of(data: MetricData, who: IntArray, covered: dict[str, Any], masses: Masses | None) -> set[str]:
    """Codes that follow from coverage; see METRICS.md for the bounds."""
    codes: set[str] = set()
    tagged, unknown = covered["tagged_share"], covered["unknown_share"]
    if tagged is not None and tagged < TAGGED_MIN:
        codes.add(Caveat.LOW_TAG_COVERAGE)
    if unknown is not None and unknown > UNKNOWN_MAX:
        codes.add(Caveat.HIGH_UNKNOWN)
    if bool(data.change_columns.is_assumed[who].any()):
        codes.add(Caveat.ASSUMED_HUMAN)
    if masses is None:
        return codes
    if masses.unattributed is not None and masses.unattributed > UNATTRIBUTED_MAX:
        codes.add(Caveat.HIGH_UNATTRIBUTED)
    if masses.has_lottery:
        codes.add(Caveat.UNCALIBRATED_WEIGHTS)
    if data.has_sampled_traces:
        codes.add(Caveat.SAMPLED_TRACES)
    arms = [covered["by_arm"][name] for name in ARMS[:2]]
    for key in DETECTION:
        pair = [arm[key] for arm in arms]
        if None not in pair and abs(pair[0] - pair[1]) > DETECTION_GAP_MAX:
            codes.add(Caveat.UNEQUAL_DETECTION)
    return codes


def coverage(asked: Asked) -> Found:
    """One row per figure and cell: shares of changes first deployed in the window, and masses of its outcomes."""
    query, data = asked.query, asked.data
    changes, sight = data.change_columns, sight_of(data)
    cohort = cohort_of(query, data, asked.window_days)
    deployed = np.union1d(cohort.mature, cohort.immature).astype(np.int64)
    people = deployed[~sight.automation[deployed]]
    landed = np.flatnonzero(
        selected(query, changes)
        & (changes.landed_at >= unix_us(query.from_))
        & (changes.landed_at < min(unix_us(query.to), asked.as_of_us + 1))
    )
    was_deployed = (changes.deployed_at != NEVER) & (changes.deployed_at <= asked.as_of_us)
    rows = []
    for name, who, at, hit in (
        ("tagged_share", people, changes.deployed_at, sight.tagged),
        ("unknown_share", people, changes.deployed_at, sight.unknown),
        ("automation_share", deployed, changes.deployed_at, sight.automation),
        ("services_with_traces", deployed, changes.deployed_at, sight.traced),
        ("services_with_revision", deployed, changes.deployed_at, sight.revisioned),
        ("failures_visible", deployed, changes.deployed_at, sight.visible),
        ("deployed_share", landed, changes.landed_at, was_deployed),
    ):
        rows += _rows(asked, name, who, at, hit)
    kinds = kinds_of(query, (*INCIDENT, *DENSE))
    masses = counted_of(query, data, cohort, kinds).masses
    if not query.group_by and query.interval is None:
        for name, value in (
            ("attributed_mass", masses.attributed),
            ("no_change_mass", masses.no_change),
            ("unattributed_mass", masses.unattributed),
        ):
            n = masses.outcome_count
            mass = None if value is None else value * n
            row = figure(
                buckets_of(query).names[0],
                {"figure": name},
                value=value,
                low=value,
                high=value,
                numerator=mass,
                denominator=float(n),
                n=n,
                min_n=asked.min_n,
                cohort_min=0,
            )
            rows.append(row)
    rows.sort(key=lambda row: row.time)
    return Found(rows, "wilson", changes=deployed, masses=masses)


def _rows(asked: Asked, name: str, who: IntArray, at: IntArray, hit: BoolArray) -> list[MetricRow]:
    grid = grid_of(asked.query, asked.data.change_columns, who, at)
    rows = share_rows(asked, grid, hit)
    return [replace(row, groups={**row.groups, "figure": name}) for row in rows]


def _share(hits: BoolArray) -> float | None:
    return round(float(hits.mean()), 6) if hits.size else None
