"""Eight months of Acme's catalogue, planned from a seed: thousands of changes whose true risk is known.

A change of an agent fails 1.7 times as often as an equally large one of a person. Agents also write larger changes, and
larger ones fail more often, so that the plain ratio of rates is too high: the known confounder.
"""

import random
from dataclasses import dataclass, field
from pathlib import Path

from demo import catalogue_code, people
from demo.catalogue_code import Module
from demo.repository import Importer

DAYS = 240
CHANGES = 2_600
PACKAGES = ("feed", "pages")
MODULES = 60
AI_SHARE = 0.45
UNMARKED_SHARE = 0.03
"""Share of the agents' changes that bear no mark."""
RATIO = 1.7
RISK = {"small": 0.05, "large": 0.075}
"""Chance that a change of a person fails within the follow-up, by size."""
LARGE_SHARE = {"ai": 0.6, "human": 0.4}
INDIRECT_SHARE = 0.15
FIXED_SHARE = 0.7
STATEMENTS = {"small": (1, 6), "large": (22, 40)}

TRAILERS = (
    "🤖 Generated with [Claude Code](https://claude.com/claude-code)\n\n"
    "Co-Authored-By: Claude Opus 4.5 <noreply@anthropic.com>",
    "Co-Authored-By: Claude Sonnet 4.5 <noreply@anthropic.com>",
    "Co-authored-by: Copilot <223556219+Copilot@users.noreply.github.com>",
    "Co-authored-by: Cursor <cursoragent@cursor.com>",
    "Co-authored-by: aider (gpt-5.1) <aider@aider.chat>",
    "Co-authored-by: Codex <noreply@openai.com>",
)
PEOPLE = ("mara", "priya", "tomas", "jonas")


@dataclass(frozen=True, slots=True)
class Trip:
    """A record without ``property`` fails in ``function`` of ``module``; in ``line``, or anywhere when that is empty."""

    module: str
    function: str
    property: str
    line: str = ""


@dataclass(frozen=True, slots=True)
class _Wound:
    """What a mending change has to put right. ``kind``: line, scale or units."""

    kind: str
    module: str
    function: str
    line: str = ""


@dataclass(slots=True)
class Planned:
    """One change. ``trips``: what fails because of it, None without a defect."""

    number: int
    at_s: int
    package: str
    origin: str
    is_marked: bool
    size: str
    subject: str
    files: dict[str, str]
    trips: "Trip | None" = None
    onset_delay_s: int = 0
    sha: str = ""
    mends: int | None = None


@dataclass(slots=True)
class Deployment:
    """``changes``: what it carries first; ``tree``: every file at its revision."""

    package: str
    at_s: int
    changes: list[Planned]
    sha: str = ""
    tree: dict[str, str] = field(default_factory=dict)

    @property
    def service(self) -> str:
        return f"catalogue-{self.package}"


@dataclass(slots=True)
class _Code:
    """The state of the code while it is planned."""

    modules: dict[tuple[str, str], Module]
    units: dict[str, str]
    owed: dict[tuple[str, str], float]
    """(origin, size) -> failures owed: risks add up, and the change that fills one up fails. The rates of the sample are
    so those of the plan but for one failure; who fails, where and how stays drawn."""

    def fails(self, origin: str, size: str) -> bool:
        self.owed[origin, size] += RISK[size] * (RATIO if origin == "ai" else 1.0)
        if self.owed[origin, size] < 1.0:
            return False
        self.owed[origin, size] -= 1.0
        return True


