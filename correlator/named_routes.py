"""What a change did to the routes that an incident names, when no failing span explains it. Pure.

An open door, a slow page or a refused form may leave no failure behind, but who reports it says where: ``/refunds answers
without a login``. The place where the route is served is code, and a diff shows who changed the lines around it.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from math import log

from correlator import change_diffs
from correlator.complaints import UNSEEN, Complaint
from correlator.paths import PathKind, kind_of
from correlator.weights import Weights
from schemas.records import DiffHunk, SuspectEvidence
from schemas.vocabulary import EvidenceKind

BESIDE_LINES = 8
"""Decorations stand above a route, options and the first lines of its handler below."""

ELSEWHERE_FACTOR = 0.6
"""Of a gate that went somewhere else: a filter, a middleware, or another route."""

Hit = tuple[str, int]
"""(path, line) of a route's literal."""

_PARAMETER = re.compile(r"[{:<$*\[]")
# Who may: `@requires("admin")`, `authenticate,`, `hasRole('staff')`, `plug :ensure_owner`, `permission_classes`.
_GATE = re.compile(
    r"auth|login|logged_?in|permi(?:t|ssion)|role|scope|polic(?:y|ies)|secur|require|guard|protect|access|token|admin|"
    r"owner|staff|session|credential|csrf|allow|deny|forbid|ensure|current_?user|principal",
    re.IGNORECASE,
)
# A comment or an import brings nobody in or out; `//auth:role admin`, `// @role admin`, `#[guard]` are no mere comments.
_COMMENT = re.compile(r"^\s*(?:(?:#(?!\[)|//(?![a-z]+:)|\*|/\*|--)(?!.*@\w)|import\b|from\b|use\b|require\b)")


def evidence(
    complaint: Complaint, hits: Collection[Hit], diffs: Mapping[str, Sequence[DiffHunk]], weights: Weights
) -> dict[str, list[SuspectEvidence]]:
    """Change sha -> what it did that the complaint is about, the strongest of each kind; others are left out.

    A page is slow by what its handler calls: there, work that a change added counts, wherever it stands.

    Args:
        hits: where the code that ran says the routes.
        diffs: change sha -> its hunks.
    """
    lines: dict[str, list[int]] = {}
    for path, line in hits:
        if kind_of(path) is PathKind.CODE:
            lines.setdefault(path, []).append(line)
    found = {
        sha: _of_work(hunks, weights)
        if complaint is Complaint.SLOWNESS
        else [
            *_of_places(hunks, lines, weights, is_silent=complaint in UNSEEN),
            *(_of_gates(hunks, lines, weights) if complaint is Complaint.OPEN_ACCESS else ()),
        ]
        for sha, hunks in diffs.items()
    }
    return {sha: pieces for sha, pieces in found.items() if pieces}


def _of_work(hunks: Sequence[DiffHunk], weights: Weights) -> list[SuspectEvidence]:
    loads = change_diffs.read(tuple(hunks)).loads
    if not loads:
        return []
    name = min(loads)
    value, place = log(weights.maximum(f"{EvidenceKind.ADDED_LOAD}_max")), loads[name]
    text = f"added a {name} in {place.path} line {place.line}, and the incident is about time"
    facts = {"path": place.path, "line": place.line}
    return [SuspectEvidence(EvidenceKind.ADDED_LOAD, round(value, 6), text, facts)]


def _of_places(
    hunks: Sequence[DiffHunk], lines: Mapping[str, Sequence[int]], weights: Weights, *, is_silent: bool
) -> list[SuspectEvidence]:
    """``is_silent``: the complaint is of what shows in no span. What does show, and did not, is seldom the handler's work."""
    touching = [hunk for hunk in hunks if hunk.path in lines]
    beside = [hunk for hunk in touching if _is_beside(hunk, lines)]
    if beside and is_silent:
        return [_beside(beside[0], weights)]
    return [_in_file((beside or touching)[0], weights)] if touching else []


def _of_gates(
    hunks: Sequence[DiffHunk], lines: Mapping[str, Sequence[int]], weights: Weights
) -> list[SuspectEvidence]:
    gone = [
        (_is_beside(h, lines), h, line)
        for h in hunks
        if kind_of(h.path) is PathKind.CODE
        for line in _gates(h)
    ]
    if not gone:
        return []
    is_beside, hunk, line = max(gone, key=lambda found: found[0])
    value = log(weights.maximum(f"{EvidenceKind.REMOVED_GUARD}_max")) * (
        1.0 if is_beside else ELSEWHERE_FACTOR
    )
    where = f"{'beside the route that the incident names, ' if is_beside else ''}in {hunk.path} near line {hunk.new_start}"
    text = f"removed {line[:80]!r}, {where}"
    return [SuspectEvidence(EvidenceKind.REMOVED_GUARD, round(value, 6), text, _place(hunk))]


def before_parameters(route: str) -> str:
    """The fixed beginning of a route that has parameters (``/orders/`` of ``/orders/{id}``, ``/orders/:id``), else ''."""
    begins = _PARAMETER.search(route)
    return route[: begins.start()] if begins else ""


def _is_beside(hunk: DiffHunk, lines: Mapping[str, Sequence[int]]) -> bool:
    first, last = hunk.new_start, hunk.new_start + max(len(hunk.added) - 1, 0)
    return any(first - BESIDE_LINES <= line <= last + BESIDE_LINES for line in lines.get(hunk.path, ()))


def _gates(hunk: DiffHunk) -> list[str]:
    """Lines about who may, that went and did not come back."""
    kept = {" ".join(line.split()) for line in hunk.added}
    return [
        line.strip()
        for line in hunk.removed
        if _GATE.search(line) and not _COMMENT.match(line) and " ".join(line.split()) not in kept
    ]


def _beside(hunk: DiffHunk, weights: Weights) -> SuspectEvidence:
    value = weights.log_ratio(EvidenceKind.CHANGED_FUNCTION)
    text = f"changed {hunk.path} line {hunk.new_start}, beside the route that the incident names"
    return SuspectEvidence(EvidenceKind.CHANGED_FUNCTION, round(value, 6), text, _place(hunk))


def _in_file(hunk: DiffHunk, weights: Weights) -> SuspectEvidence:
    value = weights.log_ratio(EvidenceKind.CHANGED_ROUTE_FILE)
    text = f"changed {hunk.path}, which serves the route that the incident names"
    return SuspectEvidence(EvidenceKind.CHANGED_ROUTE_FILE, round(value, 6), text, _place(hunk))


def _place(hunk: DiffHunk) -> dict[str, object]:
    return {"path": hunk.path, "line": hunk.new_start}
