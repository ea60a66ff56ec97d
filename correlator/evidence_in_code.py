"""Evidence in code: what a change touched, held against the stack, the message and the category of a failure. Pure.

Every piece names what a person can check: the frame, the hunk, the token. Source: DESIGN "Suspects"; likelihood
ratios in ``weights.toml``.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import fsum, log
from typing import Any

from correlator import function_names, outside_faults, paths
from correlator.candidates import Listed
from correlator.evidence_in_time import Circumstances, is_late
from correlator.failure_groups import FailureGroup
from correlator.mappings import TRANSPILED
from correlator.suspects import USE_KINDS
from correlator.tokens import TokenRarity, failure_tokens, matter_of, parts_of
from correlator.weights import Weights, piece
from schemas.records import SuspectEvidence
from schemas.vocabulary import EvidenceKind, FailureCategory

Row = Mapping[str, Any]

NEAR_LINES = 12
"""A hunk this close to the failing line touches the same piece of code, where git names no function for it."""

CONFIGURATION_CATEGORIES = frozenset(
    {
        FailureCategory.CONFIGURATION_DEPLOY,
        FailureCategory.DATA_INTEGRITY,
        FailureCategory.DEPENDENCY_INFRASTRUCTURE,
    }
)


def of_code(
    candidate: Listed,
    group: FailureGroup,
    *,
    touched: Sequence[str],
    hunks: Sequence[Row],
    tokens: TokenRarity,
    around: Circumstances,
    weights: Weights,
    in_diff: Sequence[SuspectEvidence] = (),
) -> list[SuspectEvidence]:
    """Evidence of one candidate; that it touches nothing the failure shows is a piece too.

    Args:
        in_diff: what its diff says.
        touched: paths that the change touches (production code and others).
        hunks: rows of ``hunks`` of the change.
    """
    # Where somebody outside explains the failure, what the change has to do with our code counts for less, too.
    trust = _trust(group, weights) * (weights.trust["late_onset"] if is_late(group, around) else 1.0)
    in_diff = [replace(p, log_lr=round(p.log_lr * trust, 6)) if p.kind in USE_KINDS else p for p in in_diff]
    found = [
        *_of_frames(candidate, group, touched, hunks, around, weights),
        *_of_tokens(candidate, group, hunks, tokens, around, weights),
    ]
    # A faint sign alone does not make a change one that touches the failure.
    is_touched = bool(found) or fsum(piece.log_lr for piece in in_diff) > 0.5
    if candidate.steps_back >= 0:
        found += _of_files(group, touched, around, weights)
        # Words of the category alone do not make a change one that touches the failure.
        matter = _of_matter(group, touched, hunks, tokens, weights)
    else:
        matter = []
    if not is_touched and not found:
        text = "touches no file, function or name that the failure shows"
        value = weights.log_ratio(EvidenceKind.UNTOUCHED) * weights.trust["stack"]
        found.append(piece(EvidenceKind.UNTOUCHED, weights, text, log_lr=value))
    return [*found, *in_diff, *matter]


def _of_frames(
    candidate: Listed,
    group: FailureGroup,
    touched: Sequence[str],
    hunks: Sequence[Row],
    around: Circumstances,
    weights: Weights,
) -> list[SuspectEvidence]:
    found: list[SuspectEvidence] = []
    sha, trust = candidate.change["sha"], _trust(group, weights)
    # A change of old code is as likely to touch the stack as one of this range: only blame compares them fairly.
    late_trust = trust * (weights.trust["late_onset"] if is_late(group, around) else 1.0)
    spread = 0.5 * log(max(len(touched), 3) / 3)
    mapped = [frame for frame in group.frames if frame["path"]]
    for step, frame in enumerate(mapped[:5]):
        path, line = frame["path"], frame["line"]
        if frame["blamed_change"] == sha:
            place = {"path": path, "line": line, "commit": frame["blamed_sha"]}
            is_older = candidate.steps_back < 0
            kind = EvidenceKind.OLDER_THAN_RANGE if is_older else EvidenceKind.BLAMED_LINE
            when = ", in a deployment long before the failure began" if candidate.steps_back < 0 else ""
            text = f"last wrote {path}:{line}, frame {step + 1} of the stack{when}"
            value = weights.log_ratio(kind, step) * trust
            found.append(piece(kind, weights, text, log_lr=value, **place))
        if path not in touched or candidate.steps_back < 0:
            continue
        text = f"changed {path}, frame {step + 1} of the stack"
        value = max(weights.log_ratio(EvidenceKind.CHANGED_FILE, step) - spread, 0.1) * late_trust
        found.append(piece(EvidenceKind.CHANGED_FILE, weights, text, log_lr=value, path=path))
        hunk = _same_function(frame, hunks)
        if hunk is not None:
            text = f"changed {frame['function'] or 'the code'} in {path} near line {hunk['new_start']}"
            value = weights.log_ratio(EvidenceKind.CHANGED_FUNCTION, step) * late_trust
            found.append(
                piece(
                    EvidenceKind.CHANGED_FUNCTION,
                    weights,
                    text,
                    log_lr=value,
                    path=path,
                    line=hunk["new_start"],
                )
            )
    return found


def _trust(group: FailureGroup, weights: Weights) -> float:
    """How far the raising line is evidence: less where a peer is away or refuses, since that line only says so."""
    called = weights.trust["refused_call"] if group.callee is not None else _outside_trust(group, weights)
    return weights.trust["stack"] * called


def _outside_trust(group: FailureGroup, weights: Weights) -> float:
    """The same where somebody outside explains the failure: an absent peer, a stranger's garbage."""
    if outside_faults.named(group.facts) is not None:
        return weights.trust["outside_fault"]
    is_dependency = group.categories[0].category == FailureCategory.DEPENDENCY_INFRASTRUCTURE
    if group.is_dependency_leaf and is_dependency:
        return weights.trust["dependency_leaf"]
    return weights.trust["garbage_caller"] if group.is_garbage_caller else 1.0


