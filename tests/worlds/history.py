"""Seven weeks of a company: changes, deployments, defects that get in and are mended; who wrote each change is known.

Simulated in the order of time. What fails when follows from what was deployed when, see :func:`live`.
"""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from worlds.code import Function, Module, Statement, path_between
from worlds.company import Company, Repository, Service
from worlds.defects import MECHANISMS, Defect, Planter, places
from worlds.edits import Editor
from worlds.languages import Text

START = datetime(2026, 3, 2, tzinfo=UTC)
WATCHED_FROM = START + timedelta(days=7)
"""From then on there is telemetry."""

KINDS: tuple[tuple[str, float], ...] = (
    ("feature", 32), ("fix", 13), ("refactor", 14), ("docs", 7), ("test", 6), ("config", 7), ("dependency", 6),
    ("lockfile", 3), ("format", 2), ("migration", 5), ("tuning", 5),
)  # fmt: skip


@dataclass(eq=False, repr=False, slots=True)
class Change:
    """One commit of a mainline. ``position`` counts those of its repository; ``files`` are what it leaves of paths."""

    number: int
    repository: Repository
    position: int
    at: datetime
    kind: str
    subject: str
    body: str
    author: int
    files: dict[str, str | None]
    size: int
    is_ai: bool
    is_tagged: bool
    tool: int
    service: Service
    mends: "Change | None" = None
    says: str = ""
    """How it names what it mends: '' | fixes | reverts."""
    sha: str = ""


@dataclass(eq=False, repr=False, slots=True)
class Deployment:
    service: Service
    at: datetime
    position: int
    is_rollback: bool = False
    canary_until: datetime | None = None
    is_told: bool = True
    number: int = 0


@dataclass(eq=False, repr=False, slots=True)
class Planted:
    """A defect with what became of it. ``origin``: the service that its change belongs to; ``change`` None: a flag."""

    defect: Defect
    origin: Service
    change: Change | None
    paths: dict[int, list[tuple[Function, Statement]]] = field(default_factory=dict)
    """By index of ``Defect.operations``: from the handler to what fails, outermost first."""
    mended: Change | None = None
    deployed_at: datetime | None = None
    begins_at: datetime | None = None
    noticed_at: datetime | None = None
    ended_at: datetime | None = None
    way: str = ""


