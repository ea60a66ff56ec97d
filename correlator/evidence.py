"""Reasons to suspect one change of one failure group, and reasons to suspect none.

Every piece names what a person can check: the frame, the hunk, the token, the revision, the counts. The AI tag is
never read here. Source: DESIGN "Suspects"; likelihood ratios in ``weights.toml``.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import exp, fsum, log
from typing import Any

from correlator import paths, suspects
from correlator.candidates import Listed
from correlator.failure_groups import FailureGroup
from correlator.weights import Weights
from schemas.records import Suspect, SuspectEvidence
from schemas.vocabulary import SERVER_ADDRESS, EvidenceKind, FailureCategory

Row = Mapping[str, Any]

LATE_EXPECTED = 3.0
"""Failures that should have been seen, were the failure there already: exp(-3) is a twentieth."""

NEAR_LINES = 12
"""A hunk this close to the failing line touches the same piece of code, where git names no function for it."""

ENDED_MARGIN = timedelta(minutes=30)
"""A failure that stops within this time of a deployment was stopped by it (requests in flight, caches)."""

CONFIGURATION_CATEGORIES = frozenset(
    {
        FailureCategory.CONFIGURATION_DEPLOY,
        FailureCategory.DATA_INTEGRITY,
        FailureCategory.DEPENDENCY_INFRASTRUCTURE,
    }
)
TOUCHING = frozenset(
    {
        EvidenceKind.BLAMED_LINE,
        EvidenceKind.CHANGED_FUNCTION,
        EvidenceKind.CHANGED_FILE,
        EvidenceKind.CHANGED_ROUTE_FILE,
        EvidenceKind.CHANGED_CONFIGURATION,
        EvidenceKind.CHANGED_TOKEN,
        EvidenceKind.OLDER_THAN_RANGE,
    }
)
MATTERS: dict[FailureCategory, frozenset[str]] = {
    FailureCategory.SECURITY: frozenset(
        {
            "auth",
            "authorization",
            "authenticate",
            "token",
            "bearer",
            "permission",
            "credential",
            "credentials",
        }
        | {
            "secret",
            "login",
            "role",
            "roles",
            "scope",
            "jwt",
            "csrf",
            "cors",
            "signature",
            "unauthorized",
            "forbidden",
        }
    ),
    FailureCategory.RESOURCE_PERFORMANCE: frozenset(
        {
            "pool",
            "timeout",
            "deadline",
            "retry",
            "retries",
            "cache",
            "acquire",
            "release",
            "connection",
            "connections",
        }
        | {"limit", "batch", "lock", "sleep", "queue", "thread", "threads", "close", "budget", "concurrency"}
    ),
    FailureCategory.DATA_INTEGRITY: frozenset(
        {
            "unique",
            "constraint",
            "primary",
            "transaction",
            "commit",
            "rollback",
            "insert",
            "upsert",
            "migration",
        }
        | {"schema", "sequence", "foreign", "index", "duplicate", "idempotency"}
    ),
    FailureCategory.CONFIGURATION_DEPLOY: frozenset(
        {
            "environ",
            "getenv",
            "env",
            "config",
            "configuration",
            "settings",
            "migration",
            "migrations",
            "alter",
        }
        | {"dockerfile", "helm", "secret", "secrets", "feature", "flag"}
    ),
    FailureCategory.INTEGRATION: frozenset(
        {"json", "payload", "schema", "field", "fields", "serialize", "deserialize", "dumps", "loads", "body"}
        | {"request", "post", "contract", "api", "version", "header", "headers"}
    ),
}
"""Words that name what a category of failures is about, as parts of identifiers and paths; rarity weighs them."""
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{2,}")
_PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]{2,}(?![a-z])")
_QUOTED = re.compile(r"'([^']{2,60})'|\"([^\"]{2,60})\"")
_DULL = frozenset(
    {
        "the",
        "and",
        "for",
        "not",
        "with",
        "from",
        "this",
        "that",
        "none",
        "null",
        "true",
        "false",
        "self",
        "error",
    }
    | {"exception", "object", "has", "have", "got", "was", "were", "must", "been", "cannot", "can", "value"}
    | {"values", "type", "int", "str", "dict", "list", "request", "response", "data", "line", "file", "call"}
    | {
        "post",
        "put",
        "delete",
        "patch",
        "head",
        "http",
        "https",
        "server",
        "client",
        "application",
        "internal",
    }
    | {"name", "get", "set", "missing", "invalid", "failed", "unexpected", "argument", "attribute", "module"}
)
"""Words that every message and every diff holds."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests of one operation: ``(hour_at, sha or None, span_count)``, oldest first; empty when unknown."""

    hours: tuple[tuple[datetime, str | None, int], ...] = ()

    def count(
        self, *, sha: str | None = None, since: datetime | None = None, until: datetime | None = None
    ) -> int:
        """Requests of ``sha`` (any, when None) in hours that begin in [since, until)."""
        return sum(
            count
            for hour, ran, count in self.hours
            if (sha is None or ran == sha)
            and (since is None or hour >= since)
            and (until is None or hour < until)
        )

    def revisions_before(self, moment: datetime) -> set[str]:
        return {ran for hour, ran, _ in self.hours if ran and hour < moment}


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known around a failure group besides its frames.

    ``reverters`` and ``fixers``: change sha -> (sha of the change that reverts or fixes it, when that was deployed
    or else landed). ``route_paths``: files that register the route. ``is_sampling_known``: traffic counts are true.
    ``trace_words``: words of other exceptions in the sample trace.
    """

    traffic: Traffic
    onset_interval: Row | None
    ended_by: Row | None
    callee_deployed_at: datetime | None
    as_of: datetime
    is_sampling_known: bool
    reverters: Mapping[str, tuple[str, datetime]] = field(default_factory=dict)
    fixers: Mapping[str, tuple[str, datetime]] = field(default_factory=dict)
    route_paths: frozenset[str] = frozenset()
    named: frozenset[str] = frozenset()
    trace_words: frozenset[str] = frozenset()


def weigh(
    group: FailureGroup,
    candidates: Sequence[Listed],
    around: Circumstances,
    *,
    paths_of: Mapping[tuple[str, str], Sequence[str]],
    hunks: Mapping[str, Sequence[Row]],
    weights: Weights,
) -> list[Suspect]:
    """Suspects of one group from all of its evidence.

    Args:
        paths_of: (repository, change sha) -> paths it touches.
        hunks: change sha -> rows of ``hunks``.
    """
    rarity = TokenRarity(
        {
            c.change["sha"]: frozenset(t for h in hunks.get(c.change["sha"], ()) for t in h["tokens"])
            for c in candidates
        }
    )
    weighed = [
        suspects.CandidateChange(
            c.change["sha"],
            c.share,
            of_change(
                c,
                group,
                touched=paths_of.get((c.change["repository"], c.change["sha"]), ()),
                hunks=hunks.get(c.change["sha"], ()),
                tokens=rarity,
                around=around,
                weights=weights,
            ),
        )
        for c in candidates
    ]
    return suspects.weigh(
        weighed,
        of_no_change(group, around, weights=weights),
        no_change_prior=no_change_prior(group, around, weights),
        is_revision_known=group.row["onset_sha"] is not None,
        weights=weights,
    )


def of_change(
    candidate: Listed,
    group: FailureGroup,
    *,
    touched: Sequence[str],
    hunks: Sequence[Row],
    tokens: "TokenRarity",
    around: Circumstances,
    weights: Weights,
) -> tuple[SuspectEvidence, ...]:
    """Evidence for one candidate.

    Args:
        touched: paths that the change touches (production code and others).
        hunks: rows of ``hunks`` of the change.
    """
    found = [
        *_of_frames(candidate, group, touched, hunks, around, weights),
        *_of_tokens(candidate, group, hunks, tokens, around, weights),
    ]
    if candidate.steps_back >= 0:
        found += _of_files(group, touched, around, weights)
        found += _of_matter(group, touched, hunks, tokens, weights)
    if not any(piece.kind in TOUCHING for piece in found):
        found.append(
            _piece(
                EvidenceKind.UNTOUCHED, weights, "touches no file, function or name that the failure shows"
            )
        )
    found += _of_time(candidate, group, around, weights)
    return tuple(found)


def _piece(
    kind: EvidenceKind,
    weights: Weights,
    detail: str,
    *,
    step: int = 0,
    log_lr: float | None = None,
    **facts: object,
) -> SuspectEvidence:
    value = weights.log_ratio(kind, step) if log_lr is None else log_lr
    return SuspectEvidence(kind, round(value, 6), detail, facts)


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
    spread = 0.5 * log(max(len(touched), 3) / 3)
    mapped = [frame for frame in group.frames if frame["path"]]
    for step, frame in enumerate(mapped[:5]):
        path, line = frame["path"], frame["line"]
        if frame["blamed_change"] == sha:
            place = {"path": path, "line": line, "commit": frame["blamed_sha"]}
            is_older = candidate.steps_back < 0 and not is_late(group, around)
            kind = EvidenceKind.OLDER_THAN_RANGE if is_older else EvidenceKind.BLAMED_LINE
            when = ", in a deployment long before the failure began" if candidate.steps_back < 0 else ""
            text = f"last wrote {path}:{line}, frame {step + 1} of the stack{when}"
            value = weights.log_ratio(kind, step) * trust
            found.append(_piece(kind, weights, text, log_lr=value, **place))
        if path not in touched or candidate.steps_back < 0:
            continue
        text = f"changed {path}, frame {step + 1} of the stack"
        value = max(weights.log_ratio(EvidenceKind.CHANGED_FILE, step) - spread, 0.1) * trust
        found.append(_piece(EvidenceKind.CHANGED_FILE, weights, text, log_lr=value, path=path))
        hunk = _same_function(frame, hunks)
        if hunk is not None:
            text = f"changed {frame['function'] or 'the code'} in {path} near line {hunk['new_start']}"
            value = weights.log_ratio(EvidenceKind.CHANGED_FUNCTION, step) * trust
            found.append(
                _piece(
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
    return weights.trust["refused_call"] if group.callee is not None else _outside_trust(group, weights)


def _outside_trust(group: FailureGroup, weights: Weights) -> float:
    """The same where somebody outside explains the failure: an absent peer, a stranger's garbage."""
    is_dependency = group.categories[0].category == FailureCategory.DEPENDENCY_INFRASTRUCTURE
    if group.is_dependency_leaf and is_dependency:
        return weights.trust["dependency_leaf"]
    return weights.trust["garbage_caller"] if group.is_garbage_caller else 1.0


