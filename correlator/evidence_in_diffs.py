"""Evidence in diffs: what a change did, held against what the failing code uses and what the failure says. Pure.

A sign that every candidate shows tells them apart by nothing: each piece weighs by how few of the candidates have one of its
kind as strong. Every piece names the token and the place of the hunk. Source: docs/decisions/0014; ratios in ``weights.toml``.
"""

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum, log

from correlator import packages
from correlator.candidates import Listed
from correlator.change_diffs import EMPTY, ChangeDiff, Place
from correlator.definitions import CONSTRUCTORS, NAME
from correlator.failing_code import FailingCode
from correlator.failure_groups import FailureGroup
from correlator.tokens import common_code_words, words_of
from correlator.weights import Weights
from schemas.records import SuspectEvidence
from schemas.vocabulary import (
    HTTP_RESPONSE_STATUS_CODE,
    Detector,
    EvidenceKind,
    FailureCategory,
)

KINDS = frozenset(
    {
        EvidenceKind.RAISES_MESSAGE,
        EvidenceKind.RAISES_TYPE,
        EvidenceKind.REMOVED_NAME,
        EvidenceKind.MISSING_NAME,
        EvidenceKind.CHANGED_SIGNATURE,
        EvidenceKind.CHANGED_CALLEE,
        EvidenceKind.CHANGED_VALUE,
        EvidenceKind.CHANGED_IMPORT,
        EvidenceKind.CHANGED_CODE_NAME,
        EvidenceKind.REMOVED_GUARD,
        EvidenceKind.ADDED_LOAD,
        EvidenceKind.CHANGED_BOUND,
        EvidenceKind.CHANGED_CONTRACT,
    }
)
"""What a diff can show; the ratio of each is a maximum."""

UNHANDLED = "500"
"""What a framework answers for any exception: no line of a change need name it."""

REFUSALS = frozenset({"400", "409", "413", "415", "422", "428"})
"""Statuses by which a service refuses what was sent; who may call and what exists are other matters."""

QUOTED_FACTOR = 0.8
BODY_FACTOR = 0.5
FAR_FACTOR = 0.6
WORDS_USUAL = 150
"""Distinct identifiers on the changed lines of a change of usual size."""

EXACT_KINDS = frozenset(
    {
        EvidenceKind.RAISES_MESSAGE,
        EvidenceKind.REMOVED_NAME,
        EvidenceKind.CHANGED_BOUND,
        EvidenceKind.ADDED_LOAD,
    }
)
"""Signs that size does not bring by chance."""

STEP_FACTOR = 0.75
"""Each frame further out says so much less."""

_SPACE = re.compile(r"\s+")
# getRate, set_rate, isPaid: the field without what reads or writes it.
_ACCESSOR = re.compile(r"^(?:get|set|is|has)(?=[A-Z_])")
# Of what was not there, or was something else.
_OF_NOTHING = re.compile(
    r"TypeError|AttributeError|KeyError|IndexError|ReferenceError|Null|nil|None|undefined|Unbound|NoSuchElement|"
    r"NoMethodError|OutOfRange|OutOfBounds|Assertion|ValueError|FunctionClause|unwrap",
)
_SLOW_DETECTORS = frozenset({Detector.OPERATION_SLOWER, Detector.CALLS_MULTIPLIED})


@dataclass(frozen=True, slots=True)
class _Sign:
    """One thing that a change shows. ``strength``: 0..1, of the kind's maximum."""

    kind: EvidenceKind
    strength: float
    text: str
    facts: dict[str, object] = field(default_factory=dict)