def plan(seed: int = 7) -> list[Planned]:
    """Every change, oldest first; the first one holds the whole start."""
    chance = random.Random(seed)
    code = _start(chance)
    times = sorted(_working_moment(chance) for _ in range(CHANGES - 1))
    files = {module.path: module.text() for module in code.modules.values()}
    for package in PACKAGES:
        files |= {
            f"{package}/__init__.py": "",
            f"{package}/app.py": catalogue_code.application(package),
            f"{package}/units.py": catalogue_code.units(code.units[package]),
        }
    planned = [Planned(0, 0, PACKAGES[0], "human", False, "large", "Catalogue: feed and pages", files)]
    mending: list[tuple[int, Planned, _Wound]] = []
    for number, at_s in enumerate(times, start=1):
        due = next((item for item in mending if item[0] <= at_s), None)
        if due is not None:
            mending.remove(due)
            change = _mend(chance, code, number, at_s, due[1], due[2])
        else:
            change, wound = _change(chance, code, number, at_s)
            if wound is not None:
                mending.append((at_s + int(86_400 * chance.uniform(0.8, 4.0)), change, wound))
                mending.sort(key=lambda item: (item[0], item[1].number))
        planned.append(change)
    return planned


def deployments(planned: list[Planned], seed: int = 8) -> list[Deployment]:
    """One to four changes of a package at a time, half an hour after the last of them landed; oldest first."""
    chance = random.Random(seed)
    found = []
    for package in PACKAGES:
        waiting = [change for change in planned[1:] if change.package == package]
        while waiting:
            batch, waiting = waiting[: (size := chance.choice((1, 2, 2, 3, 3, 4)))], waiting[size:]
            found.append(Deployment(package, batch[-1].at_s + chance.randint(600, 2400), batch))
        found.append(Deployment(package, 3600, [planned[0]]))
    found.sort(key=lambda deployment: (deployment.at_s, deployment.package))
    for deployment in found:
        newest = max(change.number for change in deployment.changes)
        deployment.sha = planned[newest].sha
    tree: dict[str, str] = {}
    reached = -1
    for deployment in sorted(found, key=lambda item: max(change.number for change in item.changes)):
        newest = max(change.number for change in deployment.changes)
        for change in planned[reached + 1 : newest + 1]:
            tree = tree | change.files
        reached = max(reached, newest)
        deployment.tree = tree
    return found


def write(path: Path, planned: list[Planned], started_unix_s: int) -> None:
    """Commit ``planned`` into a new repository at ``path`` and set the sha of each."""
    chance = random.Random(9)
    with Importer(path) as importer:
        parents: list[int] = []
        for change in planned:
            author = people.IDENTITIES[chance.choice(PEOPLE)]
            at = started_unix_s + change.at_s
            trailer = f"\n{chance.choice(TRAILERS)}\n" if change.is_marked else ""
            mark = importer.commit(
                "refs/heads/main",
                author=author,
                committer=author,
                authored_unix_s=at,
                committed_unix_s=at,
                message=f"{change.subject}\n{trailer}",
                parents=parents,
                files=dict(change.files),
            )
            parents = [mark]
            change.sha = importer.sha(mark)


def _start(chance: random.Random) -> _Code:
    modules = {}
    for package in PACKAGES:
        for number in range(MODULES):
            module = Module(package, f"rules_{number:02d}")
            for index in range(4):
                statements = [catalogue_code.statement(chance) for _ in range(chance.randint(4, 9))]
                module.functions[f"rule_{number:02d}_{index}"] = statements
            modules[package, module.name] = module
    owed = {(origin, size): chance.random() for origin in LARGE_SHARE for size in RISK}
    return _Code(modules, dict.fromkeys(PACKAGES, "1"), owed)


