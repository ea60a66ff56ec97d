"""One failure answered again as of a past time, from what is known now less all that happened later.

What is left out: later spans, deployments and incident events; every revert, fix reference and verdict whenever it was
said; that a deployment was a rollback; and what an incident says of changes. The hour that the time parts counts in
proportion; of alike failures of one minute that it parts, the first alone is left.
Read once for all times: histories, shapes of failures, hours of traffic. Pure but for what it asks its readers.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np

from correlator import drift_groups, incidents
from correlator.candidates import Listed
from correlator.drift_detectors import Finding
from correlator.failure_groups import FailureGroup
from correlator.hindsight import Hindsight
from correlator.incident_links import LEAD, SILENT_REACH, Link
from correlator.incident_states import FALSE_STATUSES
from correlator.inference import Facts, Inference, Reader
from correlator.mainlines import Mainline
from correlator.occurrences import micros
from correlator.revisions import Timeline
from correlator.shapes import Shape
from correlator.traffic import Operation
from schemas.records import RepositoryPort, Suspect
from schemas.settings import Settings
from schemas.vocabulary import EvidenceKind

Row = Mapping[str, Any]

TELLING = ("commit_sha", "pull_request", "postmortem", "duplicate_of")
"""What an incident's events say of the answer."""

LATER = frozenset(
    {
        EvidenceKind.NAMED_BY_INCIDENT,
        EvidenceKind.NAMED_BY_FIX,
        EvidenceKind.REVERTED_AFTER,
        EvidenceKind.ROLLED_BACK_AFTER,
        EvidenceKind.HUMAN_VERDICT,
    }
)
"""Evidence that a blind answer cannot have."""

_HOUR_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class BlindAnswer:
    """What would have been said. ``group``: what fails, of an incident its main group; None when nothing was seen.

    ``listed``: the candidates of ``group``. ``timeline``: what had run by then.
    """

    as_of: datetime
    suspects: tuple[Suspect, ...]
    group: FailureGroup | None
    listed: tuple[Listed, ...]
    timeline: Timeline


class Rewind:
    """Answers for the past; the present inference says which shapes and services a failure concerns."""

    def __init__(
        self, present: Hindsight, facts: Facts, reader: Reader, port: RepositoryPort, settings: Settings
    ) -> None:
        self._present = present
        self._facts = facts
        self._port = port
        self._settings = settings
        self._groups = {g.row["group_id"]: g for g in present.groups}
        self._shapes = {s.first["shape_id"]: s for s in facts.shapes}
        self._drifts = drift_groups.folded(facts.drifts)
        self._hours: dict[str, list[Row]] = defaultdict(list)
        for row in facts.service_hours:
            self._hours[row["service"]].append(row)
        self._reader = _Read(reader, present)
        self._mainlines = present.unmended()

    def of_group(self, group_id: str, as_of: datetime) -> BlindAnswer:
        """What would have been said of a failure group at ``as_of``."""
        known = self._groups[group_id]
        run = self._run([known], as_of, events=())
        found = next((g for g in run.groups if g.row["group_id"] == group_id), None)
        suspects = run.group_suspects[group_id] if found else ()
        return self._answer(run, as_of, found, suspects)

    def of_incident(self, incident_id: str, as_of: datetime) -> BlindAnswer:
        """What would have been said of an incident at ``as_of``."""
        events = [
            _untold(event)
            for event in self._facts.incident_events
            if f"{event['source']}:{event['external_id']}" == incident_id and event["occurred_at"] <= as_of
        ]
        state = self._present.state(incident_id)
        run = self._run(self._near(state, as_of), as_of, events=events)
        for answer, links in run.answers():
            main = run.group(links[0].group_id) if links else None
            return self._answer(run, as_of, main, answer.suspects)
        return self._answer(run, as_of, None, ())

    def _answer(
        self, run: "_Blind", as_of: datetime, group: FailureGroup | None, suspects: Iterable[Suspect]
    ) -> BlindAnswer:
        found = tuple(suspects)
        told = {piece.kind for suspect in found for piece in suspect.evidence}
        assert not told & LATER, f"a blind answer read what was said later: {sorted(told & LATER)}"
        listed = run.listed(group) if group else []
        return BlindAnswer(as_of, found, group, tuple(listed), run.timeline)

    def _near(self, state: Row, as_of: datetime) -> list[FailureGroup]:
        """Groups that could explain an incident: what failed around it in its service or in calls from and to it."""
        since = state["opened_at"] - LEAD
        service = state["service"]
        found = []
        for group in self._groups.values():
            reach = SILENT_REACH if group.row["detector"] is not None else timedelta(0)
            is_alive = group.failures.before(since - reach) < group.failures.until(as_of)
            is_close = service is None or service in (group.row["service"], group.callee)
            if is_alive and (is_close or service in group.row["callers"] or group.is_dependency_leaf):
                found.append(group)
        return found

    def _run(self, groups: Sequence[FailureGroup], as_of: datetime, *, events: Sequence[Row]) -> "_Blind":
        ids = {shape_id for g in groups for shape_id in g.shape_ids}
        services = {g.row["service"] for g in groups} | {e["service"] for e in events if e["service"]}
        for group in groups:
            services |= set(self._present.callees(group.row["group_id"]))
        shapes = [_shape(self._shapes[i], as_of) for i in sorted(ids)]
        drifts = [
            _finding(self._drifts[g.row["group_id"]], as_of) for g in groups if g.row["detector"] is not None
        ]
        facts = replace(
            self._facts,
            as_of=as_of,
            shapes=[shape for shape in shapes if shape is not None],
            drifts=[drift for drift in drifts if drift is not None],
            service_hours=[row for s in sorted(services) for row in _until(self._hours[s], as_of)],
            deployments=[
                row
                for row in self._facts.deployments
                if row["service"] in services and (row["finished_at"] or row["started_at"]) <= as_of
            ],
            incident_events=events,
            verdicts=(),
        )
        return _Blind(
            facts, self._reader.at(as_of), self._port, self._settings, self._present, self._mainlines
        )


