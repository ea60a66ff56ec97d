"""Every step from facts to inferences, in order; each step is a pure function of the ones before.

Orders and decides nothing. What is only known to be needed halfway (hunks of the candidates, spans of the sample
traces) is asked of a :class:`Reader`; what git must be asked, of the repository port.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Protocol

import pyarrow as pa

from correlator import (
    artifacts,
    candidates,
    change_diffs,
    circumstances,
    complaints,
    drift_groups,
    evidence,
    evidence_in_time,
    failing_code,
    failure_groups,
    flips,
    incident_links,
    incident_states,
    incidents,
    instances,
    mainlines,
    named_routes,
    outcomes,
    paces,
    plausible,
    revisions,
    rework,
    services,
    supposed,
    tokens,
    traces,
    traffic,
    unlinked,
    weights,
)
from correlator.attribution_rows import of_groups as suspect_rows
from correlator.attribution_rows import of_incidents as attribution_rows
from correlator.change_diffs import ChangeDiff
from correlator.complaints import Complaint
from correlator.drift_detectors import Finding
from correlator.failure_groups import FailureGroup, ServiceCode, Supposed
from correlator.groupings import Groupings
from correlator.histories import History
from correlator.original_frames import OriginalFrames
from correlator.paces import Pace
from correlator.shapes import Shape
from correlator.traffic import Operation
from schemas import tables
from schemas.records import (
    Branch,
    CommitSha,
    RepositoryName,
    RepositoryPort,
    Suspect,
    SuspectEvidence,
)
from schemas.settings import Settings
from schemas.tables import Table
from schemas.vocabulary import HTTP_ROUTE, OutcomeKind

Row = Mapping[str, Any]
Rows = Sequence[Row]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is read before the first step, as of ``as_of``. Rows have the columns of their tables or SQL files."""

    as_of: datetime
    histories: Sequence[History]
    repositories: Rows
    shapes: Sequence[Shape]
    service_hours: Rows
    drifts: Sequence[Finding]
    deployments: Rows
    service_mappings: Rows
    repository_urls: Rows
    incident_events: Rows
    verdicts: Rows
    running_names: Rows = ()
    builds: Rows = ()
    flag_hours: Rows = ()
    setting_changes: Rows = ()
    groupings: Rows = ()
    code_mappings: Rows = ()
    source_maps: Rows = ()


@dataclass(frozen=True, slots=True)
class _Case:
    """A failure group, and what surrounds it, if one revision ran."""

    one: Supposed
    group: FailureGroup
    around: evidence_in_time.Circumstances
    timeline: revisions.Timeline


class Reader(Protocol):
    """Facts that are asked for by name once it is known which."""

    def hunks(self, changes: set[tuple[str, str]]) -> Mapping[str, Rows]:
        """change sha -> its hunks, of (repository, change sha) pairs."""

    def traffic(self, operations: Collection[Operation]) -> Rows:
        """Rows of ``operation_traffic.sql``."""

    def serving(self, routes: Collection[str], until: datetime) -> Rows:
        """Rows of ``serving_services.sql``, as of ``until``."""

    def watched(self, asked: Rows) -> Rows:
        """Rows of ``watched_incidents.sql``, of rows of ``asked_incidents``."""

    def durations(self, asked: Rows) -> Rows:
        """Rows of ``incident_durations.sql``, of rows of ``paces.asked``."""

    def instances(self, shapes: Rows, until: datetime) -> Rows:
        """Rows of ``instance_traffic.sql``, of rows of ``asked_shapes``, as of ``until``."""

    def trace_spans(self, trace_ids: Sequence[str]) -> Rows:
        """Rows of ``trace_services.sql``."""

    def source_map(self, service: str, version: str, file: str) -> bytes:
        """The JSON of one of ``Facts.source_maps``."""

    def trace_exceptions(self, trace_ids: Sequence[str]) -> Rows:
        """Rows of ``trace_exceptions.sql``."""


