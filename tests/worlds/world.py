"""A company with known truth: generated from a seed, and what Aftermerge answers of it.

``generate`` simulates the company in memory; ``run`` writes its repositories and its facts, through the intake's own
parsers and the collector's own decoder, into an installation, correlates, and brings the answers together with the truth.
"""

import json
import random
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from api.installation import Installation
from collector import rollups
from collector.intake import deployments as deployment_intake
from collector.intake import incidents as incident_intake
from collector.otlp import TABLES
from schemas import tables
from schemas.settings import Settings
from schemas.store import Store
from worlds import causes as causes_
from worlds import git, incidents, troubles
from worlds.causes import Cause
from worlds.history import END, Change, History
from worlds.incidents import Told
from worlds.telemetry import Naming, Recorder, version
from worlds.traffic import Batch, Sampling, Traffic
from worlds.trees import Recording, Trees


@dataclass(frozen=True, slots=True)
class WorldSettings:
    """How large a world is, and what its telemetry shows.

    ``stack_share``: share of services whose failures come with stacks; ``revision_share``: of those whose resources name
    the commit that runs. ``tags``: real | none | flipped. ``spans``: how many are
    written, about.
    """

    services: int = 0
    changes: int = 0
    defects: int = 10
    troubles: int = 8
    sampling: Sampling = field(default_factory=Sampling)
    stack_share: float = 1.0
    revision_share: float = 1.0
    ai_share: float = 0.45
    tag_share: float = 0.75
    tags: str = "real"
    spans: int = 80_000
    mechanisms: tuple[str, ...] = ()


@dataclass(eq=False, slots=True)
class World:
    seed: int
    settings: WorldSettings
    history: History
    causes: list[Cause]
    batches: list[Batch]
    naming: dict[str, Naming]
    sampling: Sampling

    def changes(self) -> list[Change]:
        return [c for listed in self.history.changes.values() for c in listed]


def generate(seed: int, settings: WorldSettings | None = None) -> World:
    """The world of a seed; equal arguments give equal worlds."""
    settings = settings or WorldSettings()
    chance = random.Random(f"{seed}/world")
    services = settings.services or chance.randint(3, 6)
    changes = settings.changes or chance.randint(60, 150)
    history = History(
        seed, services=services, changes=changes, defects=settings.defects, ai_share=settings.ai_share,
        tag_share=settings.tag_share, mechanisms=settings.mechanisms,
    )  # fmt: skip
    found = causes_.of(history, troubles.make(history, seed, settings.troubles))
    recording = {}
    naming = {}
    for service in history.company.services:
        draw, other = chance.random(), chance.random()
        recording[service.name] = Recording(
            draw < settings.stack_share, other < 0.5 or settings.stack_share > 0
        )
        poor = chance.choice(("sha_version", "tag", "image", "constant", "nothing"))
        way = "revision" if chance.random() < settings.revision_share else poor
        naming[service.name] = Naming(way, chance.random() < 0.5)
    trees = Trees(history.company, recording)
    traffic = Traffic(history, trees, found, seed=seed, sampling=settings.sampling, spans=settings.spans)
    return World(seed, settings, history, found, traffic.batches(), naming, settings.sampling)


@dataclass(eq=False, slots=True)
class Answers:
    """What was written and what was inferred. ``groups``, ``incidents``: rows with ``suspects`` and ``cause``."""

    world: World
    shas: dict[str, list[str]]
    told: list[Told]
    cause_of: dict[str, int]
    installation: Installation

    def close(self) -> None:
        self.installation.close()