def of_diffs(
    group: FailureGroup,
    candidates: Sequence[Listed],
    code: FailingCode,
    *,
    diffs: Mapping[str, ChangeDiff],
    weights: Weights,
) -> dict[str, list[SuspectEvidence]]:
    """Change sha -> pieces, the strongest of each kind.

    Args:
        diffs: change sha -> its diff, read; a change without one shows nothing.
    """
    listed = [c for c in candidates if c.steps_back >= 0]
    shown = frozenset(frame["path"] for frame in group.frames if frame["path"]) | code.imports
    near = _Nearness([diffs.get(c.change["sha"], EMPTY) for c in listed], shown)
    signs = {
        c.change["sha"]: _strongest(_signs(c, group, code, diffs.get(c.change["sha"], EMPTY), near))
        for c in listed
    }
    strengths: dict[EvidenceKind, list[float]] = defaultdict(list)
    for found in signs.values():
        for sign in found:
            strengths[sign.kind].append(sign.strength)
    ordered = {kind: sorted(values) for kind, values in strengths.items()}
    return {
        sha: [
            _piece(sign, ordered[sign.kind], len(listed), _spread(diffs.get(sha, EMPTY)), weights)
            for sign in found
        ]
        for sha, found in signs.items()
    }


def _spread(diff: ChangeDiff) -> float:
    """What a large change loses of each sign: it holds many names, and some by chance."""
    return 0.5 * log(max(len(diff.words), WORDS_USUAL) / WORDS_USUAL)


def _piece(
    sign: _Sign, strengths: Sequence[float], total: int, spread: float, weights: Weights
) -> SuspectEvidence:
    """A sign weighed by how few of ``total`` candidates show one of the kind as strong."""
    as_strong = len(strengths) - bisect_left(strengths, sign.strength - 1e-9)
    most = log((total + 1) / 1.5)
    rarity = log((total + 1) / (as_strong + 0.5)) / most if total > 1 else 1.0
    value = log(weights.maximum(f"{sign.kind}_max")) * sign.strength * max(rarity, 0.0)
    if sign.kind not in EXACT_KINDS:
        value = max(value - spread, 0.2 * value)
    return SuspectEvidence(sign.kind, round(value, 6), sign.text, sign.facts)


def _strongest(signs: Iterable[_Sign]) -> list[_Sign]:
    best: dict[EvidenceKind, _Sign] = {}
    for sign in signs:
        known = best.get(sign.kind)
        if known is None or (sign.strength, sign.text) > (known.strength, known.text):
            best[sign.kind] = sign
    return [best[kind] for kind in sorted(best)]


class _Nearness:
    """How much a name and a place say: a name that many candidates change is no sign of one, and a function of the same
    name in a file that the stack does not touch may be another function."""

    def __init__(self, diffs: Sequence[ChangeDiff], paths: frozenset[str]) -> None:
        self._total = len(diffs)
        self._counts = Counter(word for diff in diffs for word in diff.words)
        self._paths = paths

    def rarity(self, name: str, *, least: float = 0.0) -> float:
        """1 for a name of one candidate, ``least`` for one of half of them or more."""
        count = self._counts[name]
        if count <= 1 or self._total <= 2:
            return 1.0
        return least + (1 - least) * max(0.0, 1 - log(count) / log(max(self._total / 2, 2)))

    def best(self, places: Sequence[Place]) -> tuple[Place, float]:
        """The place in a file of the stack or of its imports, at its whole worth, else the first at less."""
        close = next((place for place in places if place.path in self._paths), None)
        return (close, 1.0) if close else (places[0], FAR_FACTOR)


def _signs(
    candidate: Listed, group: FailureGroup, code: FailingCode, diff: ChangeDiff, near: _Nearness
) -> Iterable[_Sign]:
    if diff is EMPTY:
        return
    yield from _of_message(group, diff)
    yield from _of_names(code, diff, near)
    yield from _of_calls(group, code, diff, near)
    yield from _of_code_names(code, diff, near)
    yield from _of_guards(group, code, diff, near)
    yield from _of_loads(group, code, diff)
    yield from _of_bounds(code, diff)
    if not candidate.is_own:
        yield from _of_contracts(group, diff, near)
        yield from _of_fields(group, code, diff, near)
    if candidate.service == group.callee:
        yield from _of_checks(group, diff, near)


