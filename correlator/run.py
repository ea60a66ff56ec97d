"""The correlator's shell: reads facts, calls the pure steps in order, writes the inferences in one transaction.

The only file of this room that touches the store and the repository port. It orders steps and decides nothing.
``correlate`` writes what holds as of a time; ``rebuild`` deletes every inference and gets the same bytes again.
"""

import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from correlator import (
    candidates,
    categories,
    circumstances,
    evidence,
    evidence_in_time,
    failure_groups,
    fingerprint,
    histories,
    incident_links,
    incident_states,
    incidents,
    mainlines,
    outcomes,
    revisions,
    rework,
    services,
    tokens,
    traces,
    unlinked,
    weights,
)
from correlator.catalogue import catalogue
from schemas import tables
from schemas.records import CommitSha, RepositoryName, RepositoryPort, Suspect
from schemas.settings import Settings
from schemas.store import Row, Store, arrow, sql
from schemas.tables import Schema, Table
from schemas.vocabulary import HTTP_ROUTE

INFERENCES = tuple(t for t in tables.of(Schema.INFERENCES) if t is not tables.CORRELATION_RUNS)


@dataclass(frozen=True, slots=True)
class Correlation:
    """What one correlation did. ``digest`` is over every inference table but the log of runs."""

    as_of: datetime
    facts_digest: str
    digest: str
    is_new: bool
    counts: dict[str, int]