class _Blind(Inference):
    """An inference of one failure; what does not depend on the time is the present's."""

    def __init__(
        self,
        facts: Facts,
        reader: Reader,
        port: RepositoryPort,
        settings: Settings,
        present: Hindsight,
        lines: Mapping[str, Mainline],
    ) -> None:
        super().__init__(facts, reader, port, settings, present.codes)
        self._of_present = present
        self._lines = lines
        self._resolved = present.resolved

    @cached_property
    def _mainlines(self) -> dict[str, Mainline]:
        """As far as they had come: a revision that nobody could read may have been any commit by then, and no later one."""
        found = {}
        for repository, line in self._lines.items():
            count = bisect_right(line.changes, self._facts.as_of, key=lambda change: change["landed_at"])
            is_whole = count == len(line.changes)
            rows = line.changes[:count]
            found[repository] = line if is_whole else self._of_present.mainline(repository, rows)
        return found

    @cached_property
    def _paths_of(self) -> dict[tuple[str, str], Sequence[str]]:
        return self._of_present.paths_of

    @cached_property
    def _changes(self) -> dict[str, Row]:
        return self._of_present.changes

    @cached_property
    def _placed(self) -> list[dict[str, Any]]:
        return self._of_present.placed

    @cached_property
    def _running(self) -> list[dict[str, Any]]:
        """What ran, a rollback as any other deployment: that it was one tells the answer, however soon it came."""
        return [{**row, "is_rollback": False} for row in super()._running]

    @cached_property
    def _first_deployments(self) -> list[dict[str, Any]]:
        """Asked for by reverts and fixes alone, of which none is told."""
        return []

    @property
    def groups(self) -> Sequence[FailureGroup]:
        return self._groups

    @property
    def group_suspects(self) -> Mapping[str, Sequence[Suspect]]:
        return self._group_suspects

    def listed(self, group: FailureGroup) -> Sequence[Listed]:
        """Its candidates, by each revision that may have run."""
        return [candidate for case in self._cases(group) for candidate in self._listed(case)]

    @property
    def timeline(self) -> Timeline:
        return self._timeline

    def group(self, group_id: str) -> FailureGroup:
        """The group of that id."""
        return next(g for g in self._groups if g.row["group_id"] == group_id)

    def answers(self) -> Iterable[tuple[incidents.Answer, Sequence[Link]]]:
        """Each incident's answer and its links, heaviest first."""
        return [(a, self._links[a.state["incident_id"]]) for a in self._answers]


class _Read:
    """What readers are asked, asked once for all times."""

    def __init__(self, reader: Reader, present: Hindsight) -> None:
        self._reader = reader
        self._hunks: dict[str, Sequence[Row]] = {}
        self._asked: set[tuple[str, str]] = set()
        self._traffic: dict[Operation, list[_Counted]] = defaultdict(list)
        for row in reader.traffic(present.operations):
            self._traffic[(row["service"], row["environment"], row["operation"])].append(_Counted.of(row))
        ids = sorted({g.row["sample_trace_id"] for g in present.groups} - {""})
        self._sampled = frozenset(ids)
        self._spans = _by_trace(reader.trace_spans(ids))
        self._exceptions = _by_trace(reader.trace_exceptions(ids))

    def at(self, as_of: datetime) -> "_Reader":
        return _Reader(self, as_of)

    def hunks(self, changes: set[tuple[str, str]]) -> Mapping[str, Sequence[Row]]:
        missing = changes - self._asked
        if missing:
            self._hunks.update(self._reader.hunks(missing))
            self._asked |= missing
        return {sha: self._hunks[sha] for _, sha in changes if sha in self._hunks}

    def traffic(self, operations: Collection[Operation], as_of: datetime) -> list[Row]:
        return [
            {"service": service, "environment": environment, "operation": operation, **cut}
            for service, environment, operation in sorted(operations, key=str)
            for counted in self._traffic.get((service, environment, operation), ())
            if (cut := counted.until(as_of)) is not None
        ]

    def watched(self, asked: Sequence[Row], as_of: datetime) -> Sequence[Row]:
        return self._reader.watched([{**row, "until": min(row["until"], as_of)} for row in asked])

    def durations(self, asked: Sequence[Row]) -> Sequence[Row]:
        # What is asked says itself until when: ``paces.asked``.
        return self._reader.durations(asked)

    def trace_spans(self, ids: Sequence[str], as_of: datetime) -> Sequence[Row]:
        self._know(ids)
        return [row for i in ids for row in self._spans.get(i, ()) if row["started_at"] <= as_of]

    def trace_exceptions(self, ids: Sequence[str], as_of: datetime) -> Sequence[Row]:
        self._know(ids)
        return [row for i in ids for row in self._exceptions.get(i, ()) if row["recorded_at"] <= as_of]

    def serving(self, routes: Collection[str], until: datetime) -> Sequence[Row]:
        return self._reader.serving(routes, until)

    def instances(self, shapes: Sequence[Row], until: datetime) -> Sequence[Row]:
        return self._reader.instances(shapes, until)

    def source_map(self, service: str, version: str, file: str) -> bytes:
        return self._reader.source_map(service, version, file)

    def _know(self, ids: Sequence[str]) -> None:
        """A failure may have been shown by another trace then."""
        unknown = sorted(set(ids) - self._sampled)
        if unknown:
            self._sampled |= set(unknown)
            self._spans.update(_by_trace(self._reader.trace_spans(unknown)))
            self._exceptions.update(_by_trace(self._reader.trace_exceptions(unknown)))


