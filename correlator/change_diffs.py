"""The diff of a change, read once: what it defines no more, what it calls otherwise, raises, drops, repeats. Pure.

A change is one unit: what one file loses and another gains has moved and is not lost. Tests, documentation and what tools
write are left out.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from correlator import definitions, packages, paths
from correlator.definitions import NAME
from schemas.records import DiffHunk

NAMES_PER_CHANGE_MAX = 4_000
FILES_PER_NAME_MAX = 8
HEAD_LINES_MAX = 30
READ_MAX = 8_192
_SPACE = re.compile(r"\s+")
# A parameter on a line of its own: `limit: int = 10,`
_PARAMETER = re.compile(
    r"\s*(?:\*{0,2}|\.{3}|@\w+\s+)(?P<name>[A-Za-z_$]\w*)\??\s*(?::[^=]{1,80})?(?:=.{1,120})?,?\s*\)?\s*$"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a person finds it: line of the new file."""

    path: str
    line: int


Named = Mapping[str, Place]
Places = Mapping[str, Sequence[Place]]


@dataclass(frozen=True, slots=True)
class ChangeDiff:
    """What one change does, name by name, each with its first place, or with its first place in each of a few files.

    ``removed``: names that it defined no more. ``added``: names that it defines. ``signatures``: functions whose parameters or defaults it
    changed. ``touched``: functions that it changed in any way. ``values``: names to which it gives another value, with
    (old, new). ``raises``: types and statuses that its new lines raise or name. ``phrases``: fixed texts of its changed
    lines. ``guards``: names on guards that it removed. ``loads``: loops, questions and waits that it added.
    ``bounds``: packages whose version it changed. ``words``: identifiers of its changed lines. ``dropped``: of these, those
    that only its old lines of code hold. ``checked``: names on conditions that it added or set otherwise.
    """

    paths: frozenset[str]
    removed: Named
    added: Named
    signatures: Places
    touched: Places
    values: Mapping[str, tuple[Place, str, str]]
    raises: Named
    phrases: Named
    guards: Named
    loads: Named
    bounds: Named
    words: Places
    dropped: Named = field(default_factory=dict)
    checked: Named = field(default_factory=dict)