def _at(place: Place, **facts: object) -> dict[str, object]:
    return {"path": place.path, "line": place.line, **facts}


def _of_message(group: FailureGroup, diff: ChangeDiff) -> Iterable[_Sign]:
    """Its new text stands in the message, its new lines raise the type or name the status."""
    message = _SPACE.sub(" ", group.facts.message or "")
    for phrase, place in diff.phrases.items():
        # One word alone is a name, which the tokens of the change tell already.
        if " " in phrase and phrase in message:
            strength = min(1.0, len(phrase) / 24)
            text = f"writes {phrase!r}, which the message says, in {place.path} line {place.line}"
            yield _Sign(EvidenceKind.RAISES_MESSAGE, strength, text, _at(place, text=phrase))
    raised = {(group.facts.exception_type or "").rsplit(".", 1)[-1]}
    status = str(group.facts.attributes.get(HTTP_RESPONSE_STATUS_CODE, ""))
    if status != UNHANDLED:
        raised.add(status)
    for name in sorted((raised - {""}) & diff.raises.keys()):
        place = diff.raises[name]
        text = f"its new lines raise or name {name}, in {place.path} line {place.line}"
        yield _Sign(EvidenceKind.RAISES_TYPE, 1.0, text, _at(place, name=name))


def _of_names(code: FailingCode, diff: ChangeDiff, near: _Nearness) -> Iterable[_Sign]:
    """What the failure misses was defined here, or stands in the lines that changed."""
    for name in sorted(code.lacking):
        if name in diff.removed:
            place = diff.removed[name]
            text = f"removed {name}, which the failure misses, in {place.path} near line {place.line}"
            strength = near.rarity(name, least=0.4)
            yield _Sign(EvidenceKind.REMOVED_NAME, strength, text, _at(place, name=name))
        if name in diff.words:
            place, factor = near.best(diff.words[name])
            text = f"changes lines with {name}, which the failure misses, in {place.path} line {place.line}"
            strength = factor * near.rarity(name)
            yield _Sign(EvidenceKind.MISSING_NAME, strength, text, _at(place, name=name))


def _of_calls(group: FailureGroup, code: FailingCode, diff: ChangeDiff, near: _Nearness) -> Iterable[_Sign]:
    """Functions and values that the failing code uses, and files that it imports."""
    # `Basket.add() takes 2 arguments`, `Basket.__init__() got ...`: who calls a constructor names its class.
    for owner, name in re.findall(r"(?:([A-Za-z_]\w+)\.)?([A-Za-z_]\w+)\(\)", group.facts.message or ""):
        yield from _signature(owner if name in CONSTRUCTORS else name, diff, near, 1.0)
    for step, (statement, called, body) in enumerate(
        zip(code.statements, code.called, code.bodies, strict=True)
    ):
        outward = STEP_FACTOR**step
        own = code.functions[step]
        for name in sorted(called | {own}):
            yield from _signature(name, diff, near, outward)
        yield from _callees(called - {own}, diff, near, outward, "the failing line calls")
        yield from _callees(body - called - {own}, diff, near, outward * BODY_FACTOR, "the failing code uses")
        for names, factor in ((statement, 1.0), (body, BODY_FACTOR)):
            for name in sorted(names & diff.values.keys()):
                place, old, new = diff.values[name]
                text = f"gives {name} another value, {new!r} instead of {old!r}, in {place.path} line {place.line}"
                strength = outward * factor * near.rarity(name) * near.best([place])[1]
                yield _Sign(EvidenceKind.CHANGED_VALUE, strength, text, _at(place, name=name))
    # Lines that only the stack quotes are those of code that lies elsewhere: a client, a script, a plug-in.
    quoted = code.quoted - frozenset().union(*code.statements)
    for name in sorted(quoted):
        yield from _signature(name, diff, near, QUOTED_FACTOR)
    yield from _callees(quoted, diff, near, QUOTED_FACTOR, "the stack names")
    shown = {frame["path"] for frame in group.frames}
    for path in sorted((diff.paths & code.imports) - shown):
        text = f"changed {path}, which a file of the stack imports"
        yield _Sign(EvidenceKind.CHANGED_IMPORT, 1.0, text, {"path": path})