def run(world: World, folder: Path, *, facts: int = 0) -> Answers:
    """Write the facts of ``world`` into an installation under ``folder`` and correlate.

    Args:
        facts: 0 writes them once in the order of time; another number shuffles them by it, sends some twice, and some late.
    """
    shas = git.write(world.history, folder / "git", tags=world.settings.tags)
    ratio = world.sampling.ratio
    settings = Settings(data=folder / "data", sampling_ratio=1.0 if ratio >= 1 else None)
    (folder / "data").mkdir()
    installation = Installation(settings, Store.open())
    for repository in world.history.company.repositories:
        installation.add_repository(repository.name, str(folder / "git" / repository.name.split("/")[1]))
        installation.sync(repository.name)
    for service in world.history.company.services:
        installation.map_service(service.name, service.repository.name, service.root)
    recorder = Recorder(world.history, shas, world.naming, world.sampling, world.seed)
    rows = recorder.record(world.batches).rows
    traces: dict[int, list[str]] = {}
    for trace, cause in recorder.cause_of.items():
        traces.setdefault(cause, []).append(trace)
    told = incidents.of(world.history, world.causes, traces, world.seed)
    chance = random.Random(facts) if facts else None
    _load(installation, rows, chance)
    _tell(installation, world, shas, told, chance)
    installation.count(is_thorough=True)
    installation.correlator.correlate(as_of=END)
    return Answers(world, shas, told, recorder.cause_of, installation)


