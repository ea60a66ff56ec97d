"""One incident's answer: its suspects from the groups that explain it, its category, and whether anything failed at all.

Later truth re-weights: what the incident names, and what a person decided. The machine's evidence stays beside it.
Source: DESIGN "Incident links"; section 8 "Masses".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from correlator import category_texts, complaints, suspects
from correlator.complaints import Complaint
from correlator.failure_groups import FailureGroup
from correlator.incident_links import CHRONIC_AGE, LEAD, Link
from correlator.paces import Pace
from correlator.unlinked import SILENT
from correlator.weights import Weights
from schemas.records import CommitSha, Suspect, SuspectEvidence
from schemas.vocabulary import Candidate, EvidenceKind, FailureCategory

Row = Mapping[str, Any]

FALSE_ALARM_MASS = 0.9
"""Mass of ``no_change`` when nothing failed in a watched service; the rest says that we may not see everything."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What we say of one incident: a row of ``incident_states`` and its suspects, whose weights sum to one."""

    state: dict[str, Any]
    suspects: tuple[Suspect, ...]
    group_of: Mapping[str | None, str]
    """sha or setting of a suspect (None: no change) -> failure group that gave most of its weight."""


def answer(
    state: Row,
    links: Sequence[Link],
    *,
    groups: Mapping[str, FailureGroup],
    group_suspects: Mapping[str, Sequence[Suspect]],
    duplicate_of: str | None,
    is_watched: bool,
    pace: Pace,
    unlinked: Sequence[Suspect],
    verdict: Row | None,
    weights: Weights,
) -> Answer:
    """Fold the linked groups' suspects into the incident's.

    Args:
        links: of this incident, heaviest first.
        is_watched: its service sent spans around the incident, so that a failure would have been seen.
        pace: what durations say while it was open, if it is about slowness.
        unlinked: suspects by its words alone, for an incident without links.
        verdict: newest row of ``verdicts`` for it, or None.
    """
    main = groups[links[0].group_id] if links else None
    category, reason = _category(state, main)
    is_false_alarm = is_false(state, is_linked=bool(links), is_watched=is_watched, pace=pace, verdict=verdict)
    if _is_quiet(state, is_linked=bool(links), is_watched=is_watched, pace=pace):
        # Its words say what was alarmed about; what did not fail has not failed in some way.
        category, reason = FailureCategory.UNKNOWN, "nothing failed while it was open"
    if is_false_alarm:
        text = (
            "a person declared it false" if state["is_declared_false"] else "nothing failed while it was open"
        )
        piece = SuspectEvidence(
            EvidenceKind.FALSE_ALARM, weights.log_ratio(EvidenceKind.NAMED_BY_INCIDENT), text
        )
        found = suspects.rounded(
            [
                Suspect(Candidate.NO_CHANGE, None, FALSE_ALARM_MASS, (piece,)),
                Suspect(Candidate.UNATTRIBUTED, None, 1 - FALSE_ALARM_MASS),
            ]
        )
    elif not links:
        found = list(unlinked) or [Suspect(Candidate.UNATTRIBUTED, None, 1.0)]
    else:
        found = suspects.mixed([(link.weight, group_suspects[link.group_id]) for link in links])
    if verdict is not None:
        found = _decided(verdict, found)
    delay = _delay(state, main)
    return Answer(
        state={
            **{k: state[k] for k in _STATE_COLUMNS if k in state},
            "duplicate_of": duplicate_of,
            "is_false_alarm": is_false_alarm,
            "category": str(category),
            "category_reason": reason,
            "detection_delay_s": round(delay, 3) if delay is not None else None,
        },
        suspects=tuple(found),
        group_of=_group_of(links, group_suspects),
    )


def is_false(state: Row, *, is_linked: bool, is_watched: bool, pace: Pace, verdict: Row | None) -> bool:
    """True for a false alarm: a person said so, or nothing failed where a failure would have been seen.

    Args:
        is_linked: some failure group explains it.
        pace: what durations say while it was open, if it is about slowness.
    """
    if verdict is not None and Candidate(verdict["candidate"]) is Candidate.CHANGE:
        # Whoever says which change did it says that something was done.
        return False
    return bool(state["is_declared_false"]) or _is_quiet(
        state, is_linked=is_linked, is_watched=is_watched, pace=pace
    )


def _is_quiet(state: Row, *, is_linked: bool, is_watched: bool, pace: Pace) -> bool:
    """True when nothing failed that would have been seen, and nobody says what did."""
    is_told = bool(state["postmortem"] or state["commit_sha"])
    if is_linked or not is_watched or is_told or _category(state, None)[0] in SILENT:
        return False
    complaint = complaints.of(state)
    if complaint is Complaint.SLOWNESS:
        return pace is Pace.STEADY
    # Who is refused, or gets a wrong answer, gets one: no span fails. A named exception somebody did see.
    return complaint is Complaint.FAILURE


_STATE_COLUMNS = (
    "incident_id",
    "source",
    "external_id",
    "title",
    "service",
    "environment",
    "severity",
    "opened_at",
    "resolved_at",
    "status",
    "url",
    "labels",
)


def _delay(state: Row, main: FailureGroup | None) -> float | None:
    """Seconds from the first failing span to the incident; 0 when people were faster.

    Of a failure that had gone on for weeks, the first span that belongs to the incident counts.
    """
    if main is None:
        return None
    opened_at, began_at = state["opened_at"], main.row["first_seen_at"]
    if opened_at - began_at > CHRONIC_AGE:
        index = main.failures.before(opened_at - LEAD)
        began_at = main.failures.at(index) if index < len(main.failures) else opened_at
    return max(float((opened_at - began_at).total_seconds()), 0.0)


def _group_of(
    links: Sequence[Link], group_suspects: Mapping[str, Sequence[Suspect]]
) -> dict[str | None, str]:
    given: dict[str | None, tuple[float, str]] = {}
    for link in links:
        for suspect in group_suspects[link.group_id]:
            if suspect.candidate is not Candidate.UNATTRIBUTED:
                mass = link.weight * suspect.weight
                name = suspect.sha or suspect.setting
                if name not in given or mass > given[name][0]:
                    given[name] = (mass, link.group_id)
    return {name: group_id for name, (_, group_id) in given.items()}


def _decided(verdict: Row, found: Sequence[Suspect]) -> list[Suspect]:
    """A person's verdict takes all the mass; what the machine found stays as evidence."""
    candidate = Candidate(verdict["candidate"])
    sha = CommitSha(verdict["sha"]) if verdict["sha"] else None
    known = next((s for s in found if s.candidate is candidate and s.sha == sha), None)
    piece = SuspectEvidence(EvidenceKind.HUMAN_VERDICT, 9.0, verdict["reason"] or "decided by a person")
    return suspects.rounded([Suspect(candidate, sha, 1.0, (piece, *(known.evidence if known else ())))])


def _category(state: Row, main: FailureGroup | None) -> tuple[FailureCategory, str]:
    """Labels and words of the incident decide what spans cannot show; else the failure's own category."""
    said = category_texts.of(state)
    is_said = said.category is not FailureCategory.UNKNOWN
    if said.category is FailureCategory.COMPLIANCE_GOVERNANCE:
        return said.category, said.reason
    if main is not None and main.categories[0].category is not FailureCategory.UNKNOWN:
        return main.categories[0].category, main.categories[0].reason
    if is_said:
        return said.category, said.reason
    return FailureCategory.UNKNOWN, "neither the failure nor the incident's text says how it failed"