def _signature(name: str, diff: ChangeDiff, near: _Nearness, strength: float) -> Iterable[_Sign]:
    if name in diff.signatures and name not in CONSTRUCTORS:
        place, factor = near.best(diff.signatures[name])
        text = f"changed the parameters of {name}, in {place.path} line {place.line}"
        strength *= factor * near.rarity(name, least=0.4)
        yield _Sign(EvidenceKind.CHANGED_SIGNATURE, strength, text, _at(place, name=name))


def _callees(
    names: frozenset[str], diff: ChangeDiff, near: _Nearness, strength: float, where: str
) -> Iterable[_Sign]:
    for name in sorted((names & diff.touched.keys()) - CONSTRUCTORS):
        place, factor = near.best(diff.touched[name])
        text = f"changed {name}, which {where}, in {place.path} line {place.line}"
        found = strength * factor * near.rarity(name, least=0.3)
        yield _Sign(EvidenceKind.CHANGED_CALLEE, found, text, _at(place, name=name))


def _of_code_names(code: FailingCode, diff: ChangeDiff, near: _Nearness) -> Iterable[_Sign]:
    """Rare names of the failing lines and of the functions around them, on lines that changed."""
    used: dict[str, float] = dict.fromkeys(code.quoted, QUOTED_FACTOR * BODY_FACTOR)
    for step, (statement, body) in enumerate(zip(code.statements, code.bodies, strict=True)):
        for names, factor in ((statement, 1.0), (body, BODY_FACTOR)):
            for name in names:
                used[name] = max(used.get(name, 0.0), STEP_FACTOR**step * factor)
    found = {
        name: used[name] * near.rarity(name) * near.best(diff.words[name])[1]
        for name in used.keys() & diff.words.keys()
    }
    ranked = sorted(found, key=lambda name: (-found[name], name))[:3]
    total = fsum(found[name] for name in ranked) / 2
    if total > 0.1:
        place, _ = near.best(diff.words[ranked[0]])
        text = f"changes {', '.join(ranked)}, names of the failing code, in {place.path} line {place.line}"
        yield _Sign(EvidenceKind.CHANGED_CODE_NAME, min(1.0, total), text, _at(place, names=ranked))


def _of_guards(group: FailureGroup, code: FailingCode, diff: ChangeDiff, near: _Nearness) -> Iterable[_Sign]:
    """A check fell away, and what it checked was missing or wrong."""
    said = f"{group.facts.exception_type or ''} {group.facts.message or ''}"
    if not diff.guards or not _OF_NOTHING.search(said):
        return
    shown = [set(NAME.findall(group.facts.message or "")) | code.lacking, *code.statements, *code.bodies[:2]]
    for step, names in enumerate(shown):
        for name in sorted((names & diff.guards.keys()) - common_code_words()):
            place = diff.guards[name]
            text = f"removed a check of {name}, in {place.path} near line {place.line}"
            strength = STEP_FACTOR**step * near.rarity(name) * near.best([place])[1]
            yield _Sign(EvidenceKind.REMOVED_GUARD, strength, text, _at(place, name=name))