def _same_function(frame: Row, hunks: Sequence[Row]) -> Row | None:
    """The hunk that changes the frame's function: git's heading names it, or it lies within a few lines."""
    name = (frame["function"] or "").rsplit(".", 1)[-1]
    named = re.compile(rf"\b{re.escape(name)}\b") if len(name) >= 3 else None
    for hunk in hunks:
        if hunk["path"] != frame["path"]:
            continue
        if named and hunk["heading"] and named.search(hunk["heading"]):
            return hunk
        if frame["line"] and abs(hunk["new_start"] - frame["line"]) <= NEAR_LINES:
            return hunk
    return None


# --- tokens -----------------------------------------------------------------------------------------


class TokenRarity:
    """How rare a token is among the candidates of one failure: only rare ones tell candidates apart."""

    def __init__(self, tokens_of: Mapping[str, frozenset[str]]) -> None:
        self._tokens_of = tokens_of
        self._frequency = Counter(token for tokens in tokens_of.values() for token in tokens)
        parts = (
            {part.lower() for token in tokens for part in _PART.findall(token)}
            for tokens in tokens_of.values()
        )
        self._parts = Counter(part for found in parts for part in found)

    def part_weight(self, part: str) -> float:
        """The same for a lower-case part of an identifier; a part that only a path holds counts as rare."""
        count, total = max(self._parts[part], 1), len(self._tokens_of)
        return 0.0 if total > 3 and count * 2 > total else log((total + 1) / (count + 0.5))

    def weight(self, token: str) -> float:
        """Inverse document frequency, 0 for a token of more than half of the candidates."""
        count, total = self._frequency[token], len(self._tokens_of)
        if count == 0 or (total > 3 and count * 2 > total):
            return 0.0
        return log((total + 1) / (count + 0.5))