def _change(chance: random.Random, code: _Code, number: int, at_s: int) -> tuple[Planned, _Wound | None]:
    """One ordinary change, and what is to be mended of it."""
    origin = "ai" if chance.random() < AI_SHARE else "human"
    size = "large" if chance.random() < LARGE_SHARE[origin] else "small"
    fails = code.fails(origin, size)
    package = chance.choice(PACKAGES)
    module = code.modules[package, f"rules_{chance.randrange(MODULES):02d}"]
    name, subject = _target(chance, module, number)
    fresh = [catalogue_code.statement(chance) for _ in range(chance.randint(*STATEMENTS[size]))]
    files: dict[str, str] = {}
    trip: Trip | None = None
    wound: _Wound | None = None
    if fails and chance.random() >= INDIRECT_SHARE:
        property_, template = chance.choice(sorted(catalogue_code.FRAGILE.items()))
        fragile = catalogue_code.statement(chance, template)
        fresh.insert(chance.randint(0, len(fresh)), fragile)
        trip, wound = Trip(module.name, name, property_, fragile), _Wound("line", module.name, name, fragile)
    elif fails and chance.random() < 0.5:
        # The line that will fail is an older one of this file: what it is handed is what changed.
        module.scale = f'{chance.randint(2, 9)} if record["volume"] else None'
        trip, wound = Trip(module.name, name, "volume"), _Wound("scale", module.name, name)
    elif fails:
        # The function that will fail is an older one elsewhere: nothing of this change is on its stack.
        code.units[package] = f'{chance.randint(2, 9)} if record["volume"] else None'
        files[f"{package}/units.py"] = catalogue_code.units(code.units[package])
        other = code.modules[package, f"rules_{chance.randrange(MODULES):02d}"]
        trip = Trip(other.name, chance.choice(sorted(other.functions)), "volume")
        wound = _Wound("units", module.name, name)
    statements = module.functions[name]
    at = chance.randint(0, len(statements))
    # An edit replaces what it can and adds the rest.
    statements[at : at + len(fresh) // 2] = fresh
    files[module.path] = module.text()
    change = Planned(
        number=number,
        at_s=at_s,
        package=package,
        origin=origin,
        is_marked=origin == "ai" and chance.random() >= UNMARKED_SHARE,
        size=size,
        subject=subject,
        files=files,
        trips=trip,
        onset_delay_s=_onset_delay(chance),
    )
    return change, wound if chance.random() < FIXED_SHARE else None


def _target(chance: random.Random, module: Module, number: int) -> tuple[str, str]:
    """The function to write into, a new one every third time, and the subject of the commit."""
    if chance.random() < 0.33:
        name = f"rule_{number:04d}"
        module.functions[name] = [catalogue_code.statement(chance)]
        return name, f"{module.package}: add {name}"
    name = chance.choice(sorted(module.functions))
    return name, f"{module.package}: refine {name}"


def _mend(
    chance: random.Random, code: _Code, number: int, at_s: int, culprit: Planned, wound: _Wound
) -> Planned:
    """The change that mends ``culprit``; agents mend as often as they write."""
    package = culprit.package
    module = code.modules[package, wound.module]
    files = {}
    if wound.kind == "units":
        code.units[package] = str(chance.randint(10, 99))
        files[f"{package}/units.py"] = catalogue_code.units(code.units[package])
    elif wound.kind == "scale":
        module.scale = str(chance.randint(10, 99))
    else:
        statements = module.functions[wound.function]
        at = statements.index(wound.line) if wound.line in statements else len(statements)
        statements[at : at + 1] = [catalogue_code.statement(chance)]
    files[module.path] = module.text()
    origin = "ai" if chance.random() < AI_SHARE else "human"
    return Planned(
        number=number,
        at_s=at_s,
        package=package,
        origin=origin,
        is_marked=origin == "ai" and chance.random() >= UNMARKED_SHARE,
        size="small",
        subject=f"{package}: fix {wound.function} for records without everything",
        files=files,
        mends=culprit.number,
    )


def _working_moment(chance: random.Random) -> int:
    """A second between 8 and 18 o'clock of one of the days, weekends less likely."""
    day = chance.randrange(1, DAYS)
    if day % 7 in (5, 6) and chance.random() < 0.8:
        day = max(1, day - 2)
    return day * 86_400 + 8 * 3600 + chance.randrange(10 * 3600)


def _onset_delay(chance: random.Random) -> int:
    """Seconds from deployment to the first rare record: three of four within an hour, the rest within days."""
    if chance.random() < 0.75:
        return chance.randint(60, 3600)
    return int(min(12 * 86_400, 3600 + chance.expovariate(1 / (1.5 * 86_400))))