class Correlator:
    """Infers from the facts of one store. Thread-safe: correlations wait for each other."""

    def __init__(self, store: Store, port: RepositoryPort, settings: Settings) -> None:
        self._store = store
        self._port = port
        self._settings = settings
        self._lock = threading.Lock()
        self._histories: dict[str, tuple[str, histories.History]] = {}

    def correlate(self, *, as_of: datetime, force: bool = False) -> Correlation:
        """Infer everything as of ``as_of`` (UTC); a run over unchanged facts writes nothing unless ``force``."""
        with self._lock:
            facts = facts_digest(self._store, as_of)
            last = self._store.row("SELECT * FROM correlation_runs")
            if last and last["facts_digest"] == facts and last["rules"] == rules() and not force:
                return Correlation(last["as_of"], facts, last["inferences_digest"], False, {})
            return self._write(self._store, as_of, facts)

    def rebuild(self, *, now: datetime) -> Correlation:
        """Delete every inference, forget what memory holds, and infer again as of the last correlation, else ``now``."""
        with self._lock:
            last = self._store.row("SELECT * FROM correlation_runs")
            as_of = last["as_of"] if last else now
            with self._store.transaction():
                for table in INFERENCES:
                    self._store.replace_all(table, arrow(table, []))
            self._histories.clear()
            return self._write(self._store, as_of, facts_digest(self._store, as_of))

    def fork(self, name: str, *, as_of: datetime) -> Store:
        """A store whose inferences hold as of a past time; the caller drops it (``drop_fork``)."""
        with self._lock:
            forked = self._store.fork(name)
            self._write(forked, as_of, facts_digest(self._store, as_of))
            return forked

    def _write(self, store: Store, as_of: datetime, facts: str) -> Correlation:
        inferred = self._infer(as_of)
        with store.write_lock, store.transaction():
            for table in INFERENCES:
                store.replace_all(table, inferred[table.name])
            digest = store.digest(INFERENCES)
            run = {"as_of": as_of, "facts_digest": facts, "rules": rules(), "inferences_digest": digest}
            store.replace_all(tables.CORRELATION_RUNS, arrow(tables.CORRELATION_RUNS, [run]))
        return Correlation(as_of, facts, digest, True, {name: t.num_rows for name, t in inferred.items()})

    def _told(self, as_of: datetime) -> list[histories.History]:
        """What every repository's history says; kept in memory until something that it depends on changes."""
        store, found = self._store, []
        for row in store.rows("SELECT * FROM repositories ORDER BY repository"):
            asked = {"repository": row["repository"], "until": as_of}
            key = str(store.value(sql("correlator", "history_key"), **asked))
            known = self._histories.get(row["repository"])
            if known is None or known[0] != key:
                facts = histories.GitFacts(
                    repository=row,
                    commits=store.rows(sql("correlator", "git_commits"), **asked),
                    notes=_notes(store, row["repository"]),
                    mainline=store.arrow(sql("correlator", "git_mainline"), **asked),
                    change_paths=store.arrow(sql("correlator", "git_change_paths"), **asked),
                    hunks=store.arrow(sql("correlator", "git_hunks"), **asked),
                    change_requests=store.rows(sql("correlator", "git_change_requests"), **asked),
                )
                known = (key, histories.infer(facts))
                self._histories[row["repository"]] = known
            found.append(known[1])
        return found

    # --- the steps, in order ----------------------------------------------------------------------

    def _infer(self, as_of: datetime) -> dict[str, pa.Table]:
        store, settings, port = self._store, self._settings, self._port
        ruled = weights.load()

        # git: who wrote what, and what became of it
        told = self._told(as_of)
        synced_at = {
            row["repository"]: row["synced_at"]
            for row in store.rows(
                "SELECT repository, synced_at FROM repositories WHERE synced_at IS NOT NULL"
            )
        }
        lines = mainlines.by_repository(change for h in told for change in h.changes)
        paths_of = {(h.repository, sha): touched for h in told for sha, touched in h.paths_of.items()}

        # what ran when
        causes = [
            row for row in store.rows(sql("correlator", "root_causes"), until=as_of) if not row["is_handled"]
        ]
        hours = store.rows(sql("correlator", "operation_hours"), until=as_of)
        deployments = store.rows(
            "SELECT * FROM deployments WHERE coalesce(finished_at, started_at) <= $until ORDER BY deployment_id",
            until=as_of,
        )
        placed = services.place(
            stated=store.rows("SELECT * FROM service_mappings ORDER BY service"),
            settings={name: s for name, s in settings.services.items() if s.repository},
            telemetry=store.rows(
                "SELECT DISTINCT service, repository_url FROM resources WHERE repository_url IS NOT NULL ORDER BY ALL"
            ),
            deployments=deployments,
            known=store.rows(
                "SELECT repository, url, source, head_sha FROM repositories ORDER BY repository"
            ),
            seen=sorted({h["service"] for h in hours}),
            causes=causes,
            port=port,
        )
        code = {row["service"]: failure_groups.ServiceCode(row["repository"], row["path"]) for row in placed}

        def resolve(repository: str, text: str) -> str | None:
            return port.resolve(RepositoryName(repository), text)

        def position(repository: str, sha: str) -> int | None:
            return lines[repository].position(sha) if repository in lines else None

        def landing(repository: str, sha: str) -> str | None:
            return lines[repository].landing(sha) if repository in lines else None

        def sha_of(service: str, text: str | None) -> str | None:
            place = code.get(service)
            return resolve(place.repository, text) if text and place and place.repository else None

        running = revisions.running(
            revisions.observed(hours),
            deployments,
            repository_of={name: c.repository for name, c in code.items() if c.repository},
            resolve=resolve,
            position_of=position,
        )
        timeline = revisions.Timeline(running)
        first = revisions.first_deployments(
            running,
            production=settings.production_environments,
            position_of=position,
            changes_between=lambda repository, after, until: [
                (c["sha"], paths_of.get((repository, c["sha"]), ()))
                for c in lines[repository].between(after, until)
            ],
            service_path={name: c.path for name, c in code.items()},
            traced=revisions.traced(hours),
        )
        deployed_at = {
            row["sha"]: row["deployed_at"]
            for row in sorted(first, key=lambda r: r["deployed_at"], reverse=True)
        }

        # what failed
        groups = failure_groups.Assembler(
            port=port, services=code, timeline=timeline, landing=landing
        ).assemble(causes)

        # who is suspected
        states = incident_states.fold(
            store.rows("SELECT * FROM incident_events WHERE occurred_at <= $until ORDER BY ALL", until=as_of)
        )
        links = {s["incident_id"]: incident_links.score(s, groups, as_of=as_of) for s in states}
        named = _named(states, links, lines)
        traffic = circumstances.traffic_by_operation(hours, sha_of=sha_of, timeline=timeline)
        samples = _samples(store, groups, as_of)
        around = {
            g.row["group_id"]: circumstances.around(
                g,
                sample=samples[g.row["group_id"]],
                traffic=traffic,
                timeline=timeline,
                mainline=lines.get(g.row["repository"] or ""),
                landed_or_deployed=deployed_at,
                route_paths=_route_paths(g, samples[g.row["group_id"]], code, timeline, port),
                named=named.get(g.row["group_id"], frozenset()),
                as_of=as_of,
                is_sampling_known=_sampling_ratio(settings, g.row["service"]) is not None,
            )
            for g in groups
        }
        listed = {
            g.row["group_id"]: candidates.listed(
                g,
                callees=samples[g.row["group_id"]].callees,
                timeline=timeline,
                mainlines=lines,
                services=code,
                paths_of=paths_of,
                is_late=evidence_in_time.is_late(g, around[g.row["group_id"]]),
                weights=ruled,
            )
            for g in groups
        }
        hunks = _hunks(
            store, {(c.change["repository"], c.change["sha"]) for found in listed.values() for c in found}
        )
        by_group = {
            g.row["group_id"]: evidence.weigh(
                g,
                listed[g.row["group_id"]],
                around[g.row["group_id"]],
                paths_of=paths_of,
                hunks=hunks,
                weights=ruled,
            )
            for g in groups
        }

        # what each incident says
        verdicts = {
            row["incident_id"]: row
            for row in store.rows(
                "SELECT * FROM verdicts WHERE decided_at <= $until ORDER BY decided_at", until=as_of
            )
        }
        repeated = incident_links.duplicates(states, links)
        groups_by_id = {g.row["group_id"]: g for g in groups}
        worded = _worded(store, states, links, lines, running, timeline, code, paths_of, ruled)
        answers = [
            incidents.answer(
                state,
                links[state["incident_id"]],
                groups=groups_by_id,
                group_suspects=by_group,
                duplicate_of=repeated.get(state["incident_id"]),
                is_watched=services.is_watched(state, hours),
                unlinked=worded.get(state["incident_id"], ()),
                verdict=verdicts.get(state["incident_id"]),
                weights=ruled,
            )
            for state in states
        ]
        answered = {a.state["incident_id"]: a.suspects for a in answers}

        # what it adds up to
        repository_of = {c["sha"]: h.repository for h in told for c in h.changes}
        final_states = [a.state for a in answers]
        places = {name: (c.repository, c.path) for name, c in code.items()}
        history_outcomes = outcomes.of_history(lines, final_states, paths_of=paths_of, services=places)
        group_rows = [g.row for g in groups]
        happened = [
            *outcomes.of_groups(group_rows, by_group, repository_of=repository_of),
            *outcomes.of_incidents(final_states, answered, repository_of=repository_of),
            *history_outcomes,
            *outcomes.of_rollbacks(
                running, group_rows, by_group, mainlines=lines, repository_of=repository_of
            ),
        ]
        ran = outcomes.of_deployments(
            timeline,
            sorted(
                {
                    (r["service"], r["environment"])
                    for r in running
                    if r["environment"] in settings.production_environments
                }
            ),
            change_deployments=first,
            changes={c["sha"]: c for h in told for c in h.changes},
            states=final_states,
            suspects=answered,
            hotfixes=[row for row in history_outcomes if row["kind"] == "hotfix"],
        )
        inferred: dict[Table, pa.Table | Iterable[Mapping[str, Any]]] = {
            tables.COMMIT_PROVENANCE: (row for h in told for row in h.provenance),
            tables.CHANGES: (row for h in told for row in h.changes),
            tables.DEATH_EDGES: _joined(tables.DEATH_EDGES, (h.death_edges for h in told)),
            tables.LINES_WRITTEN: _joined(tables.LINES_WRITTEN, (h.lines_written for h in told)),
            tables.CHANGE_REWORK: (
                row
                for h in told
                for row in rework.measure(
                    h.changes, h.death_edges, h.lines_written, h.authors, as_of, synced_at=synced_at
                )
            ),
            tables.SERVICE_REPOSITORIES: placed,
            tables.RUNNING_REVISIONS: running,
            tables.CHANGE_DEPLOYMENTS: first,
            tables.FAILURE_GROUPS: group_rows,
            tables.GROUP_FRAMES: (frame for g in groups for frame in g.frames),
            tables.GROUP_TRACES: (trace for g in groups for trace in g.traces),
            tables.GROUP_SUSPECTS: _suspect_rows(by_group, repository_of, ruled.version),
            tables.INCIDENT_LINKS: outcomes.links_by_incident(links),
            tables.INCIDENT_ATTRIBUTIONS: _attribution_rows(answers, repository_of, ruled.version),
            tables.INCIDENT_STATES: final_states,
            tables.CHANGE_OUTCOMES: happened,
            tables.DEPLOYMENT_OUTCOMES: ran,
        }
        return {
            table.name: rows if isinstance(rows, pa.Table) else arrow(table, rows)
            for table, rows in inferred.items()
        }