def _load(installation: Installation, rows: dict[str, Any], chance: random.Random | None) -> None:
    store = installation.store
    parts = [rows]
    if chance is not None:
        order = list(range(rows["spans"].num_rows))
        chance.shuffle(order)
        half = len(order) // 2
        # Some come twice: OTLP delivers at least once.
        again = order[: len(order) // 50]
        parts = [
            {**rows, "spans": rows["spans"].take(order[:half])},
            {
                **rows,
                "resources": rows["resources"].slice(0, 0),
                "scopes": rows["scopes"].slice(0, 0),
                "spans": rows["spans"].take([*order[half:], *again]),
            },
        ]
    for part in parts:
        with store.transaction():
            number = rollups.next_load(store, part["spans"].num_rows, now=END)
            for table in TABLES:
                batch = part[table.name].combine_chunks()
                store.append(table, rollups.stamped(batch, number) if table.stamps else batch)
        store.refresh()
        if chance is not None:
            installation.count()


def _tell(
    installation: Installation,
    world: World,
    shas: dict[str, list[str]],
    told: Sequence[Told],
    chance: random.Random | None,
) -> None:
    reports = []
    for name, listed in world.history.deployments.items():
        naming = world.naming[name]
        for number, d in enumerate(listed):
            if not d.is_told:
                continue
            sha = shas[d.service.repository.name][d.position]
            report: dict[str, Any] = {
                "id": f"{name}-{number}", "service": name, "environment": "production", "repository": d.service.repository.name,
                "started_at": (d.at - timedelta(minutes=4)).isoformat(), "finished_at": d.at.isoformat(), "status": "succeeded",
                "type": "rollback" if d.is_rollback and number % 3 else "deploy",
            }  # fmt: skip
            if naming.way == "tag":
                report["version"] = version(d.position)
            else:
                report["revision"] = sha
            if d.canary_until:
                report["canary_until"] = d.canary_until.isoformat()
            reports.append((d.at + timedelta(seconds=20), report))
    rows = [
        deployment_intake.complete(r) for at, report in reports for r in deployment_intake.parse(report, at)
    ]
    events = []
    for incident in told:
        for report in incident.reports:
            at = datetime.fromisoformat(report.get("resolved_at") or report["opened_at"])
            events += incident_intake.parse(report, at + timedelta(seconds=5))
    if chance is not None:
        chance.shuffle(rows)
        chance.shuffle(events)
    for table, listed_rows in ((tables.DEPLOYMENTS, rows), (tables.INCIDENT_EVENTS, events)):
        for row in listed_rows if chance is not None else [None]:
            installation.store.append_rows(table, listed_rows if row is None else [row], replace=True)


# --- what was answered, beside the truth ------------------------------------------------------------------


@dataclass(slots=True)
class Case:
    """One failure group or incident with its truth. ``truth``: sha, '' for no change, None for what cannot be said.

    ``peers``: what other methods name, sha or None.
    """

    seed: int
    noun: str
    id: str
    title: str
    mechanism: str
    truth: str | None
    flag: str
    suspects: list[dict[str, Any]]
    peers: dict[str, str | None]
    facts: dict[str, Any]

    def top(self) -> str:
        """Sha of the heaviest change, '' when no change is heavier than each, '?' when unattributed is."""
        first = self.suspects[0] if self.suspects else {"candidate": "unattributed"}
        return {"change": first.get("sha") or "", "no_change": ""}.get(first["candidate"], "?")

    def named(self, count: int) -> list[str]:
        """The heaviest ``count`` of changes and no change."""
        listed = [s for s in self.suspects if s["candidate"] != "unattributed"]
        return [s["sha"] or "" for s in listed[:count]]


def cases(answers: Answers) -> list[Case]:
    """Every group and incident whose truth is known."""
    store, world = answers.installation.store, answers.world
    suspects: dict[str, list[dict[str, Any]]] = {}
    for row in store.rows("SELECT * FROM group_suspects ORDER BY group_id, rank"):
        suspects.setdefault(row["group_id"], []).append(_suspect(row))
    attributed: dict[str, list[dict[str, Any]]] = {}
    for row in store.rows("SELECT * FROM incident_attributions ORDER BY incident_id, rank"):
        attributed.setdefault(row["incident_id"], []).append(_suspect(row))
    groups = store.rows("SELECT * FROM failure_groups ORDER BY group_id")
    frames: dict[str, list[dict[str, Any]]] = {}
    for row in store.rows("SELECT * FROM group_frames ORDER BY group_id, position"):
        frames.setdefault(row["group_id"], []).append(row)
    peers = Peers(answers)
    links: dict[str, list[dict[str, Any]]] = {}
    for row in store.rows("SELECT * FROM incident_links ORDER BY incident_id, weight DESC"):
        links.setdefault(row["incident_id"], []).append(row)
    by_id = {g["group_id"]: g for g in groups}
    found: list[Case] = []
    for group in groups:
        cause = cause_of_group(answers, group)
        if cause is None:
            continue
        told = {
            k: group[k]
            for k in (
                "service",
                "operation",
                "detector",
                "exception_type",
                "category",
                "onset_sha",
                "failing_trace_count",
            )
        }
        found.append(
            _case(
                world,
                "group",
                group["group_id"],
                group["title"],
                cause,
                suspects.get(group["group_id"], []),
                peers.of(group, frames.get(group["group_id"], [])),
                {**told, "frames": len([f for f in frames.get(group["group_id"], []) if f["path"]])},
            )
        )
    states = {s["external_id"]: s for s in store.rows("SELECT * FROM incident_states")}
    for incident in answers.told:
        id_ = f"generic:{incident.external_id}"
        linked = links.get(id_, [])
        main = by_id.get(linked[0]["group_id"]) if linked else None
        state = states.get(incident.external_id, {})
        named = (
            peers.of(main, frames.get(main["group_id"], []))
            if main
            else peers.at(str(state.get("service")), state["opened_at"])
            if state
            else {}
        )
        correct = cause_of_group(answers, main) is incident.cause if main else None
        told = {
            "service": state.get("service"),
            "is_linked": bool(linked),
            "is_linked_right": correct,
            "is_false_alarm": state.get("is_false_alarm"),
        }
        found.append(
            _case(
                world,
                "incident",
                id_,
                str(state.get("title")),
                incident.cause,
                attributed.get(id_, []),
                named,
                told,
            )
        )
    return found


def _suspect(row: dict[str, Any]) -> dict[str, Any]:
    return {k: row[k] for k in ("candidate", "sha", "weight")} | {"evidence": json.loads(row["evidence"])}


def _case(
    world: World,
    noun: str,
    id_: str,
    title: str,
    cause: Cause | None,
    suspects: list[dict[str, Any]],
    peers: dict[str, str | None],
    facts: dict[str, Any],
) -> Case:
    truth = cause.change.sha if cause and cause.change else ""
    kind = cause.kind if cause else "false_alarm"
    return Case(
        world.seed, noun, id_, title, kind, truth, cause.flag if cause else "", suspects, peers, facts
    )


_DRIFTS = {
    "slow": {"operation_slower"}, "many": {"operation_slower", "calls_multiplied"}, "hang": {"operation_slower"}, "open": {"denials_stopped", "callers_unauthenticated"},
    "deny": {"denials_rose"}, "stranger": {"denials_rose"}, "leaf": {"operation_slower", "denials_rose", "host_is_new"}, "crowd": {"operation_slower", "denials_rose"}, "token": {"denials_rose"},
}  # fmt: skip


def cause_of_group(answers: Answers, group: dict[str, Any]) -> Cause | None:
    """What caused a failure group: the cause that its sample trace met; of a drift, the one it shows and is about."""
    if group["detector"] is None:
        number = answers.cause_of.get(group["sample_trace_id"])
        return None if number is None else answers.world.causes[number]
    onset = group["first_seen_at"].timestamp()
    fitting = []
    for cause in answers.world.causes:
        if group["detector"] not in _DRIFTS.get(cause.shows, set()):
            continue
        begins = _begins(cause)
        is_near = begins is not None and -7200 <= onset - begins <= 5 * 86400
        services = {
            cause.service.name,
            *(
                s.name
                for s in answers.world.history.company.services
                if cause.shows in ("slow", "hang", "many", "leaf", "crowd")
            ),
        }
        is_about = group["service"] in services and (
            cause.service.name == group["service"] or (begins is not None and abs(onset - begins) < 6 * 3600)
        )
        if is_near and is_about:
            fitting.append((abs(onset - (begins or 0)), cause.number, cause))
    return min(fitting)[2] if fitting else None


def _begins(cause: Cause) -> float | None:
    if cause.trouble is not None:
        return cause.trouble.since.timestamp()
    assert cause.planted is not None
    return cause.planted.begins_at.timestamp() if cause.planted.begins_at else None


class Peers:
    """What simpler methods name for the same failure."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._timeline = answers.installation.store.rows(
            "SELECT * FROM running_revisions ORDER BY service, started_at"
        )
        self._blamed: dict[tuple[str, str, int], str | None] = {}

    def of(self, group: dict[str, Any], frames: list[dict[str, Any]]) -> dict[str, str | None]:
        return self.at(group["service"], group["first_seen_at"]) | {
            "top_frame_blame": self._blame(group["repository"], frames)
        }

    def at(self, service: str, moment: datetime) -> dict[str, str | None]:
        """The newest commit of the last deployment of ``service`` before ``moment``."""
        rows = [
            r for r in self._timeline if r["service"] == service and r["started_at"] <= moment and r["sha"]
        ]
        return {"newest_of_deployment": rows[-1]["sha"] if rows else None, "top_frame_blame": None}

    def _blame(self, repository: str | None, frames: list[dict[str, Any]]) -> str | None:
        ours = next((f for f in frames if f["path"] and f["line"]), None)
        if ours is None or repository is None:
            return None
        key = (repository, ours["path"], ours["line"])
        if key not in self._blamed:
            folder = self._answers.installation.settings.data.parent / "git" / repository.split("/")[1]
            done = subprocess.run(
                ["git", "blame", "--porcelain", "-L", f"{ours['line']},{ours['line']}", "main", "--", ours["path"]],
                cwd=folder, capture_output=True, check=False, text=True,
            )  # fmt: skip
            self._blamed[key] = done.stdout.split(" ", 1)[0] if done.returncode == 0 else None
        return self._blamed[key]


__all__ = ["UTC", "Answers", "Case", "World", "WorldSettings", "cases", "generate", "replace", "run"]
