"""A company with known truth: generated from a seed, and what Aftermerge answers of it.

``generate`` simulates the company in memory; ``run`` writes its repositories and its facts, through the intake's own
parsers and the collector's own decoder, into an installation, correlates, and brings the answers together with the truth.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from api.installation import Installation
from collector import rollups
from collector.intake import deployments as deployment_intake
from collector.intake import incidents as incident_intake
from collector.otlp import DISTINCT, TABLES
from schemas import tables
from schemas.settings import Settings
from schemas.store import Store
from worlds import causes as causes_
from worlds import git, incidents, troubles, weighing
from worlds.causes import Cause
from worlds.history import Change, History
from worlds.incidents import Told
from worlds.telemetry import Naming, Recorder, version
from worlds.traffic import Batch, Sampling, Traffic
from worlds.trees import Recording, Trees


@dataclass(frozen=True, slots=True)
class WorldSettings:
    """How large a world is, and what its telemetry shows.

    ``stack_share``: share of services whose failures come with stacks; ``revision_share``: of those whose resources name
    the commit that runs. ``named_share``: of
    the reverts and references of fixes that would name their change, those that do. ``told_share``: of the deployments, those that somebody tells
    of. ``hazard_ratio``: how many times as
    often a change that AI made holds a defect. ``tags``: real | none | flipped. ``spans``: how many are
    written, about.
    """

    days: int = 49
    services: int = 0
    changes: int = 0
    defects: int = 10
    troubles: int = 8
    sampling: Sampling = field(default_factory=Sampling)
    stack_share: float = 1.0
    revision_share: float = 1.0
    ai_share: float = 0.45
    hazard_ratio: float = 1.0
    tag_share: float = 0.75
    named_share: float = 1.0
    told_share: float = 0.93
    tags: str = "real"
    spans: int = 80_000
    mechanisms: tuple[str, ...] = ()


@dataclass(eq=False, repr=False, slots=True)
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
        hazard_ratio=settings.hazard_ratio, tag_share=settings.tag_share, named_share=settings.named_share, told_share=settings.told_share, days=settings.days,
        mechanisms=settings.mechanisms,
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


@dataclass(eq=False, repr=False, slots=True)
class Answers:
    """What was written and what was inferred. ``groups``, ``incidents``: rows with ``suspects`` and ``cause``."""

    world: World
    shas: dict[str, list[str]]
    told: list[Told]
    cause_of: dict[str, int]
    installation: Installation
    weighed: dict[str, dict[str, Any]]

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
    _load(installation, rows, chance, world.history.end)
    _tell(installation, world, shas, told, chance)
    installation.count(is_thorough=True)
    with weighing.watched() as weighed:
        installation.correlator.correlate(as_of=world.history.end)
    return Answers(world, shas, told, recorder.cause_of, installation, weighed)


def _load(
    installation: Installation, rows: dict[str, Any], chance: random.Random | None, end: datetime
) -> None:
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
                **{table.name: rows[table.name].slice(0, 0) for table in DISTINCT},
                "spans": rows["spans"].take([*order[half:], *again]),
            },
        ]
    for part in parts:
        with store.transaction():
            number = rollups.next_load(store, part["spans"].num_rows, now=end)
            for table in TABLES:
                batch = part[table.name].combine_chunks()
                store.append(table, rollups.stamped(table, batch, number, now=end))
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
