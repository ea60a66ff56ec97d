"""Attribution held against what the team said later, failure by failure, each answered blind as of its onset.

A case is one failure group or incident with a label of :mod:`correlator.hindsight`. Beside our answer stand two rules
that other products use: the newest commit of the last deployment before the onset, and who last wrote the line of the
top in-app frame at the head of the mainline. The figures are made in :mod:`correlator.backtest_figures`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from correlator.blind import BlindAnswer, Rewind
from correlator.hindsight import Hindsight, Label
from correlator.mainlines import Mainline
from correlator.suspects import strongest
from correlator.traffic import hour
from schemas.records import CommitSha, RepositoryName, RepositoryPort, Suspect
from schemas.vocabulary import Candidate

Row = Mapping[str, Any]

AFTER = timedelta(hours=1)
"""By default an answer is asked for this long after the onset: a person looks by then."""

_MOMENT = timedelta(microseconds=1)
SHOWN_MAX = 4
"""Suspects of a case that are told."""


@dataclass(frozen=True, slots=True)
class Case:
    """One labelled failure and what was said of it. ``row``: as told to people, see :func:`cases`.

    ``rank``: of the truth among the named candidates, 1 for the heaviest, None when it is not among them. ``mass``: on
    the truth. ``top``: sha of the heaviest named candidate, '' for no change, None when nobody is named.
    """

    label: Label
    row: dict[str, Any]
    rank: int | None
    mass: float
    top: str | None
    confidence: float

    @property
    def is_right(self) -> bool:
        return self.rank == 1

    @property
    def cluster(self) -> str:
        """Cases of one cause stand and fall together."""
        return " ".join(sorted(self.label.changes)) or str(self.row["id"])


def cases(
    present: Hindsight, rewind: Rewind, port: RepositoryPort, *, after: timedelta, as_of: datetime
) -> tuple[list[Case], dict[str, int]]:
    """Every case in the order of onset, and how many failures there are: ``{groups, incidents, groups_labelled,
    incidents_labelled, told_before}``.

    ``told_before``: labelled failures whose truth could be seen before they were reported; they are no cases.

    Returns:
        ``Case.row``: ``{subject, id, title, service, environment, onset_at, as_of, label {kind, detail, changes,
        is_range}, said [{candidate, sha, subject, weight, evidence}], rank, mass, top, confidence, led_by, is_right,
        why, peers {newest_deployed, blamed_at_head}}``.
    """
    of_group, of_incident = present.labels()
    is_outcome = present.is_outcome
    judge = _Judge(present, port)
    found: list[Case] = []
    counts = {
        "groups": sum(is_outcome.values()),
        "incidents": sum(1 for s in present.states if s["duplicate_of"] is None),
        "groups_labelled": 0,
        "incidents_labelled": 0,
        "told_before": 0,
    }
    for group in present.groups:
        group_id = group.row["group_id"]
        label = of_group.get(group_id) if is_outcome[group_id] else None
        if label is None:
            continue
        counts["groups_labelled"] += 1
        onset = group.row["first_seen_at"]
        if group.row["detector"] is not None:
            # What is found in hourly counts comes when its hour has ended.
            onset = hour(onset) + timedelta(hours=1)
        asked_at = _asked_at(onset, after, label, as_of)
        if asked_at is None:
            counts["told_before"] += 1
            continue
        head = {"subject": "group", "id": group_id, "title": group.row["title"]}
        where = {"service": group.row["service"], "environment": group.row["environment"]}
        found.append(
            judge.case(head | where | {"onset_at": onset}, label, rewind.of_group(group_id, asked_at))
        )
    reported = present.reported_at()
    for state in present.states:
        label = of_incident.get(state["incident_id"])
        if label is None:
            continue
        counts["incidents_labelled"] += 1
        onset = max(state["opened_at"], reported[state["incident_id"]])
        asked_at = _asked_at(onset, after, label, as_of)
        if asked_at is None:
            counts["told_before"] += 1
            continue
        head = {"subject": "incident", "id": state["incident_id"], "title": state["title"]}
        where = {"service": state["service"], "environment": state["environment"]}
        answer = rewind.of_incident(state["incident_id"], asked_at)
        found.append(judge.case(head | where | {"onset_at": onset}, label, answer))
    return sorted(found, key=lambda c: (c.row["onset_at"], c.row["subject"], c.row["id"])), counts


def _asked_at(onset: datetime, after: timedelta, label: Label, as_of: datetime) -> datetime | None:
    """``after`` the onset, or just before production could show the truth; None when it could before the onset."""
    if label.told_at is not None and label.told_at <= onset:
        return None
    bounds = [onset + after, as_of, *([label.told_at - _MOMENT] if label.told_at else [])]
    return min(bounds)


class _Judge:
    """Holds answers against labels, and asks the peer rules."""

    def __init__(self, present: Hindsight, port: RepositoryPort) -> None:
        self._present = present
        self._port = port
        self._mainlines = present.unmended()

    def case(self, head: dict[str, Any], label: Label, answer: BlindAnswer) -> Case:
        named = [s for s in answer.suspects if s.candidate is not Candidate.UNATTRIBUTED]
        truth = label.changes or {""}
        ranks = [i for i, s in enumerate(named, start=1) if (s.sha or "") in truth and s.weight > 0]
        rank = ranks[0] if ranks else None
        mass = round(sum(s.weight for s in named if (s.sha or "") in truth), 6)
        top = named[0] if named and named[0].weight > 0 else None
        row = {
            **head,
            "as_of": answer.as_of,
            "label": {
                "kind": str(label.kind),
                "detail": label.detail,
                "changes": [{"sha": sha, "subject": self._subject(sha)} for sha in sorted(label.changes)],
                "is_range": label.is_range,
            },
            "said": [self._told(s) for s in answer.suspects[:SHOWN_MAX] if s.weight > 0],
            "rank": rank,
            "mass": mass,
            "top": (top.sha or "no_change") if top else None,
            "confidence": top.weight if top else 0.0,
            "led_by": _led_by(top),
            "is_right": rank == 1,
            "why": None if rank == 1 else self._why(label, answer, named, rank),
            "peers": self._peers(head, answer),
        }
        return Case(
            label=label,
            row=row,
            rank=rank,
            mass=mass,
            top=(top.sha or "") if top else None,
            confidence=top.weight if top else 0.0,
        )

    def _subject(self, sha: str | None) -> str | None:
        change = self._present.changes.get(sha or "")
        return change["subject"] if change else None

    def _told(self, suspect: Suspect) -> dict[str, Any]:
        return {
            "candidate": str(suspect.candidate),
            "sha": suspect.sha,
            "subject": self._subject(suspect.sha),
            "weight": suspect.weight,
            "evidence": [
                {"kind": str(p.kind), "log_lr": p.log_lr, "detail": p.detail} for p in suspect.evidence
            ],
        }

    # --- why it was wrong -----------------------------------------------------------------------------

    def _why(self, label: Label, answer: BlindAnswer, named: Sequence[Suspect], rank: int | None) -> str:
        if answer.group is None and not named:
            return "nothing that had failed by then could be linked to it"
        if not label.changes:
            top = named[0]
            return f"a change was blamed though none was at fault: {_reasons(top)}"
        if rank is not None:
            truth = next(s for s in named if s.sha in label.changes)
            return f"outweighed: the heavier one has {_reasons(named[0])}; the true one {_reasons(truth)}"
        return self._why_missing(label, answer)

    def _why_missing(self, label: Label, answer: BlindAnswer) -> str:
        shas = sorted(label.changes)
        if {c.change["sha"] for c in answer.listed} & label.changes:
            return "the true change was a candidate, and too light to be told: nothing pointed to it then"
        if answer.group is None:
            return "no failure that had been seen by then explains it, and its words name no such change"
        row = answer.group.row
        if row["onset_sha"] is None:
            return f"the revision of {row['service']} that failed is not known"
        change = self._present.changes.get(shas[0])
        if change is None:
            return "the true change is not on a mainline that we mirror"
        if change["repository"] != row["repository"]:
            return f"the true change is in {change['repository']}, which the failing trace does not show"
        intervals = answer.timeline.of(row["service"], row["environment"])
        mainline = self._mainlines[change["repository"]]
        back = [
            i
            for i, interval in enumerate(
                reversed([r for r in intervals if r["started_at"] <= row["first_seen_at"]])
            )
            if _carries(interval, change, mainline)
        ]
        if not back:
            return "no deployment that we know of brought the true change: it is older than what we have seen"
        if back[0] == 0:
            return f"the true change touches no file of {row['service']}"
        return f"the true change came {back[0]} deployments before the onset, and no frame was written by it"

    # --- the peer rules -------------------------------------------------------------------------------

    def _peers(self, head: Row, answer: BlindAnswer) -> dict[str, str | None]:
        """sha that each rule blames, None where it has no answer."""
        row = answer.group.row if answer.group else None
        service = row["service"] if row else head["service"]
        at = row["first_seen_at"] if row else head["onset_at"]
        environment = (row["environment"] if row else head["environment"]) or ""
        running = answer.timeline.at(service, environment, at) if service else None
        code = self._present.code.get(service or "")
        mainline = self._mainlines.get((code.repository if code else None) or "")
        newest = mainline.landing(running["sha"]) if mainline and running and running["sha"] else None
        return {"newest_deployed": newest, "blamed_at_head": self._blamed_at_head(answer, mainline)}

    def _blamed_at_head(self, answer: BlindAnswer, mainline: Mainline | None) -> str | None:
        group = answer.group
        if group is None or mainline is None or not group.row["repository"]:
            return None
        frame = next((f for f in group.frames if f["in_app"] and f["path"] and f["line"]), None)
        landed = [c for c in mainline.changes if c["landed_at"] <= answer.as_of]
        if frame is None or not landed:
            return None
        head = CommitSha(landed[-1]["sha"])
        lines = self._port.blame(
            RepositoryName(group.row["repository"]), head, frame["path"], (frame["line"],)
        )
        found = lines.get(frame["line"])
        return mainline.landing(found.sha) if found else None


def _carries(interval: Row, change: Row, mainline: Mainline) -> bool:
    until = mainline.position(interval["sha"]) if interval["sha"] else None
    after = mainline.position(interval["previous_sha"]) if interval["previous_sha"] else None
    return until is not None and after is not None and after < change["position"] <= until


def _led_by(top: Suspect | None) -> str:
    """The kind of the strongest evidence for the answer."""
    if top is None:
        return "nothing"
    kept = [piece for piece in strongest(top.evidence) if piece.log_lr > 0]
    return str(kept[0].kind) if kept else "prior"


def _reasons(suspect: Suspect) -> str:
    pieces = strongest(suspect.evidence)[:3]
    said = ", ".join(f"{piece.kind} {piece.log_lr:+.1f}" for piece in pieces)
    return f"{said or 'the prior alone'} ({suspect.weight:.2f})"
