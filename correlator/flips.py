"""Flags that were flipped and configuration that was changed without a commit: candidates beside the changes. Pure.

A flip is told by an event, or shown by spans: a variant that was not evaluated before, or whose share jumps. Which
variant fails is compared at the same time. Source: OpenTelemetry semantic conventions 1.44, "Feature flags".
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from math import log
from typing import Any

from correlator import environments
from correlator.failure_groups import FailureGroup
from correlator.shares import Counted, dispersion, log_bayes_factor
from correlator.suspects import CandidateChange
from correlator.weights import Weights, piece
from schemas.records import SuspectEvidence
from schemas.vocabulary import Candidate, EvidenceKind

Row = Mapping[str, Any]

HOUR = timedelta(hours=1)
SAME_FLIP = timedelta(hours=1)
"""What is told and what spans show this close together is one flip."""
LOOKED_BACK = timedelta(hours=24)
"""A flip longer ago is no candidate: what fails only then failed for another reason."""
ENDED_MARGIN = timedelta(minutes=30)
JUMP = 0.3
"""A share of evaluations that moves by so much within an hour was moved."""
EVALUATIONS_MIN = 20
STEPS = (timedelta(minutes=15), timedelta(hours=1), timedelta(hours=6))
"""How soon a failure follows a flip; the ratios of ``flipped_before`` belong to these and to later."""

_Series = dict[str, dict[datetime, tuple[int, int, datetime]]]
"""variant -> hour -> (evaluations, failing ones, first of them)."""


@dataclass(frozen=True, slots=True)
class Flip:
    """A setting that began to hold. ``service`` and ``environment`` '': all of them."""

    kind: Candidate
    key: str
    value: str
    service: str
    environment: str
    at: datetime
    is_told: bool

    @property
    def setting(self) -> str:
        """How it is shown and told apart."""
        return f"{self.key} = {self.value}" if self.value else self.key


class Flips:
    """Every flip that is known, to be asked by failure group."""

    def __init__(self, hours: Iterable[Row], events: Iterable[Row]) -> None:
        """
        Args:
            hours: rows of ``flag_hours.sql``.
            events: rows of ``setting_changes``.
        """
        self._series: dict[tuple[str, str, str], _Series] = defaultdict(lambda: defaultdict(dict))
        for row in hours:
            known = self._series[(row["service"], row["environment"], row["subject"])][row["aspect"]]
            spans, hits, first = known.get(row["hour_at"], (0, 0, row["first_seen_at"]))
            known[row["hour_at"]] = (
                spans + row["span_count"],
                hits + row["hit_count"],
                min(first, row["first_seen_at"]),
            )
        told = {
            Flip(
                Candidate(row["kind"]),
                row["key"],
                row["value"] or "",
                row["service"] or "",
                row["environment"] or "",
                row["occurred_at"],
                True,
            )
            for row in events
        }
        shown = {flip for place, series in self._series.items() for flip in _shown(place, series)}
        unknown = {flip for flip in shown if not any(_is_same(flip, other) for other in told)}
        self._flips = sorted(
            told | unknown, key=lambda f: (f.at, f.kind, f.key, f.value, f.service, f.environment)
        )

    def candidates(
        self, group: FailureGroup, *, callees: Collection[str], weights: Weights
    ) -> list[CandidateChange]:
        """Flips before the onset of ``group``, in it or in a service that it calls, each setting once, with evidence."""
        row = group.row
        found: dict[tuple[Candidate, str], Flip] = {}
        for flip in self._flips:
            age = row["first_seen_at"] - flip.at
            is_there = not flip.service or flip.service == row["service"] or flip.service in callees
            is_same = not flip.environment or environments.is_same(flip.environment, row["environment"])
            if timedelta(0) <= age <= LOOKED_BACK and is_there and is_same:
                found[(flip.kind, flip.setting)] = flip
        return [
            CandidateChange(
                flip.setting,
                weights.prior["flip_share"],
                tuple(self._evidence(flip, group, weights)),
                flip.kind,
            )
            for _, flip in sorted(found.items())
        ]

    def _evidence(self, flip: Flip, group: FailureGroup, weights: Weights) -> list[SuspectEvidence]:
        row = group.row
        age = row["first_seen_at"] - flip.at
        step = sum(age > limit for limit in STEPS)
        minutes = round(age.total_seconds() / 60)
        text = f"{flip.setting} began to hold {minutes} minutes before the failure"
        found = [piece(EvidenceKind.FLIPPED_BEFORE, weights, text, step=step, setting=flip.setting)]
        found += self._of_variants(flip, group, weights)
        back = next(
            (
                other
                for other in self._flips
                if other.key == flip.key
                and other.value != flip.value
                and _is_one_place(flip, other)
                and other.at > row["first_seen_at"]
            ),
            None,
        )
        if back is not None and row["last_seen_at"] <= back.at + ENDED_MARGIN:
            text = f"{back.setting} followed, and the failure was not seen again"
            found.append(piece(EvidenceKind.FLIPPED_BACK_AFTER, weights, text))
        return found

    def _of_variants(self, flip: Flip, group: FailureGroup, weights: Weights) -> list[SuspectEvidence]:
        """The variants, compared in the hours since the flip in which several were evaluated."""
        service = flip.service or group.row["service"]
        series = next(
            (
                found
                for (name, environment, key), found in sorted(self._series.items())
                if (name, key) == (service, flip.key)
                and environments.is_same(environment, group.row["environment"])
            ),
            None,
        )
        own = series.get(flip.value, {}) if series else {}
        ours, theirs, each = [0, 0], [0, 0], []
        for hour in sorted(own):
            beside = [at[hour] for value, at in (series or {}).items() if value != flip.value and hour in at]
            if hour + HOUR > flip.at and beside:
                ours = [ours[0] + own[hour][1], ours[1] + own[hour][0]]
                theirs = [theirs[0] + sum(b[1] for b in beside), theirs[1] + sum(b[0] for b in beside)]
                each.append(Counted(own[hour][1], own[hour][0]))
        if not each:
            return []
        one, other = Counted(ours[0], ours[1]), Counted(theirs[0], theirs[1])
        factor = log_bayes_factor(one, other, dispersion=dispersion(each))
        text = f"{one.failed} of {one.total} spans with {flip.setting} fail, {other.failed} of {other.total} with another variant"
        if factor > 0 and one.share > other.share:
            value = min(factor, log(weights.maximum("variant_fails_max")))
        elif factor < 0 and (one.failed or other.failed):
            value = max(factor, -log(weights.maximum("variants_alike_max")))
        else:
            return []
        return [piece(EvidenceKind.VARIANT_FAILS, weights, text, log_lr=value)]


def _shown(place: tuple[str, str, str], series: _Series) -> Iterable[Flip]:
    """Flips that evaluations show: a variant beside or behind others that was not there, or a share that jumps."""
    service, environment, key = place
    totals: dict[datetime, int] = defaultdict(int)
    for at in series.values():
        for hour, (spans, _, _) in at.items():
            totals[hour] += spans
    first_of_all = min(first for at in series.values() for _, _, first in at.values())
    for value, at in series.items():
        hours = sorted(at)
        first = min(at[hour][2] for hour in hours)
        if first > first_of_all:
            yield Flip(Candidate.FLAG, key, value, service, environment, first, False)
        ordered = sorted(totals)
        for before, hour in pairwise(ordered):
            was = at[before][0] / totals[before] if before in at else 0.0
            now = at[hour][0] / totals[hour] if hour in at else 0.0
            is_told = min(totals[before], totals[hour]) >= EVALUATIONS_MIN
            if is_told and now - was >= JUMP and hour > first:
                yield Flip(Candidate.FLAG, key, value, service, environment, at[hour][2], False)


def _is_one_place(one: Flip, other: Flip) -> bool:
    is_service = not one.service or not other.service or one.service == other.service
    return is_service and environments.is_same(one.environment, other.environment)


def _is_same(shown: Flip, told: Flip) -> bool:
    is_value = not told.value or told.value == shown.value
    is_near = abs(shown.at - told.at) <= SAME_FLIP
    return told.key == shown.key and is_value and is_near and _is_one_place(shown, told)