def _of_loads(group: FailureGroup, code: FailingCode, diff: ChangeDiff) -> Iterable[_Sign]:
    """More work or waiting, and the failure is one of time or room; more so in what the failing code touches."""
    is_slow = group.categories[0].category == FailureCategory.RESOURCE_PERFORMANCE
    if not (is_slow or group.row["detector"] in _SLOW_DETECTORS):
        return
    shown = {frame["path"] for frame in group.frames if frame["path"]} | code.imports
    for name, factor in (("query", 0.8), ("loop", 0.7), ("wait", 0.6)):
        if name in diff.loads:
            place = diff.loads[name]
            strength = factor + (0.2 if place.path in shown else 0.0)
            text = f"added a {name}, in {place.path} line {place.line}"
            yield _Sign(EvidenceKind.ADDED_LOAD, strength, text, _at(place, mark=name))


def _of_bounds(code: FailingCode, diff: ChangeDiff) -> Iterable[_Sign]:
    """Another version of a package that the stack runs through, or of which something is missing."""
    if not diff.bounds:
        return
    missing = {packages.normal(name.split(".")[0]) for name in code.lacking}
    for names, strength, where in (
        (code.raising, 1.0, "the error comes from"),
        (missing, 0.8, "the failure misses something of"),
        (code.outside, 0.5, "the stack runs through"),
    ):
        for name in sorted(names & diff.bounds.keys()):
            place = diff.bounds[name]
            text = f"changed the version of {name}, which {where}, in {place.path}"
            yield _Sign(EvidenceKind.CHANGED_BOUND, strength, text, _at(place, name=name))


def _of_contracts(group: FailureGroup, diff: ChangeDiff, near: _Nearness) -> Iterable[_Sign]:
    """What a callee removed, renamed or set otherwise, and the failure of its caller shows."""
    values = [str(value) for value in group.facts.attributes.values()]
    shown = words_of([group.facts.message or "", *values])
    for names, factor in ((diff.removed, 1.0), (diff.values, 0.8), (diff.added, 0.6)):
        for name in sorted(shown & names.keys()):
            found = names[name]
            place = found if isinstance(found, Place) else found[0]
            text = f"changed {name}, which the caller's failure shows, in {place.path} line {place.line}"
            yield _Sign(
                EvidenceKind.CHANGED_CONTRACT, factor * near.rarity(name), text, _at(place, name=name)
            )


def _of_fields(group: FailureGroup, code: FailingCode, diff: ChangeDiff, near: _Nearness) -> Iterable[_Sign]:
    """A name went from the lines of a service beside, and the code that failed reads it from what that service sent."""
    read = words_of([group.facts.message or ""]) | code.lacking
    shown = [(read, 1.0)]
    shown += [(names, 0.7 * STEP_FACTOR**step) for step, names in enumerate(code.statements)]
    bare = {_bare(name): name for name in sorted(diff.dropped.keys() - common_code_words())}
    for names, factor in shown:
        for key in sorted({_bare(name) for name in names - common_code_words()} & bare.keys()):
            name = bare[key]
            place = diff.dropped[name]
            text = (
                f"writes {name} no more, which the failing code reads, in {place.path} near line {place.line}"
            )
            yield _Sign(
                EvidenceKind.CHANGED_CONTRACT,
                factor * near.rarity(name, least=0.3),
                text,
                _at(place, name=name),
            )


def _bare(name: str) -> str:
    """A field by any language's habit: ``getGiftNote``, ``gift_note`` and ``GiftNote`` are one."""
    return _ACCESSOR.sub("", name).replace("_", "").lower()


def _of_checks(group: FailureGroup, diff: ChangeDiff, near: _Nearness) -> Iterable[_Sign]:
    """The service that refuses what it took before checks something more, or otherwise."""
    status = str(group.facts.attributes.get(HTTP_RESPONSE_STATUS_CODE, ""))
    if status not in REFUSALS or not diff.checked:
        return
    name = max(sorted(diff.checked.keys() - common_code_words()), key=near.rarity, default="")
    if name:
        place = diff.checked[name]
        text = (
            f"changed a check of {name}, in {place.path} line {place.line}, and the service answers {status}"
        )
        yield _Sign(EvidenceKind.CHANGED_CONTRACT, 0.8, text, _at(place, name=name))