EMPTY = ChangeDiff(frozenset(), {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {})


@lru_cache(maxsize=READ_MAX)
def read(hunks: tuple[DiffHunk, ...]) -> ChangeDiff:
    """Hunks of one change, in any order."""
    reading = _Reading()
    for hunk in sorted(hunks, key=lambda h: (h.path, h.new_start, h.old_start)):
        kind = paths.kind_of(hunk.path)
        if kind in (paths.PathKind.CONFIG, paths.PathKind.LOCK) or paths.is_manifest(hunk.path):
            reading.bounds |= {
                name: Place(hunk.path, hunk.new_start)
                for name in packages.changed(hunk.path, hunk.heading, hunk.removed, hunk.added)
                if name not in reading.bounds
            }
        if kind in (paths.PathKind.CODE, paths.PathKind.CONFIG):
            reading.take(hunk)
    return reading.done()


class _Reading:
    """What was read so far of one change."""

    def __init__(self) -> None:
        self.paths: set[str] = set()
        self.lost: dict[str, Place] = {}
        self.won: dict[str, Place] = {}
        self.before: dict[str, set[str]] = defaultdict(set)
        self.after: dict[str, set[str]] = defaultdict(set)
        self.signatures: dict[str, list[Place]] = {}
        self.touched: dict[str, list[Place]] = {}
        self.values: dict[str, tuple[Place, str, str]] = {}
        self.raises: dict[str, Place] = {}
        self.phrases: dict[str, Place] = {}
        self.guards: dict[str, Place] = {}
        self.loads: dict[str, Place] = {}
        self.bounds: dict[str, Place] = {}
        self.words: dict[str, list[Place]] = {}
        self.gone: dict[str, Place] = {}
        self.kept: set[str] = set()
        self.checked: dict[str, Place] = {}

    def take(self, hunk: DiffHunk) -> None:
        family = definitions.family_of(hunk.path)
        self.paths |= {hunk.path} | ({hunk.old_path} if hunk.old_path else set())
        start = Place(hunk.path, hunk.new_start)
        inside = definitions.function(hunk.heading, family) if hunk.heading else None
        if inside:
            _note(self.touched, inside, start)
        self._definitions(hunk, family, inside)
        self._values(hunk)
        self._meanings(hunk, family)
        for number, line in _numbered(hunk):
            for word in NAME.findall(line):
                _note(self.words, word, Place(hunk.path, number))

    def _definitions(self, hunk: DiffHunk, family: str | None, inside: str | None) -> None:
        """Names that go and come, and functions whose head differs."""
        heads: tuple[dict[str, str], dict[str, str]] = ({}, {})
        for lines, names, known in ((hunk.removed, self.lost, heads[0]), (hunk.added, self.won, heads[1])):
            for number, line in enumerate(lines):
                place = Place(hunk.path, hunk.new_start + (number if lines is hunk.added else 0))
                for name in definitions.defined(line, family):
                    names.setdefault(name, place)
                if (begun := definitions.function(line, family)) is not None:
                    known[begun] = _head(lines, number, begun)
                    _note(self.touched, begun, place)
                    if begun in definitions.CONSTRUCTORS and (owner := definitions.type_name(hunk.heading)):
                        # Who calls a constructor names its class.
                        known[owner] = known[begun]
                        _note(self.touched, owner, place)
        for name, head in heads[0].items():
            self.before[name].add(head)
        for name, head in heads[1].items():
            self.after[name].add(head)
        if inside and not heads[0] and not heads[1] and _only_parameters(hunk):
            _note(self.signatures, inside, Place(hunk.path, hunk.new_start))

    def _values(self, hunk: DiffHunk) -> None:
        old = {found[0]: found[1] for line in hunk.removed if (found := definitions.bound(line))}
        for number, line in enumerate(hunk.added):
            found = definitions.bound(line)
            if found and found[0] in old and old[found[0]] != found[1] and len(found[1]) <= 120:
                place = Place(hunk.path, hunk.new_start + number)
                self.values.setdefault(found[0], (place, old[found[0]][:120], found[1]))

    def _meanings(self, hunk: DiffHunk, family: str | None) -> None:
        removed = {_SPACE.sub(" ", line).strip() for line in hunk.removed}
        added = {_SPACE.sub(" ", line).strip() for line in hunk.added}
        for number, line in enumerate(hunk.added):
            if _SPACE.sub(" ", line).strip() in removed:
                continue
            place = Place(hunk.path, hunk.new_start + number)
            for word in (*definitions.raised(line), *definitions.statuses(line)):
                self.raises.setdefault(word, place)
            for phrase in definitions.phrases(line):
                self.phrases.setdefault(phrase, place)
            if family and definitions.is_repetition(line):
                self.loads.setdefault("loop", place)
            if family and definitions.is_question(line):
                self.loads.setdefault("query", place)
            if definitions.is_waiting(line):
                self.loads.setdefault("wait", place)
        if not family:
            return
        for line in hunk.removed:
            for word in NAME.findall(line):
                self.gone.setdefault(word, Place(hunk.path, hunk.new_start))
        for number, line in enumerate(hunk.added):
            self.kept.update(NAME.findall(line))
            if definitions.is_condition(line) and _SPACE.sub(" ", line).strip() not in removed:
                for word in NAME.findall(line):
                    self.checked.setdefault(word, Place(hunk.path, hunk.new_start + number))
        for line in hunk.removed:
            if definitions.is_guard(line) and _SPACE.sub(" ", line).strip() not in added:
                for word in NAME.findall(line):
                    self.guards.setdefault(word, Place(hunk.path, hunk.new_start))

    def done(self) -> ChangeDiff:
        signatures = dict(self.signatures)
        for name, heads in self.before.items():
            after = self.after.get(name)
            if after and not heads & after:
                signatures.setdefault(name, self.touched[name])
        return ChangeDiff(
            frozenset(self.paths),
            {name: place for name, place in self.lost.items() if name not in self.won},
            {name: place for name, place in self.won.items() if name not in self.lost},
            signatures,
            self.touched,
            self.values,
            self.raises,
            self.phrases,
            self.guards,
            self.loads,
            self.bounds,
            self.words,
            {name: place for name, place in self.gone.items() if name not in self.kept},
            self.checked,
        )


def _note(places: dict[str, list[Place]], name: str, place: Place) -> None:
    """Keep the first place of ``name`` in each file, of a few files; of a change with too many names the first ones."""
    known = places.get(name)
    if known is None:
        if len(places) < NAMES_PER_CHANGE_MAX:
            places[name] = [place]
    elif known[-1].path != place.path and len(known) < FILES_PER_NAME_MAX:
        known.append(place)


def _numbered(hunk: DiffHunk) -> Iterable[tuple[int, str]]:
    for line in hunk.removed:
        yield hunk.new_start, line
    for number, line in enumerate(hunk.added):
        yield hunk.new_start + number, line


def _head(lines: Sequence[str], start: int, name: str) -> str:
    """The parameters of the definition of ``name`` that begins at ``start``, as far as the hunk shows them, without spaces.

    What stands behind them (a return type, a body, a comment) is no parameter.
    """
    text = "".join(lines[start : start + HEAD_LINES_MAX])
    opened = text.find("(", text.find(name))
    if opened < 0:
        return ""
    depth = 0
    for end in range(opened, len(text)):
        depth += (text[end] == "(") - (text[end] == ")")
        if depth == 0:
            return _SPACE.sub("", text[opened : end + 1])
    return _SPACE.sub("", text[opened:])


def _only_parameters(hunk: DiffHunk) -> bool:
    """Whether a hunk in the middle of a definition holds parameters alone, at least one with its comma."""
    lines = [line for line in (*hunk.removed, *hunk.added) if line.strip()]
    return (
        0 < len(lines) <= 20
        and all(_PARAMETER.match(line) for line in lines)
        and any(line.rstrip().endswith(",") for line in lines)
    )
