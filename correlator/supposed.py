"""A failure whose revision nobody names, looked at as if each revision that may have run had: the answers are mixed.

Where the plausible revisions agree nothing is lost; where they do not, weights spread as they do. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from math import exp, fsum
from typing import Any

from correlator import suspects
from correlator.failure_groups import FailureGroup, Supposed
from correlator.lead_times import Heads
from correlator.plausible import Posterior
from correlator.revisions import Timeline
from schemas.records import Suspect, SuspectEvidence
from schemas.vocabulary import EvidenceKind

Row = Mapping[str, Any]

DEPLOYMENTS_SUPPOSED = 6
"""Deployments made up behind the last known one: as many as candidates are looked for in."""

UNNAMED_AGE = timedelta(days=1)
"""How long before the first known revision the one before it is taken to have begun; nothing is asked of its age."""

AT_REVISION = frozenset(
    {
        EvidenceKind.BLAMED_LINE,
        EvidenceKind.OLDER_THAN_RANGE,
        EvidenceKind.CHANGED_FUNCTION,
        EvidenceKind.CHANGED_FILE,
        EvidenceKind.UNTOUCHED,
    }
)
"""Evidence that is read at the running revision."""


def group_at(group: FailureGroup, one: Supposed) -> FailureGroup:
    """The group as it is if ``one`` ran."""
    return replace(group, row={**group.row, "onset_sha": one.sha}, frames=list(one.frames), supposed=())


def timeline_at(group: FailureGroup, one: Supposed, timeline: Timeline, posterior: Posterior) -> Timeline:
    """The timeline as it is if ``one`` ran at the onset: what is known until then, and behind it deployments of the usual
    size and delay that lead to ``one``."""
    row = group.row
    service, environment, onset = row["service"], row["environment"], row["first_seen_at"]
    heads = posterior.heads(service, environment)
    known = [r for r in timeline.of(service, environment) if r["started_at"] <= onset]
    unnamed = known[-1]["started_at"] if known and known[-1]["sha"] is None else None
    told = [r for r in known if r["sha"] is not None]
    if heads is None or (told and told[-1]["sha"] == one.sha):
        return timeline.supposing(service, environment, told)
    made = _made_up(
        heads,
        posterior.head_of(service, environment, one.sha),
        floor=posterior.head_of(service, environment, told[-1]["sha"]) if told else -1,
        after=told[-1] if told else None,
        batch=posterior.batch(service, environment),
        lead=posterior.lead(service, environment),
        onset=onset,
        began=unnamed,
    )
    common = {"service": service, "environment": environment, "repository": row["repository"]}
    supposed = [{**common, "revision": None, "is_rollback": False, "deployment_id": None, **r} for r in made]
    ended = [{**r, "ended_at": min(r["ended_at"] or onset, onset)} for r in told]
    return timeline.supposing(service, environment, [*ended, *supposed])


def timeline_after(interval: Row, one: Supposed, timeline: Timeline) -> Timeline:
    """The timeline as it is if ``one`` ran before the first known interval."""
    service, environment = interval["service"], interval["environment"]
    before = {
        **interval,
        "started_at": interval["started_at"] - UNNAMED_AGE,
        "ended_at": interval["started_at"],
        "revision": None,
        "sha": one.sha,
        "previous_sha": None,
        "is_rollback": False,
        "basis": "supposed",
        "deployment_id": None,
    }
    rows = [
        {**row, "previous_sha": one.sha} if row["started_at"] == interval["started_at"] else row
        for row in timeline.of(service, environment)
    ]
    return timeline.supposing(service, environment, [before, *rows])


def _made_up(
    heads: Heads,
    index: int,
    *,
    floor: int,
    after: Row | None,
    batch: int,
    lead: timedelta,
    onset: datetime,
    began: datetime | None,
) -> list[dict[str, Any]]:
    """Rows of supposed intervals that end in the head at ``index``, oldest first; the one at ``floor`` ran in ``after``."""
    since = after["started_at"] if after else None
    rows: list[dict[str, Any]] = []
    until: datetime = onset
    while index > floor and len(rows) < DEPLOYMENTS_SUPPOSED:
        previous = max(index - batch, floor, min(index, 1) - 1)
        started_at = began if began is not None and not rows else heads.landed_at(index) + lead
        # Each before the next, and all of them behind what is known.
        started_at = min(started_at, until - timedelta(microseconds=1))
        if since is not None and started_at <= since:
            started_at = since + (until - since) / 2
        older = after["sha"] if after is not None and previous == floor else None
        if older is None and previous >= 0:
            older = heads.changes[previous]["sha"]
        rows.append(
            {
                "started_at": started_at,
                "ended_at": until if rows else None,
                "sha": heads.changes[index]["sha"],
                "previous_sha": older,
                "basis": "supposed",
            }
        )
        until, index = started_at, previous
    return rows[::-1]


def mixed(parts: Sequence[tuple[Supposed, Sequence[Suspect], float]]) -> list[Suspect]:
    """The suspects of a group by those that it has at each revision which may have run; evidence says at which.

    A revision at which the evidence fits is the likelier one: a line that the revert names cannot fail before it is written.

    Args:
        parts: (revision, suspects if it ran, log of how likely all of the evidence is then).
    """
    if len(parts) == 1:
        return list(parts[0][1])
    highest = max(log_mass for _, _, log_mass in parts)
    masses = [one.probability * exp(log_mass - highest) for one, _, log_mass in parts]
    total = fsum(masses)
    weighed = [
        (replace(one, probability=round(mass / total, 6)), found)
        for mass, (one, found, _) in zip(masses, parts, strict=True)
    ]
    return suspects.mixed(
        [(one.probability, [_noted(suspect, one) for suspect in found]) for one, found in weighed]
    )


def _noted(suspect: Suspect, one: Supposed) -> Suspect:
    return replace(suspect, evidence=tuple(_read_at(piece, one) for piece in suspect.evidence))


def _read_at(piece: SuspectEvidence, one: Supposed) -> SuspectEvidence:
    if piece.kind not in AT_REVISION or not one.frames:
        return piece
    facts = {**piece.facts, "revision": one.sha, "probability": one.probability}
    return replace(piece, detail=f"{piece.detail}, at {one.sha[:10]}, which may have run", facts=facts)
