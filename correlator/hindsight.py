"""What the team itself said later of its failures: reverts, fixes with a reference, rollbacks, post-mortems and verdicts.

These are labels for :mod:`correlator.backtest`. A label is kept only where its story holds: the change ran in the failing
service when the failure began, and the failure went on until the mend was in force and was not seen after it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any

from correlator import drift_groups, failing_code, incident_states, mainlines
from correlator.evidence_in_time import ENDED_MARGIN, Circumstances
from correlator.failure_groups import FailureGroup, ServiceCode
from correlator.inference import Inference
from correlator.mainlines import Mainline
from correlator.revisions import Timeline, touches
from correlator.traffic import Operation, hour
from schemas.records import CommitSha
from schemas.vocabulary import Candidate

Row = Mapping[str, Any]

MAIN_LINK_MIN = 0.5
"""A group that explains less of an incident than this shares no label with it."""

EXPECTED_MIN = 3.0
"""Failures that silence must have swallowed to be one: exp(-3) is a twentieth."""

SILENCE_MIN = timedelta(hours=24)
"""Where nothing is known of the traffic: how long a failure must be gone, and how shortly before the mend it may stop."""


class LabelKind(StrEnum):
    """Who says which change it was, the surest first: of a failure that several tell of, the first kind counts."""

    VERDICT = "verdict"
    NAMED = "named"
    FALSE_ALARM = "false_alarm"
    REVERT = "revert"
    FIX = "fix"
    ROLLBACK = "rollback"


_ORDER = {kind: index for index, kind in enumerate(LabelKind)}


@dataclass(frozen=True, slots=True)
class Label:
    """What is held to be true of one failure group or incident.

    ``changes``: mainline commits, any of which is the truth; empty: no change is to blame. ``is_range``: all that a
    rollback took back, of which nobody said which one it was. ``told_at``: when the telling fact could first be seen in
    production; None where it is text alone, which a blind answer never reads.
    """

    kind: LabelKind
    changes: frozenset[str]
    detail: str
    is_range: bool = False
    told_at: datetime | None = None


class Hindsight(Inference):
    """An inference over all that is known now, to be asked for labels."""

    def labels(self) -> tuple[dict[str, Label], dict[str, Label]]:
        """(group id -> label, incident id -> label); failures of which nobody told are in neither."""
        of_group = {g.row["group_id"]: found for g in self._groups if (found := self._of_group(g))}
        of_incident: dict[str, Label] = {}
        for answer in self._answers:
            incident = answer.state["incident_id"]
            if answer.state["duplicate_of"] is not None:
                continue
            links = self._links[incident]
            main = links[0].group_id if links and links[0].weight >= MAIN_LINK_MIN else None
            own = self._of_incident(incident)
            shared = of_group.get(main) if main else None
            found = own if shared is None or (own and _ORDER[own.kind] < _ORDER[shared.kind]) else shared
            if found is None:
                continue
            of_incident[incident] = found
            is_alone = main is not None and self._opened_after(incident, main)
            if own is found and main and is_alone and found.kind is not LabelKind.FALSE_ALARM:
                of_group[main] = _surest([*([shared] if shared else []), found])
        return of_group, of_incident

    # --- what answers for the past share with it ------------------------------------------------------

    @property
    def groups(self) -> Sequence[FailureGroup]:
        return self._groups

    @property
    def is_outcome(self) -> Mapping[str, bool]:
        """group id -> whether it counts as a failure."""
        production = self._settings.production_environments
        return {
            g.row["group_id"]: g.row["detector"] not in drift_groups.UNCOUNTED
            and g.row["environment"] in production
            for g in self._groups
        }

    @property
    def operations(self) -> set[Operation]:
        """Whose traffic the groups ask for."""
        return {
            (g.row["service"], g.row["environment"], name)
            for g in self._groups
            for name in (g.row["operation"], *([None] if g.row["detector"] else []))
        }

    @property
    def resolved(self) -> dict[tuple[str, str, str], CommitSha | None]:
        return self._resolved

    @property
    def codes(self) -> failing_code.Codes:
        return self._codes

    @property
    def paths_of(self) -> dict[tuple[str, str], Sequence[str]]:
        return self._paths_of

    @property
    def changes(self) -> dict[str, Row]:
        return self._changes

    @property
    def placed(self) -> list[dict[str, Any]]:
        return self._placed

    @property
    def code(self) -> Mapping[str, ServiceCode]:
        return self._code

    @property
    def timeline(self) -> Timeline:
        return self._timeline

    @property
    def states(self) -> Sequence[dict[str, Any]]:
        return [a.state for a in self._answers]

    def state(self, incident: str) -> dict[str, Any]:
        """A row of ``incident_states.fold``."""
        return self._states_by_id[incident]

    def reported_at(self) -> dict[str, datetime]:
        """incident id -> when its first event occurred."""
        found: dict[str, datetime] = {}
        for event in self._facts.incident_events:
            name = incident_states.incident_id(event["source"], event["external_id"])
            found[name] = min(found.get(name, event["occurred_at"]), event["occurred_at"])
        return found

    def callees(self, group_id: str) -> Sequence[str]:
        return self._samples[group_id].callees

    def unmended(self) -> dict[str, Mainline]:
        """The mainlines without what changes say of each other."""
        told = (
            {**c, "reverts": [], "fixes": []} if c["reverts"] or c["fixes"] else c
            for c in self._changes.values()
        )
        return mainlines.by_repository(told, self._branch)

    def mainline(self, repository: str, changes: Sequence[Row]) -> Mainline:
        """The first of a repository's changes as a mainline."""
        return mainlines.by_repository(changes, self._branch).get(repository, Mainline(()))

    # --- labels ---------------------------------------------------------------------------------------

    def _opened_after(self, incident: str, group_id: str) -> bool:
        return bool(self._states_by_id[incident]["opened_at"] >= self._by_id[group_id].row["first_seen_at"])

    @cached_property
    def _states_by_id(self) -> dict[str, dict[str, Any]]:
        return {s["incident_id"]: s for s in self._states}

    @cached_property
    def _by_id(self) -> dict[str, FailureGroup]:
        return {g.row["group_id"]: g for g in self._groups}

    def _of_incident(self, incident: str) -> Label | None:
        state = self._states_by_id[incident]
        verdicts = [row for row in self._facts.verdicts if row["incident_id"] == incident]
        if verdicts:
            newest = verdicts[-1]
            is_change = Candidate(newest["candidate"]) is Candidate.CHANGE
            changes = frozenset({newest["sha"]}) if is_change else frozenset[str]()
            return Label(LabelKind.VERDICT, changes, newest["reason"] or "decided by a person")
        named = self._named_by(state)
        if named:
            source = "the post-mortem" if state["postmortem"] else "the incident"
            return Label(LabelKind.NAMED, named, f"{source} names {_short(named)}")
        if state["is_declared_false"]:
            return Label(LabelKind.FALSE_ALARM, frozenset(), "people said that nothing had failed")
        return None

    def _of_group(self, group: FailureGroup) -> Label | None:
        found = [*self._mended(group), *self._rolled_back(group)]
        return _surest(found) if found else None

    def _mended(self, group: FailureGroup) -> Iterable[Label]:
        """Reverts and fixes after which the failure was not seen again, of changes that ran when it began."""
        row, around = group.row, self._around[group.row["group_id"]]
        best: dict[LabelKind, tuple[timedelta, str, Label]] = {}
        services = [row["service"], *self._samples[row["group_id"]].callees]
        for service in services:
            code = self._code.get(service)
            mainline = self._mainlines.get((code.repository if code else None) or "")
            running = self._timeline.at(service, row["environment"], row["first_seen_at"])
            until = mainline.position(running["sha"]) if mainline and running and running["sha"] else None
            if code is None or mainline is None or until is None:
                continue
            others = sorted({c.path for c in self._code.values() if c.repository == code.repository})
            for mend in mainline.menders():
                at = self._in_force(mend, service, row["environment"])
                if at is None or not _ended_by(group, around, at, self._facts.as_of):
                    continue
                for kind, victims in ((LabelKind.REVERT, mend["reverts"]), (LabelKind.FIX, mend["fixes"])):
                    ran = frozenset(
                        v
                        for v in victims
                        if self._ran(mainline, v, until, code.path, others, code.repository)
                    )
                    if not ran:
                        continue
                    verb = "reverted" if kind is LabelKind.REVERT else "named as mended"
                    detail = f"{_short(ran)} {verb} by {mend['sha'][:10]}, and the failure was not seen again"
                    label = Label(kind, ran, detail, told_at=at)
                    nearness = (abs(at - row["last_seen_at"]), mend["sha"], label)
                    if kind not in best or nearness[:2] < best[kind][:2]:
                        best[kind] = nearness
        return [label for _, _, label in best.values()]

    def _ran(
        self,
        mainline: Mainline,
        sha: str,
        until: int,
        path: str,
        others: Sequence[str],
        repository: str | None,
    ) -> bool:
        change = mainline.change(sha)
        paths = self._paths_of.get((repository or "", sha), ())
        return change is not None and change["position"] <= until and touches(paths, path, others)

    def _in_force(self, mend: Row, service: str, environment: str) -> datetime | None:
        """When the service first ran a mend; None while it does not, and where only landing is known, then."""
        found = self._timeline.environment(service, environment)
        deployed = self._deployed_at.get((mend["sha"], service, found or ""))
        if deployed is not None:
            return deployed
        is_told = bool(self._timeline.of(service, environment))
        landed: datetime = mend["landed_at"]
        return None if is_told else landed

    @cached_property
    def _deployed_at(self) -> dict[tuple[str, str, str], datetime]:
        return {
            (row["sha"], row["service"], row["environment"]): row["deployed_at"]
            for row in self._first_deployments
        }

    def _rolled_back(self, group: FailureGroup) -> Iterable[Label]:
        row, around = group.row, self._around[group.row["group_id"]]
        ended, interval = around.ended_by, around.onset_interval
        mainline = self._mainlines.get(row["repository"] or "")
        if ended is None or interval is None or not ended["is_rollback"] or mainline is None:
            return []
        if ended["previous_sha"] != interval["sha"] or not ended["sha"] or not interval["sha"]:
            return []
        after, until = mainline.position(ended["sha"]), mainline.position(interval["sha"])
        code = self._code[row["service"]]
        others = sorted({c.path for c in self._code.values() if c.repository == code.repository})
        if after is None or until is None:
            return []
        undone = frozenset(
            c["sha"]
            for c in mainline.between(after, until)
            if touches(self._paths_of.get((code.repository or "", c["sha"]), ()), code.path, others)
        )
        if not undone:
            return []
        text = f"{len(undone)} changes were" if len(undone) > 1 else f"{_short(undone)} was"
        detail = f"{text} rolled back, and the failure was not seen again"
        return [Label(LabelKind.ROLLBACK, undone, detail, len(undone) > 1, ended["started_at"])]


def _ended_by(group: FailureGroup, around: Circumstances, at: datetime, as_of: datetime) -> bool:
    """True when a failure went on until ``at``, as far as its rate tells, and was gone after it."""
    row = group.row
    first, last = row["first_seen_at"], row["last_seen_at"]
    if not first < at or last > at + ENDED_MARGIN:
        return False
    count = around.traffic.count
    during = count(since=hour(first), until=hour(last) + timedelta(hours=1))
    if not during:
        return bool(at - last <= SILENCE_MIN <= as_of - at)
    rate = min(row["failing_trace_count"] / during, 1.0)
    is_early = rate * count(since=hour(last) + timedelta(hours=1), until=hour(at)) >= EXPECTED_MIN
    silent = count(since=hour(at + ENDED_MARGIN) + timedelta(hours=1))
    return bool(not is_early and rate * silent >= EXPECTED_MIN)


def _surest(found: Sequence[Label]) -> Label:
    return min(found, key=lambda label: (_ORDER[label.kind], label.detail))


def _short(shas: Iterable[str]) -> str:
    return ", ".join(sha[:10] for sha in sorted(shas))