def _same_function(frame: Row, hunks: Sequence[Row]) -> Row | None:
    """The hunk that changes the frame's function: git's heading names it, or it lies within a few lines."""
    name = function_names.bare(frame["function"] or "")
    named = re.compile(rf"\b{re.escape(name)}\b") if len(name) >= 3 else None
    is_line_known = frame["line"] and frame["mapping"] != TRANSPILED
    for hunk in hunks:
        if hunk["path"] != frame["path"]:
            continue
        if named and hunk["heading"] and named.search(hunk["heading"]):
            return hunk
        last = hunk["new_start"] + max(hunk["new_count"] - 1, 0)
        if is_line_known and hunk["new_start"] - NEAR_LINES <= frame["line"] <= last + NEAR_LINES:
            return hunk
    return None


def _of_tokens(
    candidate: Listed,
    group: FailureGroup,
    hunks: Sequence[Row],
    tokens: TokenRarity,
    around: Circumstances,
    weights: Weights,
) -> list[SuspectEvidence]:
    if candidate.steps_back < 0:
        return []
    shown = failure_tokens(group) | around.trace_words
    hits: dict[str, Row] = {}
    for hunk in hunks:
        if paths.is_production_code(hunk["path"]) or paths.is_configuration(hunk["path"]):
            for token in hunk["tokens"]:
                if token in shown:
                    hits.setdefault(token, hunk)
    ranked = sorted(hits, key=lambda token: (-tokens.weight(token), token))[:3]
    total = fsum(tokens.weight(token) for token in ranked) * _outside_trust(group, weights)
    if total <= 0.5:
        return []
    best = hits[ranked[0]]
    text = f"changes {', '.join(repr(t) for t in ranked)}, named by the failure, in {best['path']}"
    # Two names that many candidates hold are not worth one that no other holds.
    value = min(total, log(weights.maximum("changed_token_max"))) * min(1.0, total / tokens.rarest)
    return [
        piece(
            EvidenceKind.CHANGED_TOKEN,
            weights,
            text,
            log_lr=value,
            tokens=ranked,
            path=best["path"],
            line=best["new_start"],
        )
    ]


def _of_matter(
    group: FailureGroup, touched: Sequence[str], hunks: Sequence[Row], tokens: TokenRarity, weights: Weights
) -> list[SuspectEvidence]:
    """Names of the failure's category in what the change touches: a log-in broke, and it changed a token check."""
    matter = matter_of(group.categories[0].category)
    hits: dict[str, str] = {}
    for hunk in hunks:
        if paths.is_production_code(hunk["path"]) or paths.is_configuration(hunk["path"]):
            for token in (*hunk["tokens"], hunk["path"]):
                for part in parts_of((token,)) & matter:
                    hits.setdefault(part, hunk["path"])
    total = fsum(tokens.part_weight(part) for part in sorted(hits)) * _outside_trust(group, weights)
    if not touched or total <= 0.3:
        return []
    named = sorted(hits, key=lambda part: (-tokens.part_weight(part), part))[:3]
    text = f"touches {', '.join(named)} in {hits[named[0]]}, and the failure is one of {group.categories[0].category}"
    value = min(total, log(weights.maximum("changed_matter_max")))
    return [piece(EvidenceKind.CHANGED_MATTER, weights, text, log_lr=value, words=named, path=hits[named[0]])]


def _of_files(
    group: FailureGroup, touched: Sequence[str], around: Circumstances, weights: Weights
) -> list[SuspectEvidence]:
    found = []
    routed = sorted(around.route_paths & set(touched))
    if routed and (group.callee is not None or not any(frame["path"] for frame in group.frames)):
        text = f"changed {routed[0]}, which serves the failing route"
        found.append(piece(EvidenceKind.CHANGED_ROUTE_FILE, weights, text, path=routed[0]))
    if group.categories[0].category in CONFIGURATION_CATEGORIES:
        configured = sorted(p for p in touched if paths.is_configuration(p) or paths.is_lock(p))
        if configured:
            text = f"changed {configured[0]}, and the failure is one of {group.categories[0].category}"
            found.append(piece(EvidenceKind.CHANGED_CONFIGURATION, weights, text, path=configured[0]))
    return found