def rules() -> str:
    """Versions of every rule that shapes an inference, as JSON."""
    versions = {
        "catalogue": catalogue().version,
        "categories": categories.VERSION,
        "fingerprint": fingerprint.VERSION,
        "weights": weights.load().version,
        "words": tokens.version(),
    }
    return json.dumps(versions, sort_keys=True)


def facts_digest(store: Store, as_of: datetime) -> str:
    """SHA-256 text over the sizes and newest receipts of the facts that a correlation as of ``as_of`` reads."""
    return str(store.value(sql("correlator", "facts_digest"), until=as_of))


def _joined(table: Table, parts: Iterable[pa.Table]) -> pa.Table:
    listed = list(parts)
    return pa.concat_tables(listed) if listed else arrow(table, [])


def _notes(store: Store, repository: str) -> dict[str, str]:
    rows = store.rows(
        "SELECT sha, text FROM commit_notes WHERE repository = $name ORDER BY sha", name=repository
    )
    return {row["sha"]: row["text"] for row in rows}


def _named(
    states: Sequence[Row],
    links: Mapping[str, Sequence[incident_links.Link]],
    lines: Mapping[str, mainlines.Mainline],
) -> dict[str, frozenset[str]]:
    """group id -> changes that an incident linked to it names."""
    landings = {sha: change for mainline in lines.values() for sha, change in mainline.landings().items()}
    found: dict[str, frozenset[str]] = {}
    for state in states:
        if not (state["commit_sha"] or state["postmortem"]):
            continue
        named = incident_links.named_changes(state, landings)
        for link in links[state["incident_id"]][:1]:
            found[link.group_id] = found.get(link.group_id, frozenset()) | named
    return found


