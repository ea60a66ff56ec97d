"""The history of Acme's shop as text: one ``.change`` file per commit under ``company/history``, in order.

A file opens with ``name: value`` lines (who, when since the start of the history, how it landed), then the commit
message, then what it does to files: ``=== new PATH`` with the text, ``=== delete PATH``, ``=== format FOLDER...``,
``=== revert KEY``, or ``=== PATH`` with hunks that open with ``@@``. A hunk is a diff without line numbers: its context
and ``-`` lines have to occur exactly once. ``{sha:KEY}`` and ``{short:KEY}`` stand for earlier commits.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from demo import formatter

FOLDER = Path(__file__).parent / "company" / "history"
TREE = dict[str, str]
"""Path -> text."""


@dataclass(frozen=True, slots=True)
class PullRequest:
    """What the forge knows of a change. ``method`` is merge, squash or direct (rebased)."""

    number: int
    head_ref: str
    method: str


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a commit does. ``verb``: new, delete, edit, format, revert; ``hunks``: (before, after) texts."""

    verb: str
    argument: str
    text: str = ""
    hunks: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """One commit to be. ``at_s``: seconds since the start of the history; ``branch``: side branch that it is on."""

    key: str
    by: str
    committer: str
    at_s: int
    message: str
    steps: tuple[Step, ...]
    branch: str | None = None
    merge: str | None = None
    pull_request: PullRequest | None = None
    git_ai: tuple[str, ...] = ()
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def is_mainline(self) -> bool:
        return self.branch is None

    @property
    def subject(self) -> str:
        return self.message.partition("\n")[0]


def read(folder: Path = FOLDER) -> list[Change]:
    """Every change, side commits before their merge, in the order in which they are committed."""
    changes = [parse(path.name.partition("-")[0], path.read_text()) for path in folder.glob("*.change")]
    return sorted(changes, key=lambda change: (change.at_s, change.key))


def parse(key: str, text: str) -> Change:
    """One ``.change`` file. Raises ``ValueError`` for what it cannot read."""
    head, _, rest = text.partition("\n\n")
    fields = dict(line.split(": ", 1) for line in head.splitlines())
    sections = re.split(r"^=== ", rest, flags=re.MULTILINE)
    number, head_ref, method = [*fields.get("pr", "").split(), "", "", ""][:3]
    return Change(
        key=key,
        by=fields["by"],
        committer=fields.get("committer", fields["by"]),
        at_s=seconds(fields["at"]),
        message=sections[0].strip("\n") + "\n",
        steps=tuple(_step(section) for section in sections[1:]),
        branch=fields.get("branch"),
        merge=fields.get("merge"),
        pull_request=PullRequest(int(number), head_ref, method) if number else None,
        git_ai=tuple(fields.get("git-ai", "").split()),
    )


def seconds(text: str) -> int:
    """``"3d 14:30"`` -> seconds since the start of the history."""
    found = re.fullmatch(r"(\d+)d (\d\d):(\d\d)", text)
    if found is None:
        raise ValueError(f"not a point in time: {text!r}")
    days, hours, minutes = map(int, found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60


def _step(section: str) -> Step:
    head, _, body = section.partition("\n")
    verb, _, argument = head.partition(" ")
    if verb == "new":
        return Step("new", argument, text=body.rstrip("\n") + "\n")
    if verb in ("delete", "format", "revert"):
        return Step(verb, argument)
    hunks = [_hunk(part) for part in re.split(r"^@@\n", body, flags=re.MULTILINE)[1:]]
    return Step("edit", head, hunks=tuple(hunks))


def _hunk(text: str) -> tuple[str, str]:
    lines = text.rstrip("\n").split("\n")
    before = [line[1:] for line in lines if line[:1] in ("", " ", "-")]
    after = [line[1:] for line in lines if line[:1] in ("", " ", "+")]
    return "\n".join(before) + "\n", "\n".join(after) + "\n"


def apply(change: Change, tree: TREE, before: dict[str, tuple[TREE, TREE]], names: dict[str, str]) -> TREE:
    """The tree after ``change``. ``before``: per earlier key the trees around it; ``names``: what braces stand for.

    Raises:
        ValueError: a hunk fits nowhere or in two places.
    """
    after = dict(tree)
    for step in change.steps:
        if step.verb == "new":
            after[step.argument] = filled(step.text, names)
        elif step.verb == "delete":
            del after[step.argument]
        elif step.verb == "format":
            folders = tuple(folder + "/" for folder in step.argument.split())
            for path, text in tree.items():
                if path.startswith(folders) and path.endswith(".py"):
                    after[path] = formatter.run(text)
        elif step.verb == "revert":
            old, new = before[step.argument]
            for path in sorted(set(old) | set(new)):
                if old.get(path) != new.get(path):
                    if after.get(path) != new.get(path):
                        raise ValueError(f"{change.key}: {path} moved on, it cannot be reverted")
                    after[path] = old[path]
        else:
            after[step.argument] = _edited(change.key, after[step.argument], step)
    return after


def _edited(key: str, text: str, step: Step) -> str:
    for old, new in step.hunks:
        # Whole lines only: a context line must not match the tail of a longer one.
        starts = [found.start() for found in re.finditer(rf"^(?={re.escape(old)})", text, flags=re.MULTILINE)]
        if len(starts) != 1:
            raise ValueError(f"{key}: in {step.argument} this occurs {len(starts)} times, not once:\n{old}")
        text = text[: starts[0]] + new + text[starts[0] + len(old) :]
    return text


def filled(text: str, names: dict[str, str]) -> str:
    """``text`` with ``{sha:KEY}`` and ``{short:KEY}`` replaced."""
    return re.sub(r"\{((?:sha|short):\w+)\}", lambda found: names[found[1]], text)