@dataclass(frozen=True, slots=True)
class _Reader:
    """``inference.Reader`` as of a time."""

    read: _Read
    as_of: datetime

    def hunks(self, changes: set[tuple[str, str]]) -> Mapping[str, Sequence[Row]]:
        return self.read.hunks(changes)

    def traffic(self, operations: Collection[Operation]) -> Sequence[Row]:
        return self.read.traffic(operations, self.as_of)

    def watched(self, asked: Sequence[Row]) -> Sequence[Row]:
        return self.read.watched(asked, self.as_of)

    def durations(self, asked: Sequence[Row]) -> Sequence[Row]:
        return self.read.durations(asked)

    def trace_spans(self, trace_ids: Sequence[str]) -> Sequence[Row]:
        return self.read.trace_spans(trace_ids, self.as_of)

    def trace_exceptions(self, trace_ids: Sequence[str]) -> Sequence[Row]:
        return self.read.trace_exceptions(trace_ids, self.as_of)

    def serving(self, routes: Collection[str], until: datetime) -> Sequence[Row]:
        return self.read.serving(routes, min(until, self.as_of))

    def instances(self, shapes: Sequence[Row], until: datetime) -> Sequence[Row]:
        return self.read.instances(shapes, min(until, self.as_of))

    def source_map(self, service: str, version: str, file: str) -> bytes:
        return self.read.source_map(service, version, file)


@dataclass(frozen=True, slots=True)
class _Counted:
    """A row of ``operation_traffic.sql`` as arrays."""

    revision: str | None
    hours: np.ndarray[Any, np.dtype[np.int64]]
    first_seen: np.ndarray[Any, np.dtype[np.int64]]
    requests: np.ndarray[Any, np.dtype[np.int64]]

    @classmethod
    def of(cls, row: Row) -> "_Counted":
        columns = (np.array(row[name], np.int64) for name in ("hours", "first_seen", "requests"))
        return cls(row["revision"], *columns)

    def until(self, as_of: datetime) -> Row | None:
        """The row as it would have been; of the hour that is parted, as much as there was time for."""
        at = micros(as_of)
        count = int(np.searchsorted(self.hours, at, side="right"))
        if count and self.first_seen[count - 1] > at:
            count -= 1
        if not count:
            return None
        requests = self.requests[:count].copy()
        begun = int(self.hours[count - 1])
        if at < begun + _HOUR_US:
            first = int(self.first_seen[count - 1])
            share = (at - first) / max(begun + _HOUR_US - first, 1)
            requests[-1] = max(round(int(requests[-1]) * share), 1)
        return {
            "revision": self.revision,
            "hours": self.hours[:count],
            "first_seen": self.first_seen[:count],
            "requests": requests,
        }


def _untold(event: Row) -> Row:
    """An incident's event without what it says of the answer."""
    status = None if event["status"] in FALSE_STATUSES else event["status"]
    return {**event, **dict.fromkeys(TELLING), "status": status}


def _shape(shape: Shape, as_of: datetime) -> Shape | None:
    failures = shape.failures.until(micros(as_of))
    return None if failures is None else replace(shape, failures=failures)


def _finding(finding: Finding, as_of: datetime) -> Finding | None:
    """A drift as far as it had gone; that it would have been told from chance by then is not said."""
    moments = tuple(m for m in finding.moments if m[0] <= as_of)
    if finding.onset_at > as_of or not moments:
        return None
    return replace(finding, last_seen_at=min(finding.last_seen_at, as_of), moments=moments)


def _until(rows: Iterable[Row], as_of: datetime) -> Iterable[Row]:
    for row in rows:
        if row["first_seen_at"] <= as_of:
            yield row if row["last_seen_at"] <= as_of else {**row, "last_seen_at": as_of}


def _by_trace(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["trace_id"]].append(row)
    return found