def _samples(
    store: Store, groups: Sequence[failure_groups.FailureGroup], as_of: datetime
) -> dict[str, traces.Sample]:
    asked = {"trace_ids": sorted({g.row["sample_trace_id"] for g in groups}), "until": as_of}
    if not groups:
        return {}
    return traces.samples(
        groups,
        store.rows(sql("correlator", "trace_services"), **asked),
        store.rows(sql("correlator", "trace_exceptions"), **asked),
    )


def _worded(
    store: Store,
    states: Sequence[Row],
    links: Mapping[str, Sequence[incident_links.Link]],
    lines: Mapping[str, mainlines.Mainline],
    running: Sequence[Row],
    timeline: revisions.Timeline,
    code: Mapping[str, failure_groups.ServiceCode],
    paths_of: Mapping[tuple[str, str], Sequence[str]],
    ruled: weights.Weights,
) -> dict[str, list[Suspect]]:
    """incident id -> suspects by its words, of the incidents that no failing span explains."""
    environments = sorted({row["environment"] for row in running})
    alone = [s for s in states if not links[s["incident_id"]]]
    listed = {
        s["incident_id"]: unlinked.candidates(
            s,
            environments=environments,
            timeline=timeline,
            mainlines=lines,
            services=code,
            paths_of=paths_of,
            weights=ruled,
        )
        for s in alone
    }
    hunks = _hunks(
        store, {(c.change["repository"], c.change["sha"]) for found in listed.values() for c in found}
    )
    landings = {sha: change for line in lines.values() for sha, change in line.landings().items()}
    return {
        s["incident_id"]: unlinked.weigh(
            s,
            listed[s["incident_id"]],
            hunks=hunks,
            named=incident_links.named_changes(s, landings),
            weights=ruled,
        )
        for s in alone
    }