class History:
    """``changes`` by repository name in the order of the mainline; ``deployments`` by service name."""

    def __init__(
        self,
        seed: int,
        *,
        services: int,
        changes: int,
        defects: int,
        ai_share: float,
        hazard_ratio: float,
        tag_share: float,
        named_share: float,
        told_share: float,
        days: int,
        mechanisms: tuple[str, ...] = (),
    ) -> None:
        self.end = START + timedelta(days=days)
        self.watched = self.end - WATCHED_FROM
        self.chance = random.Random(f"{seed}/history")
        self.company = Company(random.Random(f"{seed}/company"), services=services)
        places(self.company, self.company.chance)
        for service in self.company.services:
            self.company.papers(service)
        self.editor = Editor(self.company)
        self.planter = Planter(self.company, random.Random(f"{seed}/defects"))
        self.tags = random.Random(f"{seed}/tags")
        self.ai_share, self.tag_share, self.named_share = ai_share, tag_share, named_share
        self.told_share = told_share
        risk = ai_share * hazard_ratio
        self.defects_ai_share = risk / (risk + 1 - ai_share) if risk else 0.0
        self.changes: dict[str, list[Change]] = {r.name: [] for r in self.company.repositories}
        self.texts: dict[str, list[dict[str, Text]]] = {r.name: [] for r in self.company.repositories}
        self.deployments: dict[str, list[Deployment]] = {s.name: [] for s in self.company.services}
        self.planted: list[Planted] = []
        self._state: dict[str, dict[str, str]] = {r.name: {} for r in self.company.repositories}
        self._queue: list[tuple[datetime, int, Callable[[datetime], None]]] = []
        self._count = 0
        self._number = 0
        self._held: dict[str, datetime] = {}
        names = list(mechanisms or MECHANISMS)
        self.planter.chance.shuffle(names)
        self._wanted = names
        self._simulate(changes, defects)

    # --- the clock -----------------------------------------------------------------------------------

    def _later(self, at: datetime, act: Callable[[datetime], None]) -> None:
        if at < self.end:
            self._count += 1
            heapq.heappush(self._queue, (at, self._count, act))

    def _work_time(self, first: datetime, last: datetime) -> datetime:
        while True:
            at = first + (last - first) * self.chance.random()
            at = at.replace(hour=8, minute=0, second=0, microsecond=0) + timedelta(
                seconds=self.chance.randint(0, 36000)
            )
            if at.weekday() < 5 or self.chance.random() < 0.1:
                return min(max(at, first), last)

    def _simulate(self, changes: int, defects: int) -> None:
        chance = self.chance
        for repository in self.company.repositories:
            self._commit(
                START + timedelta(hours=chance.uniform(0, 5)),
                repository.services[0],
                "feature",
                f"Start {repository.name.split('/')[1]}",
            )
        early = changes // 6
        for number in range(changes):
            first, last = (
                (START + timedelta(days=1), WATCHED_FROM)
                if number < early
                else (WATCHED_FROM, self.end - timedelta(days=1))
            )
            self._later(self._work_time(first, last), self._change)
        for _ in range(defects):
            first, last = WATCHED_FROM + self.watched * 0.1, self.end - self.watched * 0.2
            self._later(self._work_time(first, last), self._defect)
        for service in self.company.services:
            self._later(
                WATCHED_FROM - timedelta(hours=chance.uniform(1, 30)),
                lambda at, s=service: self._deploy(at, s),
            )
            self._rhythm(WATCHED_FROM, service, chance.choice((0.4, 1.0, 2.0, 4.0, 7.0)))
        while self._queue:
            at, _, act = heapq.heappop(self._queue)
            act(at)

    def _rhythm(self, at: datetime, service: Service, days: float) -> None:
        """Deployments of a service, one after another, about so many days apart."""
        first = at + timedelta(days=days * 0.5)
        following = self._work_time(first, first + timedelta(days=days))

        def act(now: datetime) -> None:
            held = self._held.get(service.name)
            if held is None or held < now:
                self._deploy(now, service)
            self._rhythm(now, service, days)

        self._later(max(following, at + timedelta(hours=2)), act)

    # --- changes --------------------------------------------------------------------------------------

    def _pick(self) -> Service:
        return self.chance.choice(self.company.services)

    def _change(self, at: datetime) -> None:
        kind = self.chance.choices([k for k, _ in KINDS], [w for _, w in KINDS])[0]
        is_ai = self.tags.random() < self.ai_share
        service = self._pick()
        words = self._edit(service, kind, is_ai=is_ai)
        self._commit(at, service, kind, words[0][:1].upper() + words[0][1:], words[1:], is_ai=is_ai)

    def _beside(self, at: datetime, planted: Planted) -> None:
        """A change that harms nothing, near one that does: its function, its file, or the names that it is about."""
        chance, service = self.chance, planted.origin
        near = [f for f, _ in planted.defect.sites if f.module.service == service.name]
        near += [f for f in service.functions() if near and f.module is near[0].module]
        if not near:
            return
        is_ai = self.tags.random() < self.ai_share
        function = chance.choice(near)
        heat, function.heat = function.heat, function.heat * 200
        kind = chance.choice(("feature", "fix", "refactor"))
        words = self._edit(service, kind, is_ai=is_ai)
        function.heat = heat
        self._commit(at, service, kind, words[0][:1].upper() + words[0][1:], words[1:], is_ai=is_ai)

    def _edit(self, service: Service, kind: str, *, is_ai: bool) -> list[str]:
        """Edits of one change of a kind, at least one; their number is log-normal, and larger where AI writes."""
        editor, chance = self.editor, self.chance
        count = min(max(1, round(chance.lognormvariate(1.0 if is_ai else 0.6, 0.8))), 20)
        code = (
            editor.add_statements,
            editor.add_statements,
            editor.add_function,
            editor.tune_number,
            editor.guard,
            editor.answer_field,
        )
        ways: dict[str, tuple[Callable[[Service], str], ...]] = {
            "feature": (*code, editor.add_function, editor.add_parameter, editor.tests, editor.migration),
            "fix": (editor.tune_number, editor.guard, editor.add_statements, editor.remove_statement),
            "refactor": (editor.rename_function, editor.add_parameter, editor.extract_function, editor.remove_statement, editor.describe),
            "docs": (editor.docs, editor.docs, editor.describe),
            "test": (editor.tests,),
            "config": (editor.setting,),
            "dependency": (lambda s: editor.library(s, is_patch=False),),
            "lockfile": (lambda s: editor.library(s, is_patch=True),),
            "format": (editor.reformat,),
            "migration": (editor.migration,),
            "tuning": (editor.tune_constant, editor.tune_number),
        }  # fmt: skip
        if kind in ("format", "dependency", "lockfile", "migration"):
            count = 1
        if kind == "config":
            count = min(count, 2)
        words = [chance.choice(ways[kind])(service) for _ in range(count)]
        if kind in ("feature", "fix") and chance.random() < 0.4:
            words.append(editor.tests(service))
        verb = {"feature": "add ", "fix": "fix ", "tuning": "", "format": ""}.get(kind, "")
        first = words[0] if " to " in words[0] or verb == "" else verb + words[0]
        return [first, *words[1:]]

    def _defect(self, at: datetime) -> None:
        """A change that holds a defect beside what it is for."""
        is_ai = self.tags.random() < self.defects_ai_share
        for mechanism in [*self._wanted]:
            for service in self.company.chance.sample(self.company.services, len(self.company.services)):
                kind_words: list[str] = []
                defect = self.planter.plant(mechanism, service)
                if defect is None or not defect.operations:
                    if defect is not None:
                        defect.undo()
                    continue
                self._wanted.remove(mechanism)
                self._wanted.append(mechanism)
                planted = Planted(defect, service, None)
                if not defect.flag:
                    if self.chance.random() < 0.7:
                        kind_words = self._edit(
                            service, defect.kind if defect.kind != "dependency" else "lockfile", is_ai=is_ai
                        )
                    subject = (
                        defect.subject
                        if self.chance.random() < 0.7 or not kind_words
                        else kind_words[0][:1].upper() + kind_words[0][1:]
                    )
                    planted.change = self._commit(
                        at,
                        service,
                        defect.kind,
                        subject,
                        [w for w in (defect.subject, *kind_words) if w != subject],
                        is_ai=is_ai,
                    )
                self._trace(planted)
                self.planted.append(planted)
                for _ in range(self.chance.choice((0, 0, 1, 1, 2))):
                    when = at + timedelta(days=max(self.chance.uniform(-0.5, 1.5), 0.01))
                    self._later(when, lambda now, p=planted: self._beside(now, p))  # type: ignore[misc]
                if defect.flag:
                    planted.deployed_at = planted.begins_at = at
                    self._notice(planted)
                return

    def _trace(self, planted: Planted) -> None:
        defect = planted.defect
        for index, operation in enumerate(defect.operations):
            for function, statement in defect.sites:
                found = path_between(operation.handler, function)
                if found is not None:
                    planted.paths[index] = [(f, s if s is not None else statement) for f, s in found]
                    break

    def _commit(
        self, at: datetime, service: Service, kind: str, subject: str, words: list[str] | None = None, *,
        mends: Change | None = None, says: str = "", is_ai: bool | None = None,
    ) -> Change | None:  # fmt: skip
        repository = service.repository
        state, files = self._state[repository.name], {}
        texts: dict[str, Text] = {}
        now = dict(repository.files)
        for other in repository.services:
            for module in other.modules:
                texts[module.path] = self.company.text(module)
                now[module.path] = texts[module.path].text
        files = {path: text for path, text in now.items() if state.get(path) != text}
        if not files:
            return None
        size = sum(abs(len(t.split("\n")) - len(state.get(p, "").split("\n"))) + 1 for p, t in files.items())
        self._state[repository.name] = now
        listed = self.changes[repository.name]
        if listed:
            at = max(at, listed[-1].at + timedelta(seconds=30))
        self._number += 1
        chance = self.chance
        if is_ai is None:
            is_ai = self.tags.random() < self.ai_share
        body = "\n".join(f"- {w}" for w in words or () if w) if chance.random() < 0.5 else ""
        change = Change(
            self._number, repository, len(listed), at, kind, subject.strip() or "Update", body,
            chance.randrange(8), dict(files), size, is_ai,
            is_ai and self.tags.random() < self.tag_share, self.tags.randrange(4), service, mends, says,
        )  # fmt: skip
        listed.append(change)
        self.texts[repository.name].append(texts)
        return change

    # --- deployments ----------------------------------------------------------------------------------

    def running(self, service: Service) -> Deployment | None:
        known = self.deployments[service.name]
        return known[-1] if known else None

    def _deploy(self, at: datetime, service: Service, *, is_hotfix: bool = False) -> None:
        listed = [c for c in self.changes[service.repository.name] if c.at <= at]
        if not listed:
            return
        last = self.running(service)
        if last is not None and at <= last.at + timedelta(minutes=20):
            at = last.at + timedelta(minutes=20)
        position = listed[-1].position
        if not is_hotfix and self.chance.random() < 0.15 and position > 0:
            position -= 1
        if last is not None and position <= last.position:
            return
        touched = last is None or any(
            self._touches(c, service) for c in listed[last.position + 1 : position + 1]
        )
        if not touched and not is_hotfix and self.chance.random() < 0.7:
            return
        canary = (
            at + timedelta(minutes=self.chance.uniform(20, 240))
            if not is_hotfix and last is not None and self.chance.random() < 0.15
            else None
        )
        deployment = Deployment(service, at, position, False, canary, self.chance.random() < self.told_share)
        self.deployments[service.name].append(deployment)
        for planted in self.planted:
            change = planted.change
            is_new = planted.deployed_at is None and change is not None and planted.origin is service
            if is_new and change is not None and change.position <= position:
                planted.deployed_at = at
                planted.begins_at = at + timedelta(days=planted.defect.waits)
                self._notice(planted)

    def _touches(self, change: Change, service: Service) -> bool:
        prefix = f"{service.root}/" if service.root else ""
        return any(path.startswith(prefix) for path in change.files)

    def _notice(self, planted: Planted) -> None:
        assert planted.begins_at is not None
        hours = min(self.chance.lognormvariate(1.0, 1.3), 72)
        noticed = planted.begins_at + timedelta(hours=hours + 0.2)
        planted.noticed_at = noticed
        self._later(noticed, lambda at: self._mend(at, planted))

    def _mend(self, at: datetime, planted: Planted) -> None:
        chance, defect, service = self.chance, planted.defect, planted.origin
        if defect.flag:
            planted.way = "flag"
            planted.ended_at = at + timedelta(hours=chance.uniform(0.1, 6))
            return
        assert planted.change is not None
        way = chance.choices(("rollback", "fix", "revert", "none"), (25, 48, 17, 10))[0]
        planted.way = way
        if way == "none":
            return
        known = self.deployments[service.name]
        before = [d for d in known if d.position < planted.change.position]
        if way == "rollback":
            if before and not defect.waits:
                self.deployments[service.name].append(
                    Deployment(
                        service,
                        max(at, known[-1].at + timedelta(minutes=5)),
                        before[-1].position,
                        True,
                        None,
                        chance.random() < 0.9,
                    )
                )
            else:
                planted.way = "fix"
        delay = timedelta(hours=chance.lognormvariate(0.5, 1.0))
        self._held[service.name] = at + delay + timedelta(minutes=1)
        self._later(at + delay, lambda now: self._fix(now, planted))

    def _fix(self, at: datetime, planted: Planted) -> None:
        assert planted.change is not None
        chance, change, defect = self.chance, planted.change, planted.defect
        defect.undo()
        self.company.papers(planted.origin)
        if planted.way == "revert":
            says, subject = "reverts", f'Revert "{change.subject}"'
            if chance.random() >= self.named_share:
                says, subject = "", f"Take back what {change.subject[:1].lower() + change.subject[1:]} did"
        else:
            says = "fixes" if chance.random() < 0.35 * self.named_share else ""
            words = ("Repair", "Correct", "Mend", "Fix", "Handle")
            what = (
                change.subject[:1].lower() + change.subject[1:]
                if chance.random() < 0.4
                else defect.operations[0].name
            )
            subject = f"{chance.choice(words)} {what}"
            if chance.random() < 0.4:
                self.editor.tests(planted.origin)
        planted.mended = self._commit(
            at, planted.origin, "revert" if says == "reverts" else "fix", subject, mends=change, says=says
        )
        if planted.mended is not None:
            self._later(
                planted.mended.at + timedelta(minutes=chance.uniform(5, 120)),
                lambda now: self._deploy(now, planted.origin, is_hotfix=True),
            )


