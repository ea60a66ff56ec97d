"""Evidence in lines: who wrote, changed or surrounds the lines where a fault was mended. Pure.

The lines play the part that frames of a stack play for a failure: the same kinds of evidence with the same ratios.
Of the fix only the place is known, never its words or its new lines. Source: DESIGN "Suspects"; ``weights.toml``.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import fsum, log
from typing import Any

from correlator import function_extents, tokens
from correlator.paths import PathKind, kind_of
from correlator.weights import Weights, piece
from schemas.locations import Diff, OwnedFile, Place, Stretch
from schemas.records import CommitSha, SuspectEvidence
from schemas.vocabulary import EvidenceKind

_WORDS = re.compile(r"[^\W](?:\W*[^\W]){2}")
# `#` alone begins a comment only before a blank: `#include` and `#define` are code.
_COMMENT = re.compile(r"\s*(?:#(?:\s|$|!)|//|/\*|\*(?:\s|/|$)|--\s|;;|<!--)")
_LINE_WORTH = {"code": 1.0, "comment": 0.1, "blank": 0.05}
BESIDE_WORTH_MIN = 0.3
MOVER_SHARE = 0.35
"""Who moved a line is to blame in a third of the cases where a moved line was mended (95 of 294 lines)."""
PART_MIN = 0.02
TOKENS_MAX = 64

_Where = dict[str, float]


@dataclass(slots=True)
class Traces:
    """How the place of a fault leads to changes: change -> its part (0..1) of what is named; sums are at most 1."""

    line: _Where = field(default_factory=dict)
    beside: _Where = field(default_factory=dict)
    function: _Where = field(default_factory=dict)
    file: _Where = field(default_factory=dict)


@dataclass(frozen=True)
class Clues:
    """What a place tells: the stretches that count, their functions, the names in them, and who wrote what."""

    place: Place

    @cached_property
    def stretches(self) -> tuple[Stretch, ...]:
        """Of production code; of what else there is only when there is no such."""
        known = [s for s in self.place.stretches if s.path in self.place.files]
        for kinds in ({PathKind.CODE}, {PathKind.CONFIG, PathKind.TEST}):
            if any(kind_of(s.path) in kinds for s in known):
                return tuple(s for s in known if kind_of(s.path) in kinds)
        return tuple(known)

    @cached_property
    def files(self) -> dict[str, OwnedFile]:
        return {path: self.place.files[path] for path in dict.fromkeys(s.path for s in self.stretches)}

    @cached_property
    def functions(self) -> dict[str, list[tuple[int, int, str]]]:
        """Path -> functions around its stretches."""
        return {
            path: functions(file.texts, [s for s in self.stretches if s.path == path])
            for path, file in self.files.items()
        }

    @cached_property
    def names(self) -> Counter[str]:
        """Names and literals in the lines, by how many lines hold them."""
        found: Counter[str] = Counter()
        for stretch in self.stretches:
            texts = self.files[stretch.path].texts
            for number in lines_of(stretch, len(texts)):
                found.update(tokens.words_of((texts[number - 1],)))
        return Counter(dict(found.most_common(TOKENS_MAX)))

    @cached_property
    def traces(self) -> Traces:
        return _traces(self)

    def change(self, sha: CommitSha) -> CommitSha | None:
        """The candidate that brought a commit; None when none of the window did."""
        if self.place.window is None:
            return sha
        return self.place.landings.get(sha)


def functions(texts: Sequence[str], stretches: Iterable[Stretch]) -> list[tuple[int, int, str]]:
    """(first line, last line, name) of the functions that hold the stretches, each once."""
    found = (function_extents.enclosing(texts, max(min(s.first, s.last + 1), 1)) for s in stretches)
    return sorted({extent for extent in found if extent is not None})


def lines_of(stretch: Stretch, line_count: int) -> range:
    """The lines of a stretch; of an insertion the line on either side, where there is one."""
    if stretch.is_insertion:
        return range(max(stretch.last, 1), min(stretch.first, line_count) + 1)
    return range(stretch.first, min(stretch.last, line_count) + 1)


def worth(text: str) -> float:
    """How much a line counts: a brace or a blank line hardly, since nobody is to blame for one."""
    if _WORDS.search(text) is None:
        return _LINE_WORTH["blank"]
    return _LINE_WORTH["comment" if _COMMENT.match(text) else "code"]


def _traces(clues: Clues) -> Traces:
    line, beside, function, file = (defaultdict[str, float](float) for _ in range(4))

    def credit(
        kept: dict[str, float], owned: OwnedFile, number: int, value: float, mover_share: float = 0.0
    ) -> None:
        owner = owned.owners.get(number)
        if owner is None:
            return
        writer, mover = clues.change(owner.sha), clues.change(owner.mover) if owner.mover else None
        part = mover_share if mover is not None else 0.0
        kept[writer or ""] += value * (1 - part)
        if mover is not None and part:
            kept[mover] += value * part

    for stretch in clues.stretches:
        owned = clues.files[stretch.path]
        for number in lines_of(stretch, len(owned.texts)):
            value = worth(owned.texts[number - 1])
            if stretch.is_insertion:
                credit(beside, owned, number, max(value, BESIDE_WORTH_MIN))
            else:
                credit(line, owned, number, value, MOVER_SHARE)
    for path, owned in clues.files.items():
        for first, last, _ in clues.functions[path]:
            for number in range(first, last + 1):
                credit(function, owned, number, worth(owned.texts[number - 1]))
        for number in owned.owners:
            credit(file, owned, number, 1 / len(owned.owners) / len(clues.files))
    return Traces(_parts(line), _parts(beside), _parts(function), _parts(file))


def _parts(kept: Mapping[str, float]) -> _Where:
    total = fsum(kept.values())
    return {sha: value / total for sha, value in kept.items() if sha} if total else {}


def of_lines(
    sha: CommitSha, clues: Clues, diff: Diff | None, rarity: tokens.TokenRarity, weights: Weights
) -> list[SuspectEvidence]:
    """Evidence of one candidate: what of the place it wrote, changed or names.

    Args:
        diff: what it changed; None when that was not read, which says nothing against it.
    """
    found = [*_written(sha, clues, weights)]
    if clues.place.window is not None and diff is not None:
        found += _touched(clues, diff, weights)
    if diff is not None:
        found += _named(clues, diff, rarity, weights)
    if not found:
        found.append(piece(EvidenceKind.UNTOUCHED, weights, "wrote, changed and names nothing of the place"))
    return found


def _written(sha: CommitSha, clues: Clues, weights: Weights) -> list[SuspectEvidence]:
    traces, found = clues.traces, []
    if sha in traces.line:
        part = traces.line[sha]
        value = weights.log_ratio(EvidenceKind.BLAMED_LINE) + weights.part["blamed_line"] * log(
            max(part, PART_MIN)
        )
        text = f"last wrote {part:.0%} of the mended lines"
        found.append(_part(EvidenceKind.BLAMED_LINE, weights, text, value, part))
    if sha in traces.beside:
        text = "last wrote a line beside which one was missing"
        found.append(piece(EvidenceKind.BLAMED_NEAR, weights, text))
    if sha in traces.function:
        part = traces.function[sha]
        if clues.place.window is not None:
            text = "changed the function around"
            found.append(piece(EvidenceKind.CHANGED_FUNCTION, weights, text))
        value = weights.log_ratio(EvidenceKind.WROTE_FUNCTION) * function_worth(part)
        text = f"wrote {part:.0%} of the function around"
        found.append(_part(EvidenceKind.WROTE_FUNCTION, weights, text, value, part))
    return found


def _touched(clues: Clues, diff: Diff, weights: Weights) -> list[SuspectEvidence]:
    """What a change of the window did to the files and functions, under whatever name they had."""
    found = []
    paths = {*clues.files, *(owner.path for file in clues.files.values() for owner in file.owners.values())}
    touched = [change for change in diff.paths if {change.path, change.old_path} & paths]
    if not touched:
        return []
    spread = 0.5 * log(max(len(diff.paths), 3) / 3)
    value = max(weights.log_ratio(EvidenceKind.CHANGED_FILE) - spread, 0.1)
    text = f"changed {touched[0].path}"
    found.append(piece(EvidenceKind.CHANGED_FILE, weights, text, log_lr=value, path=touched[0].path))
    names = {name for extents in clues.functions.values() for _, _, name in extents}
    for name in sorted(names):
        named = re.compile(rf"\b{re.escape(name)}\b")
        if any(hunk.heading and named.search(hunk.heading) for change in touched for hunk in change.hunks):
            text = f"changed {name}, the function around"
            found.append(piece(EvidenceKind.CHANGED_FUNCTION, weights, text, function=name))
            break
    return found


def _named(clues: Clues, diff: Diff, rarity: tokens.TokenRarity, weights: Weights) -> list[SuspectEvidence]:
    """Names of the lines that the change holds too, each by its rarity among the candidates."""
    held = tokens_of(diff) & clues.names.keys()
    known = {name: rarity.weight(name) for name in clues.names}
    total = fsum(known.values())
    shared = fsum(known[name] for name in sorted(held))
    part = shared / total if total > 0 else 0.0
    if part <= 0:
        return []
    best = sorted(held, key=lambda name: (-known[name], name))[:3]
    text = f"holds {', '.join(map(repr, best))}, names of the mended lines"
    value = weights.part["changed_token"] * part
    return [_part(EvidenceKind.CHANGED_TOKEN, weights, text, value, part, names=best)]


def function_worth(part: float) -> float:
    """0..1 for a part of a function's lines: its log, from 2 % on."""
    return log(max(part, PART_MIN) / PART_MIN) / log(1 / PART_MIN)


def tokens_of(diff: Diff) -> frozenset[str]:
    """Names and literals of what a change removed and added, in what runs or configures it."""
    kinds = {PathKind.CODE, PathKind.CONFIG, PathKind.TEST}
    return frozenset(t for c in diff.paths if kind_of(c.path) in kinds for h in c.hunks for t in h.tokens)


def _part(
    kind: EvidenceKind, weights: Weights, text: str, value: float, part: float, *, names: Sequence[str] = ()
) -> SuspectEvidence:
    facts: dict[str, Any] = {"part": round(part, 4)} | ({"tokens": list(names)} if names else {})
    return piece(kind, weights, text, log_lr=value, **facts)