def _sampling_ratio(settings: Settings, service: str) -> float | None:
    stated = settings.services.get(service)
    return (stated.sampling_ratio if stated else None) or settings.sampling_ratio


def _hunks(store: Store, wanted: set[tuple[str, str]]) -> dict[str, list[Row]]:
    """change sha -> its hunks, of the changes in ``wanted`` only."""
    found: dict[str, list[Row]] = {}
    if wanted:
        shas = sorted({sha for _, sha in wanted})
        for row in store.rows(sql("correlator", "candidate_hunks"), shas=shas):
            if (row["repository"], row["sha"]) in wanted:
                found.setdefault(row["sha"], []).append(row)
    return found


def _route_paths(
    group: failure_groups.FailureGroup,
    sample: traces.Sample,
    code: Mapping[str, failure_groups.ServiceCode],
    timeline: revisions.Timeline,
    port: RepositoryPort,
) -> frozenset[str]:
    """Files that hold the failing route as a literal: the callee's when it refused, else ours when no frame maps."""
    row = group.row
    if group.callee is None and any(frame["path"] for frame in group.frames):
        return frozenset()
    own = group.facts.attributes.get(HTTP_ROUTE)
    asked = (
        [(s, r) for s, r in sample.routes if s == group.callee] if group.callee else [(row["service"], own)]
    )
    found: set[str] = set()
    for service, route in asked:
        place = code.get(service)
        running = timeline.at(service, row["environment"], row["first_seen_at"])
        if (
            isinstance(route, str)
            and len(route) > 1
            and place
            and place.repository
            and running
            and running["sha"]
        ):
            hits = port.search(place.repository, CommitSha(running["sha"]), route)
            found |= {path for path, _ in hits if revisions.touches([path], place.path)}
    return frozenset(found)


def _pieces(suspect: Suspect) -> str:
    listed = [
        {"kind": str(p.kind), "log_lr": round(p.log_lr, 6), "detail": p.detail, "facts": p.facts}
        for p in suspect.evidence
    ]
    return json.dumps(listed, ensure_ascii=False, sort_keys=True)


def _suspect_rows(
    by_group: Mapping[str, Sequence[Suspect]], repository_of: Mapping[str, str], version: str
) -> Iterable[dict[str, Any]]:
    for group_id in sorted(by_group):
        for rank, suspect in enumerate(by_group[group_id], start=1):
            yield {
                "group_id": group_id,
                "rank": rank,
                "candidate": str(suspect.candidate),
                "repository": repository_of.get(suspect.sha) if suspect.sha else None,
                "sha": suspect.sha,
                "weight": suspect.weight,
                "evidence": _pieces(suspect),
                "algorithm_version": version,
            }


def _attribution_rows(
    answers: Sequence[incidents.Answer], repository_of: Mapping[str, str], version: str
) -> Iterable[dict[str, Any]]:
    for found in answers:
        for rank, suspect in enumerate(found.suspects, start=1):
            yield {
                "incident_id": found.state["incident_id"],
                "rank": rank,
                "candidate": str(suspect.candidate),
                "repository": repository_of.get(suspect.sha) if suspect.sha else None,
                "sha": suspect.sha,
                "weight": suspect.weight,
                "group_id": found.main_group,
                "evidence": _pieces(suspect),
                "algorithm_version": version,
            }