def words_of(texts: Iterable[str]) -> frozenset[str]:
    """Identifiers and quoted literals of free texts, dull words left out."""
    found: set[str] = set()
    for text in texts:
        found |= set(_WORD.findall(text)) | {a or b for a, b in _QUOTED.findall(text)}
    return frozenset(word for word in found if word.lower() not in _DULL)


def failure_tokens(group: FailureGroup) -> frozenset[str]:
    """Names that the failure shows: quoted literals and identifiers of the message, functions, route, table."""
    message = group.facts.message or ""
    words = set(_WORD.findall(message))
    words |= {a or b for a, b in _QUOTED.findall(message)}
    for frame in group.frames[:8]:
        if frame["path"] and frame["function"]:
            words |= set(_WORD.findall(frame["function"].rsplit(".", 1)[-1]))
    words |= set(_WORD.findall((group.facts.exception_type or "").rsplit(".", 1)[-1]))
    for value in group.facts.attributes.values():
        if isinstance(value, str):
            words |= set(_WORD.findall(value))
    return frozenset(word for word in words if word.lower() not in _DULL)


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
    value = min(total, log(weights.maximum("changed_token_max")))
    return [
        _piece(
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
    matter = MATTERS.get(group.categories[0].category, frozenset())
    hits: dict[str, str] = {}
    for hunk in hunks:
        if paths.is_production_code(hunk["path"]) or paths.is_configuration(hunk["path"]):
            for token in (*hunk["tokens"], hunk["path"]):
                for part in _PART.findall(token):
                    if part.lower() in matter:
                        hits.setdefault(part.lower(), hunk["path"])
    total = fsum(tokens.part_weight(part) for part in sorted(hits)) * _outside_trust(group, weights)
    if not touched or total <= 0.3:
        return []
    named = sorted(hits, key=lambda part: (-tokens.part_weight(part), part))[:3]
    text = f"touches {', '.join(named)} in {hits[named[0]]}, and the failure is one of {group.categories[0].category}"
    value = min(total, log(weights.maximum("changed_matter_max")))
    return [
        _piece(EvidenceKind.CHANGED_MATTER, weights, text, log_lr=value, words=named, path=hits[named[0]])
    ]


def _of_files(
    group: FailureGroup, touched: Sequence[str], around: Circumstances, weights: Weights
) -> list[SuspectEvidence]:
    found = []
    routed = sorted(around.route_paths & set(touched))
    if routed and (group.callee is not None or not any(frame["path"] for frame in group.frames)):
        text = f"changed {routed[0]}, which serves the failing route"
        found.append(_piece(EvidenceKind.CHANGED_ROUTE_FILE, weights, text, path=routed[0]))
    if group.categories[0].category in CONFIGURATION_CATEGORIES:
        configured = sorted(p for p in touched if paths.is_configuration(p) or paths.is_lock(p))
        if configured:
            text = f"changed {configured[0]}, and the failure is one of {group.categories[0].category}"
            found.append(_piece(EvidenceKind.CHANGED_CONFIGURATION, weights, text, path=configured[0]))
    return found


# --- time -------------------------------------------------------------------------------------------


def _of_time(
    candidate: Listed, group: FailureGroup, around: Circumstances, weights: Weights
) -> list[SuspectEvidence]:
    sha, row = candidate.change["sha"], group.row
    found: list[SuspectEvidence] = []
    if sha in around.named:
        found.append(_piece(EvidenceKind.NAMED_BY_INCIDENT, weights, "the incident names this change"))
    for kind, verb, links in (
        (EvidenceKind.REVERTED_AFTER, "reverted", around.reverters),
        (EvidenceKind.NAMED_BY_FIX, "named as mended", around.fixers),
    ):
        if sha in links:
            later, at = links[sha]
            if row["first_seen_at"] < at and row["last_seen_at"] <= at + ENDED_MARGIN:
                text = f"{verb} by {later[:10]} after the failure began, and the failure was not seen again"
                found.append(_piece(kind, weights, text, change=later))
    if not candidate.is_in_range:
        return found
    ended = around.ended_by
    if ended is not None and ended["is_rollback"] and not candidate.is_callee:
        text = "its deployment was rolled back, and the failure was not seen again"
        found.append(_piece(EvidenceKind.ROLLED_BACK_AFTER, weights, text, revision=ended["sha"]))
    return found + _of_exposure(candidate, group, around, weights)


def _rate(group: FailureGroup, around: Circumstances) -> tuple[float, int, int]:
    """(failing share on the onset's revision, its requests, its failures); 0 without traffic counts."""
    sha = group.row["onset_sha"]
    failures = group.revision_counts.get(sha, 0)
    requests = around.traffic.count(sha=sha)
    return (min(failures / requests, 1.0) if requests else 0.0), requests, failures


def _of_exposure(
    candidate: Listed, group: FailureGroup, around: Circumstances, weights: Weights
) -> list[SuspectEvidence]:
    """First seen and change point: what the traffic before and after its deployment says of the onset.

    A revision that served the operation well for long did not bring a failure that comes at this rate.
    """
    rate, requests, _ = _rate(group, around)
    deployed_at = candidate.deployed_at
    if not around.is_sampling_known or deployed_at is None or rate <= 0:
        return []
    before = around.traffic.count(until=_hour(deployed_at))
    between = around.traffic.count(since=_hour(deployed_at), until=_hour(group.row["first_seen_at"]))
    found: list[SuspectEvidence] = []
    if rate * before >= LATE_EXPECTED > rate * between:
        value = min(rate * before, log(weights.maximum("first_seen_max")))
        text = f"first seen in its deployment; {before} earlier requests did not fail"
        found.append(_piece(EvidenceKind.FIRST_SEEN, weights, text, log_lr=value, requests_before=before))
    factor = requests / (4 * (between + 1))
    if factor > 1:
        value = min(log(factor), log(weights.maximum("change_point_max")))
        text = f"began after {between} of {requests} requests to the deployed revision"
        found.append(_piece(EvidenceKind.CHANGE_POINT, weights, text, log_lr=value))
    return found


def of_no_change(
    group: FailureGroup, around: Circumstances, *, weights: Weights
) -> tuple[SuspectEvidence, ...]:
    """Evidence that nothing which was deployed is to blame."""
    found: list[SuspectEvidence] = []
    row, interval = group.row, around.onset_interval
    if group.is_dependency_leaf and group.categories[0].category == FailureCategory.DEPENDENCY_INFRASTRUCTURE:
        peer = group.facts.attributes.get(SERVER_ADDRESS, "a peer")
        text = f"could not reach {peer}, which sends no telemetry"
        found.append(_piece(EvidenceKind.DEPENDENCY_DOWN, weights, text))
    if group.is_garbage_caller:
        text = "callers outside our services sent what the service rightly rejects"
        found.append(_piece(EvidenceKind.CALLER_GARBAGE, weights, text))
    if interval is not None and interval["previous_sha"] is None:
        text = "seen in the first revision that we know of"
        found.append(_piece(EvidenceKind.PREDATES_RANGE, weights, text))
    deployed = max(
        (at for at in (interval and interval["started_at"], around.callee_deployed_at) if at), default=None
    )
    if deployed is not None and row["first_seen_at"] - deployed > timedelta(hours=24):
        rate, _, _ = _rate(group, around)
        exposed = around.traffic.count(since=_hour(deployed), until=_hour(row["first_seen_at"]))
        if rate * exposed >= LATE_EXPECTED:
            text = (
                f"began more than a day after the last deployment, in which {exposed} requests did not fail"
            )
            found.append(_piece(EvidenceKind.FAR_FROM_DEPLOYMENT, weights, text))
    found += _of_end(group, around, weights)
    return tuple(found)


def _of_end(group: FailureGroup, around: Circumstances, weights: Weights) -> list[SuspectEvidence]:
    """A failure that stops by itself while traffic goes on, before anything was deployed."""
    row, interval = group.row, around.onset_interval
    if around.ended_by is not None:
        return []
    during = around.traffic.count(
        since=_hour(row["first_seen_at"]), until=_hour(row["last_seen_at"]) + timedelta(hours=1)
    )
    until = interval["ended_at"] if interval is not None and interval["ended_at"] else around.as_of
    after = around.traffic.count(since=_hour(row["last_seen_at"]) + timedelta(hours=1), until=until)
    if not during or not after:
        return []
    rate = min(row["failing_trace_count"] / during, 1.0)
    unlikely = exp(-rate * after)
    if unlikely > 0.05:
        return []
    value = min(-log(max(unlikely, 1e-9)), weights.log_ratio(EvidenceKind.ENDED_WITHOUT_DEPLOYMENT))
    text = f"ended while {after} more requests came in and nothing was deployed"
    return [_piece(EvidenceKind.ENDED_WITHOUT_DEPLOYMENT, weights, text, log_lr=value, requests_after=after)]


def is_late(group: FailureGroup, around: Circumstances) -> bool:
    """True when the onset's revision had served the operation well for so long that its deployment says little.

    At least three failures would have been expected, at the rate that was seen later, before the first one came.
    """
    interval = around.onset_interval
    if interval is None:
        return False
    rate, _, _ = _rate(group, around)
    earlier = around.traffic.count(
        since=_hour(interval["started_at"]), until=_hour(group.row["first_seen_at"])
    )
    return rate * earlier >= LATE_EXPECTED


def no_change_prior(group: FailureGroup, around: Circumstances, weights: Weights) -> float:
    """Prior of "no change is to blame" by what the clock says of the onset."""
    interval = around.onset_interval
    if interval is None:
        return weights.prior["no_change"]
    if interval["previous_sha"] is None:
        return weights.prior["no_change_old"]
    fresh = timedelta(minutes=weights.prior["fresh_minutes"])
    is_fresh = group.row["first_seen_at"] - interval["started_at"] <= fresh
    return weights.prior["no_change_fresh" if is_fresh else "no_change"]


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