def live(history: History, planted: Planted) -> list[tuple[datetime, datetime, float]]:
    """(since, until, share of the traffic) in which requests can meet a defect."""
    if planted.begins_at is None:
        return []
    if planted.change is None:
        return [(planted.begins_at, planted.ended_at or history.end, 1.0)]
    found: list[tuple[datetime, datetime, float]] = []
    known = history.deployments[planted.origin.name]
    for index, deployment in enumerate(known):
        until = known[index + 1].at if index + 1 < len(known) else history.end
        holds = deployment.position >= planted.change.position and (
            planted.mended is None or deployment.position < planted.mended.position
        )
        since = max(deployment.at, planted.begins_at)
        if holds and since < until:
            found.append((since, until, 1.0))
    return found


def module_texts(history: History, service: Service, position: int) -> dict[str, Text]:
    return history.texts[service.repository.name][position]


def frames_at(
    history: History, service: Service, position: int, path: list[tuple[Function, Statement]]
) -> list[dict[str, Any]]:
    """The frames of a call path in one revision, innermost first; a statement that was not there yet has none."""
    texts = module_texts(history, service, position)
    found = []
    for function, statement in reversed(path):
        module: Module = function.module
        text = texts.get(module.path)
        line = text.line_of.get(statement.key) if text else None
        if text is None or line is None:
            continue
        found.append(
            {
                "path": module.path,
                "module": module.name,
                "line": line,
                "function": text.names.get(id(function), function.name),
                "code": text.line(line),
            }
        )
    return found