class Inference:
    """One run over one set of facts; each step is computed once, when it is first asked for."""

    def __init__(
        self,
        facts: Facts,
        reader: Reader,
        port: RepositoryPort,
        settings: Settings,
        codes: failing_code.Codes | None = None,
    ) -> None:
        """``codes``: what earlier runs understood of source files; None: a memory of its own."""
        self._facts = facts
        self._reader = reader
        self._port = port
        self._codes = codes or failing_code.Codes(port)
        self._settings = settings
        self._weights = weights.load()
        self._resolved: dict[tuple[str, str, str], CommitSha | None] = {}
        self._branches: dict[tuple[str, str], Branch | None] = {}
        self._weighed_services = traffic.weighed_services(facts.service_hours)

    def tables(self) -> dict[Table, pa.Table | Iterable[Mapping[str, Any]]]:
        """The rows of every inference table but the log of runs."""
        histories, version = self._facts.histories, self._weights.version
        return {
            tables.COMMIT_PROVENANCE: (row for h in histories for row in h.provenance),
            tables.CHANGES: (row for h in histories for row in h.changes),
            tables.DEATH_EDGES: pa.concat_tables([h.lines.death_edges for h in histories])
            if histories
            else (),
            tables.LINES_WRITTEN: pa.concat_tables([h.lines.lines_written for h in histories])
            if histories
            else (),
            tables.CHANGE_REWORK: self._rework(),
            tables.SERVICE_REPOSITORIES: self._placed,
            tables.RUNNING_REVISIONS: self._running,
            tables.PLAUSIBLE_REVISIONS: self._posterior.rows(),
            tables.CHANGE_DEPLOYMENTS: self._first_deployments,
            tables.FAILURE_GROUPS: [g.row for g in self._groups],
            tables.GROUP_FRAMES: (frame for g in self._groups for frame in g.frames),
            tables.SHAPE_GROUPS: [
                {"shape_id": shape_id, "group_id": g.row["group_id"]}
                for g in self._groups
                for shape_id in g.shape_ids
            ],
            tables.GROUP_SUSPECTS: suspect_rows(self._group_suspects, self._repository_of, version),
            tables.INCIDENT_LINKS: outcomes.links_by_incident(self._links),
            tables.INCIDENT_ATTRIBUTIONS: attribution_rows(self._answers, self._repository_of, version),
            tables.INCIDENT_STATES: [a.state for a in self._answers],
            tables.CHANGE_OUTCOMES: self._outcomes(),
            tables.DEPLOYMENT_OUTCOMES: self._deployment_outcomes(),
        }

    # --- git ----------------------------------------------------------------------------------------

    @cached_property
    def _mainlines(self) -> dict[str, mainlines.Mainline]:
        changes = (change for h in self._facts.histories for change in h.changes)
        return mainlines.by_repository(changes, self._branch)

    @cached_property
    def _paths_of(self) -> dict[tuple[str, str], Sequence[str]]:
        return {
            (h.repository, sha): paths for h in self._facts.histories for sha, paths in h.paths_of.items()
        }

    @cached_property
    def _repository_of(self) -> dict[str, str]:
        return {c["sha"]: h.repository for h in self._facts.histories for c in h.changes}

    @cached_property
    def _changes(self) -> dict[str, Row]:
        return {c["sha"]: c for h in self._facts.histories for c in h.changes}

    def _rework(self) -> Iterable[dict[str, Any]]:
        synced_at = {r["repository"]: r["synced_at"] for r in self._facts.repositories}
        for h in self._facts.histories:
            for change, row in zip(h.changes, h.rework, strict=True):
                days = rework.observed_days(change, self._facts.as_of, synced_at.get(h.repository))
                yield {**row, "observed_days": days}

    def _resolve(self, repository: str, service: str, text: str) -> CommitSha | None:
        """The port's answer, asked once per service and revision: every span carries one of the same few."""
        key = (repository, service, text)
        if key not in self._resolved:
            code = self._code.get(service)
            names = services.tag_names(service, code.path if code else "")
            self._resolved[key] = self._port.resolve(RepositoryName(repository), text, names)
        return self._resolved[key]

    def _branch(self, repository: str, sha: str) -> Branch | None:
        key = (repository, sha)
        if key not in self._branches:
            self._branches[key] = self._port.branch(RepositoryName(repository), CommitSha(sha))
        return self._branches[key]

    def _revision(self, service: str, text: str | None) -> str | None:
        """The commit that a service's telemetry or deployment names by ``text``: by itself, or by facts about it."""
        repository = self._repository_by_service.get(service)
        return self._artifacts.sha(repository, service, text) if repository and text else None

    def _position(self, repository: str, sha: str) -> int | None:
        return self._mainlines[repository].position(sha) if repository in self._mainlines else None

    def _landing(self, repository: str, sha: str) -> str | None:
        return self._mainlines[repository].landing(sha) if repository in self._mainlines else None

    def _landed_at(self, repository: str, sha: str) -> datetime | None:
        return self._mainlines[repository].landed_at(sha) if repository in self._mainlines else None

    def _between(self, repository: str, after: int, until: int) -> list[tuple[str, Sequence[str]]]:
        found = self._mainlines[repository].between(after, until)
        return [(c["sha"], self._paths_of.get((repository, c["sha"]), ())) for c in found]

    # --- what ran when --------------------------------------------------------------------------------

    @cached_property
    def _placed(self) -> list[dict[str, Any]]:
        facts = self._facts
        return services.place(
            stated=facts.service_mappings,
            settings={name: s for name, s in self._settings.services.items() if s.repository},
            telemetry=facts.repository_urls,
            deployments=facts.deployments,
            known=facts.repositories,
            seen=sorted({h["service"] for h in facts.service_hours}),
            causes=[shape.first for shape in facts.shapes],
            port=self._port,
        )

    @cached_property
    def _code(self) -> dict[str, ServiceCode]:
        stated: dict[str, list[tuple[str, str]]] = {}
        for row in self._facts.code_mappings:
            stated.setdefault(row["service"], []).append((row["prefix"], row["path"]))
        return {
            row["service"]: ServiceCode(row["repository"], row["path"], tuple(stated.get(row["service"], ())))
            for row in self._placed
        }

    @cached_property
    def _repository_by_service(self) -> dict[str, str]:
        return {name: code.repository for name, code in self._code.items() if code.repository}

    @cached_property
    def _artifacts(self) -> artifacts.Artifacts:
        return artifacts.Artifacts(
            resources=self._facts.running_names,
            deployments=self._facts.deployments,
            builds=self._facts.builds,
            repository_of=self._repository_by_service,
            resolve=self._resolve,
        )

    @cached_property
    def _running(self) -> list[dict[str, Any]]:
        return revisions.running(
            self._facts.service_hours,
            self._facts.deployments,
            repository_of=self._repository_by_service,
            revision_of=self._revision,
            position_of=self._position,
        )

    @cached_property
    def _timeline(self) -> revisions.Timeline:
        return revisions.Timeline(self._running)

    @cached_property
    def _posterior(self) -> plausible.Posterior:
        hours = (
            {**row, "sha": self._revision(row["service"], row["revision"])}
            for row in self._facts.service_hours
        )
        return plausible.Posterior(
            timeline=self._timeline,
            hours=hours,
            mainlines=self._mainlines,
            services={name: (code.repository, code.path) for name, code in self._code.items()},
            paths_of=self._paths_of,
            as_of=self._facts.as_of,
        )

    @cached_property
    def _first_deployments(self) -> list[dict[str, Any]]:
        return revisions.first_deployments(
            self._running,
            production=self._settings.production_environments,
            position_of=self._position,
            changes_between=self._between,
            service_path={name: c.path for name, c in self._code.items()},
            traced=revisions.traced(self._facts.service_hours),
            landed_at=self._landed_at,
        )

    # --- what failed, and who is suspected --------------------------------------------------------------

    @cached_property
    def _groups(self) -> list[FailureGroup]:
        assembler = failure_groups.Assembler(
            port=self._port,
            services=self._code,
            timeline=self._timeline,
            revision_of=self._revision,
            landing=self._landing,
            groupings=Groupings(self._facts.groupings),
            originals=OriginalFrames(self._facts.source_maps, self._reader.source_map),
            plausible_at=self._posterior.at,
            position_of=self._position,
        )
        drifted = drift_groups.groups(
            self._facts.drifts, services=self._code, timeline=self._timeline, revision_of=self._revision
        )
        return sorted(
            [*assembler.assemble(self._facts.shapes), *drifted], key=lambda group: group.row["group_id"]
        )

    @cached_property
    def _samples(self) -> dict[str, traces.Sample]:
        ids = sorted({g.row["sample_trace_id"] for g in self._groups} - {""})
        return traces.samples(self._groups, self._reader.trace_spans(ids), self._reader.trace_exceptions(ids))

    @cached_property
    def _around(self) -> dict[str, evidence_in_time.Circumstances]:
        operations: set[Operation] = {
            (g.row["service"], g.row["environment"], name)
            for g in self._groups
            for name in (g.row["operation"], *([None] if g.row["detector"] else []))
        }
        requests = traffic.of_operations(
            self._reader.traffic(operations), sha_of=self._revision, timeline=self._timeline
        )
        deployed_at = {
            row["sha"]: row["deployed_at"]
            for row in sorted(self._first_deployments, key=lambda r: r["deployed_at"], reverse=True)
        }
        named = self._named()
        lone = instances.lone(self._reader.instances(self._asked_shapes(), self._facts.as_of))
        return {
            g.row["group_id"]: circumstances.around(
                g,
                sample=self._samples[g.row["group_id"]],
                traffic=requests,
                timeline=self._timeline,
                mainline=self._mainlines.get(g.row["repository"] or ""),
                landed_or_deployed=deployed_at,
                route_paths=self._route_paths(g),
                named=named.get(g.row["group_id"], frozenset()),
                as_of=self._facts.as_of,
                is_sampling_known=self._is_sampling_known(g.row["service"]),
                lone=lone.get(g.row["group_id"]),
            )
            for g in self._groups
        }

    def _asked_shapes(self) -> list[dict[str, Any]]:
        """The shapes of groups that fail often enough to ask where, and on revisions that are told apart: where they are
        not, a canary looks like one of several instances."""
        first = {shape.first["shape_id"]: shape.first for shape in self._facts.shapes}
        return [
            {"group_id": g.row["group_id"], "shape_id": shape_id}
            for g in self._groups
            if g.shape_ids and len(g.failures) >= instances.SLOTS_MIN
            if all(self._is_told_apart(first[shape_id]) for shape_id in g.shape_ids)
            for shape_id in g.shape_ids
        ]

    def _is_told_apart(self, cause: Row) -> bool:
        revision = cause["revision"] or cause["service_version"]
        return self._revision(cause["service"], revision) is not None

    def _is_sampling_known(self, service: str) -> bool:
        """By its configured ratio, or by the tracestate of each of its spans."""
        return self._settings.sampling_ratio_of(service) is not None or service in self._weighed_services

    def _route_paths(self, group: FailureGroup) -> frozenset[str]:
        """Files that hold the failing route as a literal: the callee's when it refused, else ours if no frame maps."""
        row = group.row
        if group.callee is None and any(frame["path"] for frame in group.frames):
            return frozenset()
        routes = self._samples[row["group_id"]].routes
        own = group.facts.attributes.get(HTTP_ROUTE)
        asked = [r for r in routes if r[0] == group.callee] if group.callee else [(row["service"], own)]
        found: set[str] = set()
        for service, route in asked:
            place = self._code.get(service)
            running = self._timeline.at(service, row["environment"], row["first_seen_at"])
            if (
                isinstance(route, str)
                and len(route) > 1
                and place
                and place.repository
                and running
                and running["sha"]
            ):
                hits = self._port.search(place.repository, CommitSha(running["sha"]), route)
                found |= {path for path, _ in hits if revisions.touches([path], place.path)}
        return frozenset(found)

    @cached_property
    def _group_suspects(self) -> dict[str, list[Suspect]]:
        cases = {g.row["group_id"]: self._cases(g) for g in self._groups}
        listed = {
            (name, at): self._listed(case) for name, found in cases.items() for at, case in enumerate(found)
        }
        changes = _changes_of(listed.values())
        hunks = self._reader.hunks(changes)
        vocabulary = tokens.Vocabulary(hunks)
        flipped = flips.Flips(self._facts.flag_hours, self._facts.setting_changes)
        settings = {
            g.row["group_id"]: flipped.candidates(
                g, callees=self._samples[g.row["group_id"]].callees, weights=self._weights
            )
            for g in self._groups
        }
        diffs = self._diffs(changes)
        self._codes.prepare(case.group for found in cases.values() for case in found)
        return {
            name: supposed.mixed(
                [
                    (
                        case.one,
                        *evidence.weigh(
                            case.group,
                            listed[(name, at)],
                            case.around,
                            paths_of=self._paths_of,
                            hunks=hunks,
                            vocabulary=vocabulary,
                            code=self._codes.of(case.group),
                            diffs=diffs,
                            weights=self._weights,
                            settings=settings[name],
                        ),
                    )
                    for at, case in enumerate(found)
                ]
            )
            for name, found in cases.items()
        }

    def _cases(self, group: FailureGroup) -> list[_Case]:
        """The group as it is; where its revision is unknown, as it is if each that may have run did."""
        around = self._around[group.row["group_id"]]
        row, interval = group.row, around.onset_interval
        found: list[_Case] = []
        for one in group.supposed:
            timeline = supposed.timeline_at(group, one, self._timeline, self._posterior)
            # When it began is a guess then: evidence in time does not build on it.
            at = replace(around, onset_interval=None)
            found.append(_Case(one, supposed.group_at(group, one), at, timeline))
        if not found and row["onset_sha"] and interval is not None and interval["previous_sha"] is None:
            place = (row["service"], row["environment"])
            for one in self._hypotheses(row, self._posterior.before(*place, interval["started_at"])):
                timeline = supposed.timeline_after(interval, one, self._timeline)
                at = replace(around, onset_interval=timeline.at(*place, row["first_seen_at"]))
                found.append(_Case(one, group, at, timeline))
        known = Supposed(CommitSha(row["onset_sha"] or ""), 1.0, "known", ())
        return found or [_Case(known, group, around, self._timeline)]

    def _hypotheses(self, row: Row, found: Sequence[plausible.Plausible]) -> list[Supposed]:
        positions = {one.sha: self._position(row["repository"], one.sha) or 0 for one in found}
        return [
            Supposed(CommitSha(one.sha), one.probability, one.basis, ())
            for one in plausible.hypotheses(found, positions)
        ]

    def _listed(self, case: _Case) -> list[candidates.Listed]:
        return candidates.listed(
            case.group,
            callees=self._samples[case.group.row["group_id"]].callees,
            senders=self._samples[case.group.row["group_id"]].senders,
            timeline=case.timeline,
            mainlines=self._mainlines,
            services=self._code,
            paths_of=self._paths_of,
            is_late=evidence_in_time.is_late(case.group, case.around),
            weights=self._weights,
        )

    def _diffs(self, changes: Collection[tuple[str, str]]) -> dict[str, ChangeDiff]:
        """change sha -> its diff, read, of (repository, change sha) pairs; what git cannot show is left out."""
        asked: dict[str, set[CommitSha]] = defaultdict(set)
        for repository, sha in changes:
            asked[repository].add(CommitSha(sha))
        return {
            sha: change_diffs.read(hunks)
            for repository in sorted(asked)
            for sha, hunks in self._port.diffs(RepositoryName(repository), asked[repository]).items()
        }

    # --- what each incident says ------------------------------------------------------------------------

    @cached_property
    def _states(self) -> list[dict[str, Any]]:
        return incident_states.fold(self._facts.incident_events)

    @cached_property
    def _serving(self) -> dict[str, set[str]]:
        """route that an incident names -> services that answer it."""
        named = {route for s in self._states for route in complaints.named_paths(s["title"] or "")}
        found: dict[str, set[str]] = defaultdict(set)
        for row in self._reader.serving(named, self._facts.as_of):
            found[row["route"]].add(row["service"])
        return found

    def _about(self, state: dict[str, Any]) -> dict[str, Any]:
        """The incident as one of the service that answers the route which it names, when its own does not and one does.

        Who opens it picks a service in a hurry, or none; a route is copied from what failed.
        """
        serving = {
            name
            for route in complaints.named_paths(state["title"] or "")
            for name in self._serving.get(route, ())
        }
        return (
            state if len(serving) != 1 or state["service"] in serving else state | {"service": min(serving)}
        )

    @cached_property
    def _links(self) -> dict[str, list[incident_links.Link]]:
        as_of = self._facts.as_of
        return {s["incident_id"]: incident_links.score(s, self._groups, as_of=as_of) for s in self._states}

    @cached_property
    def _landings(self) -> dict[str, str]:
        return {sha: change for line in self._mainlines.values() for sha, change in line.landings().items()}

    def _named(self) -> dict[str, frozenset[str]]:
        """group id -> changes that an incident which it explains best names."""
        found: dict[str, frozenset[str]] = {}
        for state in self._states:
            if state["commit_sha"] or state["pull_request"] or state["postmortem"]:
                for link in self._links[state["incident_id"]][:1]:
                    found[link.group_id] = found.get(link.group_id, frozenset()) | self._named_by(state)
        return found

    def _named_by(self, state: Row) -> frozenset[str]:
        """Changes that an incident names and that had landed by then: a later one is its mend, not its cause."""
        place = self._code.get(state["service"] or "")
        mainline = self._mainlines.get((place.repository if place else None) or "")
        requests = {c["number"]: c["sha"] for c in mainline.changes if c["number"]} if mainline else {}
        named = incident_links.named_changes(state, self._landings, requests)
        return frozenset(sha for sha in named if self._changes[sha]["landed_at"] <= state["opened_at"])

    def _worded(self) -> dict[str, list[Suspect]]:
        """incident id -> suspects by its words, of the incidents that no failing span explains."""
        alone = [self._about(s) for s in self._states if not self._links[s["incident_id"]]]
        environments = sorted({row["environment"] for row in self._running})
        listed = {
            s["incident_id"]: unlinked.candidates(
                s,
                environments=environments,
                timeline=self._timeline,
                mainlines=self._mainlines,
                services=self._code,
                paths_of=self._paths_of,
                weights=self._weights,
            )
            for s in alone
        }
        hunks = self._reader.hunks(_changes_of(listed.values()))
        return {
            s["incident_id"]: unlinked.weigh(
                s,
                listed[s["incident_id"]],
                hunks=hunks,
                named=self._named_by(s),
                at_routes=self._at_routes(s, listed[s["incident_id"]]),
                weights=self._weights,
            )
            for s in alone
        }

    def _at_routes(self, state: Row, listed: Sequence[candidates.Listed]) -> dict[str, list[SuspectEvidence]]:
        """What each candidate did where the code that ran, when the incident was opened, serves a route that it names."""
        routes = complaints.named_paths(state["title"] or "")
        place = self._code.get(state["service"] or "")
        if not routes or place is None or place.repository is None:
            return {}
        known = (
            [state["environment"]]
            if state["environment"]
            else sorted(self._environments_of.get(state["service"], ()))
        )
        running = [self._timeline.at(state["service"], name, state["opened_at"]) for name in known]
        shas = {CommitSha(r["sha"]) for r in running if r and r["sha"]}
        hits = {
            (path, line)
            for sha in sorted(shas)
            for route in sorted(routes)
            for path, line in self._said_at(place.repository, sha, route)
            if revisions.touches([path], place.path)
        }
        own = {CommitSha(c.change["sha"]) for c in listed if c.change["repository"] == place.repository}
        found = self._port.diffs(place.repository, own) if hits else {}
        diffs = {str(sha): hunks for sha, hunks in found.items()}
        return named_routes.evidence(complaints.of(state), hits, diffs, self._weights)

    def _said_at(self, repository: RepositoryName, sha: CommitSha, route: str) -> tuple[tuple[str, int], ...]:
        """(path, line) where ``route`` stands in code; frameworks write its parameters in ways of their own."""
        found = self._port.search(repository, sha, route)
        fixed = named_routes.before_parameters(route)
        return found or (self._port.search(repository, sha, fixed) if len(fixed) > len("/a") else ())

    @cached_property
    def _answers(self) -> list[incidents.Answer]:
        groups = {g.row["group_id"]: g for g in self._groups}
        verdicts = {row["incident_id"]: row for row in self._facts.verdicts}
        false = frozenset(
            s["incident_id"]
            for s in self._states
            if incidents.is_false(
                s,
                is_linked=bool(self._links[s["incident_id"]]),
                is_watched=s["incident_id"] in self._watched,
                pace=self._paces.get(s["incident_id"], Pace.UNKNOWN),
                verdict=verdicts.get(s["incident_id"]),
            )
        )
        repeated = incident_links.duplicates(self._states, self._links, false)
        worded = self._worded()
        return [
            incidents.answer(
                state,
                self._links[state["incident_id"]],
                groups=groups,
                group_suspects=self._group_suspects,
                duplicate_of=repeated.get(state["incident_id"]),
                is_watched=state["incident_id"] in self._watched,
                pace=self._paces.get(state["incident_id"], Pace.UNKNOWN),
                unlinked=worded.get(state["incident_id"], ()),
                verdict=verdicts.get(state["incident_id"]),
                weights=self._weights,
            )
            for state in self._states
        ]

    @cached_property
    def _environments_of(self) -> dict[str, set[str]]:
        known: dict[str, set[str]] = defaultdict(set)
        for row in self._facts.service_hours:
            known[row["service"]].add(row["environment"])
        return known

    @cached_property
    def _paces(self) -> dict[str, Pace]:
        """incident id -> what durations say, of the incidents about slowness that no failure explains."""
        slow = [
            self._about(s)
            for s in self._states
            if not self._links[s["incident_id"]] and complaints.of(s) is Complaint.SLOWNESS
        ]
        where = [row for s in slow for row in services.watched_at(s, self._environments_of)]
        rows: dict[str, list[Row]] = defaultdict(list)
        for row in self._reader.durations(paces.asked(where, as_of=self._facts.as_of)):
            rows[row["incident_id"]].append(row)
        return {
            s["incident_id"]: paces.of(
                s["title"] or "", rows[s["incident_id"]], is_whole=s["incident_id"] in self._whole
            )
            for s in slow
        }

    @cached_property
    def _seen(self) -> list[tuple[Row, float | None]]:
        """Rows of ``watched_incidents.sql``, each with the sampling ratio that is configured for its service."""
        known = self._environments_of
        states = [self._about(s) for s in self._states]
        seen = self._reader.watched([row for s in states for row in services.watched_at(s, known)])
        service_of = {s["incident_id"]: s["service"] for s in states}
        return [(row, self._settings.sampling_ratio_of(service_of[row["incident_id"]])) for row in seen]

    @cached_property
    def _whole(self) -> frozenset[str]:
        """Incidents of services of which every span came meanwhile."""
        return frozenset(row["incident_id"] for row, ratio in self._seen if services.is_whole(row, ratio))

    @cached_property
    def _watched(self) -> frozenset[str]:
        """Incidents of services that sent enough spans meanwhile for a failure to be among them."""
        return frozenset(row["incident_id"] for row, ratio in self._seen if services.is_watched(row, ratio))

    # --- what it adds up to ---------------------------------------------------------------------------

    @cached_property
    def _of_history(self) -> list[dict[str, Any]]:
        places = {name: (c.repository, c.path) for name, c in self._code.items()}
        states = [a.state for a in self._answers]
        return outcomes.of_history(self._mainlines, states, paths_of=self._paths_of, services=places)

    def _outcomes(self) -> list[dict[str, Any]]:
        groups, suspected = [g.row for g in self._groups if _is_outcome(g)], self._group_suspects
        answered = {a.state["incident_id"]: a.suspects for a in self._answers}
        states = [a.state for a in self._answers]
        named, lines = self._repository_of, self._mainlines
        production = self._settings.production_environments
        return [
            *outcomes.of_groups(groups, suspected, repository_of=named, production=production),
            *outcomes.of_incidents(states, answered, repository_of=named, production=production),
            *self._of_history,
            *outcomes.of_rollbacks(
                self._running, groups, suspected, mainlines=lines, repository_of=named, production=production
            ),
        ]

    def _deployment_outcomes(self) -> list[dict[str, Any]]:
        production = self._settings.production_environments
        keys = {(r["service"], r["environment"]) for r in self._running if r["environment"] in production}
        return outcomes.of_deployments(
            self._timeline,
            sorted(keys),
            change_deployments=self._first_deployments,
            changes=self._changes,
            states=[a.state for a in self._answers],
            suspects={a.state["incident_id"]: a.suspects for a in self._answers},
            hotfixes=[r for r in self._of_history if r["kind"] in (OutcomeKind.HOTFIX, OutcomeKind.REVERT)],
        )


def _changes_of(listed: Iterable[Iterable[candidates.Listed]]) -> set[tuple[str, str]]:
    return {(c.change["repository"], c.change["sha"]) for found in listed for c in found}


def _is_outcome(group: FailureGroup) -> bool:
    """False for what may well have been wanted."""
    return group.row["detector"] not in drift_groups.UNCOUNTED
