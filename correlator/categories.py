"""How a failure fails: a ranked list of categories with reasons, by rules kept as data in ``categories.toml``.

It looks at codes before types before messages, at the root-cause span only. ``unknown`` is a legal answer. It cannot
see a vulnerability before it is used, silent corruption, or a breach of rules that no text speaks of.
Source of the classes: the study's four, completed after ODC and CWE; codes from SQLSTATE, RFC 9110 and gRPC.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from schemas import vocabulary
from schemas.records import FailureFacts, RankedCategory
from schemas.vocabulary import FailureCategory, SpanKind

TEXT_CHARS_MAX = 2000
"""Characters of a message that are read; of a post-mortem ten times as many."""

SPAN_KIND = "span.kind"
"""Key under which facts may carry the span's kind, as a name or as OTLP's number."""

INCIDENT_TEXT = "incident_text"
"""``FailureFacts.kind`` of a text written by people."""

_UNKNOWN_SCORE = 0.3
_STARTUP_GAIN = 0.05
_IN_APP_FACTOR = 1.1
_LIBRARY_FACTOR = 0.85
_GENERIC_TYPES = frozenset(
    {
        "Exception",
        "Error",
        "RuntimeException",
        "RuntimeError",
        "StandardError",
        "Throwable",
        "BaseException",
        "ApplicationException",
        "SystemException",
        "errorString",
        "wrapError",
        "fundamental",
        "withStack",
        "StopIteration",
        "_OTHER",
    }
)
"""Types that say only that something was thrown."""

_GRPC_NAMES = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)
"""gRPC status names in the order of their numbers."""

_SQLSTATE_IN_TEXT = re.compile(r"SQLSTATE\W{0,3}([0-9A-Z]{5})\b")
_SQLSTATE = re.compile(r"[0-9A-Z]{5}\Z")
# "Request failed with status code 503", "status: 422": what an HTTP client says of the other side.
_HTTP_IN_TEXT = re.compile(r"(?i)\bstatus(?: ?code)?\W{1,3}([45]\d\d)\b")
# `StatusCode.UNAVAILABLE`, `UNAVAILABLE: io exception`, `StatusCode="DeadlineExceeded"`, in exceptions of RPC clients.
_GRPC_IN_TEXT = re.compile(r"\b([A-Z]{5,}(?:_[A-Z]+)*)\b|StatusCode\W{1,3}([A-Z][a-zA-Z]+)")
_RPC_TYPE = re.compile(r"(?i)rpc|StatusRuntimeException|StatusException|status\.Error")
_LAST_SEGMENT = re.compile(r"[.:/\\$]+")
_CLIENT_NAMES = frozenset({"CLIENT", "PRODUCER", str(SpanKind.CLIENT), str(SpanKind.PRODUCER)})
_SERVER_NAMES = frozenset({"SERVER", "CONSUMER", str(SpanKind.SERVER), str(SpanKind.CONSUMER)})


@dataclass(frozen=True, slots=True)
class _Rule:
    category: FailureCategory
    score: float
    reason: str
    codes: tuple[str, ...] = ()
    side: str | None = None
    pattern: re.Pattern[str] | None = None
    type_pattern: re.Pattern[str] | None = None


@dataclass(frozen=True, slots=True)
class _Rules:
    version: str
    sqlstate: tuple[tuple[str, _Rule], ...]
    database_codes: tuple[tuple[re.Pattern[str], re.Pattern[str], _Rule], ...]
    http: tuple[_Rule, ...]
    grpc: tuple[_Rule, ...]
    type_names: Mapping[str, _Rule]
    type_patterns: tuple[_Rule, ...]
    messages: tuple[_Rule, ...]
    pairs: tuple[_Rule, ...]
    texts: tuple[_Rule, ...]


@cache
def _rules() -> _Rules:
    raw = tomllib.loads(resources.files("correlator").joinpath("categories.toml").read_text(encoding="utf-8"))
    sqlstate = [(prefix, _rule(entry)) for entry in raw["sqlstate"] for prefix in entry["prefixes"]]
    types = [(entry, _rule(entry)) for entry in raw["type"]]
    names: dict[str, _Rule] = {}
    for entry, rule in types:
        for name in entry.get("names", ()):
            names.setdefault(name, rule)
    return _Rules(
        version=raw["version"],
        sqlstate=tuple(sorted(sqlstate, key=lambda pair: -len(pair[0]))),
        database_codes=tuple(
            (re.compile(entry["system"]), re.compile("|".join(entry["codes"])), _rule(entry))
            for entry in raw["database_code"]
        ),
        http=tuple(_rule(entry) for entry in raw["http"]),
        grpc=tuple(_rule(entry) for entry in raw["grpc"]),
        type_names=names,
        type_patterns=tuple(rule for _, rule in types if rule.pattern),
        messages=tuple(_rule(entry) for entry in raw["message"]),
        pairs=tuple(_rule(entry) for entry in raw["type_and_message"]),
        texts=tuple(_rule(entry, flags=re.IGNORECASE) for entry in raw["text"]),
    )


def _rule(entry: Mapping[str, Any], flags: int = 0) -> _Rule:
    return _Rule(
        category=FailureCategory(entry["category"]),
        score=float(entry.get("score", entry.get("weight", 0))),
        reason=entry.get("reason", ""),
        codes=tuple(str(code) for code in entry.get("codes", ())),
        side=entry.get("side"),
        pattern=re.compile(entry["pattern"], flags) if "pattern" in entry else None,
        type_pattern=re.compile(entry["type"]) if "type" in entry else None,
    )


VERSION: str = _rules().version
"""Version of ``categories.toml``."""


def rank(
    facts: FailureFacts,
    *,
    in_app: bool | None = None,
    is_dependency_leaf: bool = False,
    at_startup: bool = False,
) -> tuple[RankedCategory, ...]:
    """Categories of one failure, best first, at most one entry each, never empty.

    Args:
        facts: Of the root-cause span. Old attribute names count like current ones; ``span.kind`` may say which side
            of a call it was. With ``kind`` = ``incident_text`` the message is read as a text written by people.
        in_app: Some frame of its stack maps to the service's repository; None without a stack.
        is_dependency_leaf: The span is a call that left no span on the other side.
        at_startup: It happened while the service started.

    Returns:
        Scores in (0, 1], rounded to 6 decimals; a score is a strength of evidence, not a probability.
    """
    if facts.kind == INCIDENT_TEXT:
        return of_text(facts.message or "", {}, None)
    hits: list[RankedCategory] = []
    for hit in _hits(facts, is_dependency_leaf=is_dependency_leaf):
        score = hit.score
        if hit.category is FailureCategory.LOGIC_UNHANDLED:
            if in_app is not None:
                score = min(score * (_IN_APP_FACTOR if in_app else _LIBRARY_FACTOR), 1.0)
            if at_startup:
                # A process that cannot start meets its own settings first.
                reason = f"while the service started: {hit.reason}"
                gained = min(score + _STARTUP_GAIN, 1.0)
                hits.append(RankedCategory(FailureCategory.CONFIGURATION_DEPLOY, gained, reason))
        hits.append(RankedCategory(hit.category, score, hit.reason))
    if in_app and facts.exception_type:
        reason = f"{facts.exception_type} left the service's own code unhandled"
        hits.append(RankedCategory(FailureCategory.LOGIC_UNHANDLED, 0.42, reason))
    return _ordered(hits)


def of_text(title: str, labels: Mapping[str, Any], postmortem: str | None) -> tuple[RankedCategory, ...]:
    """Categories of an incident by what people wrote, best first, never empty.

    A label that names a category decides. Words of the title count fully, labels' and the post-mortem's by half.
    """
    stated: list[RankedCategory] = []
    for key, value in sorted((str(key), str(value)) for key, value in labels.items()):
        for text in (value, key):
            name = re.sub(r"[\s-]+", "_", text.strip().lower())
            if name in _STATED and _STATED[name] is not FailureCategory.UNKNOWN:
                stated.append(RankedCategory(_STATED[name], 0.95, f"its label {key}: {value} says so"))
                break
    labelled = " ; ".join(f"{key} {value}" for key, value in sorted(labels.items()))
    weights: dict[FailureCategory, float] = {}
    words: dict[FailureCategory, list[str]] = {}
    for text, factor in (
        (title[:TEXT_CHARS_MAX], 1.0),
        (labelled[:TEXT_CHARS_MAX], 0.5),
        ((postmortem or "")[: 10 * TEXT_CHARS_MAX], 0.5),
    ):
        for rule in _rules().texts:
            assert rule.pattern is not None
            found = _distinct(rule.pattern, text)
            if found:
                # Each further phrase of one rule counts half of the first.
                weight = rule.score * factor * (1 + len(found)) / 2
                weights[rule.category] = weights.get(rule.category, 0.0) + weight
                words.setdefault(rule.category, []).extend(found)
    hits = [
        RankedCategory(
            category, weight / (weight + 2.0), f'the text says "{_clip("; ".join(words[category]))}"'
        )
        for category, weight in weights.items()
    ]
    return _ordered([*stated, *hits])


_STATED: dict[str, FailureCategory] = {
    **{str(category): category for category in FailureCategory},
    "compliance": FailureCategory.COMPLIANCE_GOVERNANCE,
    "governance": FailureCategory.COMPLIANCE_GOVERNANCE,
    "gdpr": FailureCategory.COMPLIANCE_GOVERNANCE,
    "data": FailureCategory.DATA_INTEGRITY,
    "performance": FailureCategory.RESOURCE_PERFORMANCE,
    "resource": FailureCategory.RESOURCE_PERFORMANCE,
    "capacity": FailureCategory.RESOURCE_PERFORMANCE,
    "logic": FailureCategory.LOGIC_UNHANDLED,
    "bug": FailureCategory.LOGIC_UNHANDLED,
    "config": FailureCategory.CONFIGURATION_DEPLOY,
    "configuration": FailureCategory.CONFIGURATION_DEPLOY,
    "deployment": FailureCategory.CONFIGURATION_DEPLOY,
    "infrastructure": FailureCategory.DEPENDENCY_INFRASTRUCTURE,
    "dependency": FailureCategory.DEPENDENCY_INFRASTRUCTURE,
    "third_party": FailureCategory.DEPENDENCY_INFRASTRUCTURE,
}
"""What a label may call a category."""


def _distinct(pattern: re.Pattern[str], text: str, at_most: int = 3) -> list[str]:
    """The first different phrases that ``pattern`` finds, as written."""
    found: dict[str, str] = {}
    for match in pattern.finditer(text):
        found.setdefault(match.group(0).strip().lower(), match.group(0).strip())
        if len(found) == at_most:
            break
    return list(found.values())


def _ordered(hits: Iterable[RankedCategory]) -> tuple[RankedCategory, ...]:
    best: dict[FailureCategory, RankedCategory] = {}
    for hit in hits:
        if hit.category not in best or hit.score > best[hit.category].score:
            best[hit.category] = hit
    reason = "nothing that is known of it speaks for another category"
    best.setdefault(FailureCategory.UNKNOWN, RankedCategory(FailureCategory.UNKNOWN, _UNKNOWN_SCORE, reason))
    order = list(FailureCategory)
    listed = [RankedCategory(hit.category, round(hit.score, 6), hit.reason) for hit in best.values()]
    return tuple(sorted(listed, key=lambda hit: (-hit.score, order.index(hit.category))))


def _hits(facts: FailureFacts, *, is_dependency_leaf: bool) -> Iterator[RankedCategory]:
    """Every rule that fires, in the order codes, types, messages."""
    rules = _rules()
    attributes: dict[str, Any] = {}
    for key, value in facts.attributes.items():
        # A span that carries the old and the new name of a key keeps the new one.
        if key in vocabulary.RENAMED_KEYS:
            attributes.setdefault(vocabulary.RENAMED_KEYS[key], value)
        else:
            attributes[key] = value
    kind = str(attributes.get(SPAN_KIND, "")).upper()
    side = (
        "client"
        if kind in _CLIENT_NAMES or is_dependency_leaf
        else "server"
        if kind in _SERVER_NAMES
        else None
    )
    message = (facts.message or "")[:TEXT_CHARS_MAX]
    error_type = str(attributes.get(vocabulary.ERROR_TYPE) or "")
    type_ = facts.exception_type or ("" if error_type.isdigit() else error_type)

    yield from _database_hits(rules, attributes, message)
    http = _number(attributes.get(vocabulary.HTTP_RESPONSE_STATUS_CODE)) or _number(error_type)
    if http is None:
        stated = _HTTP_IN_TEXT.search(message)
        if stated:
            http, side = int(stated.group(1)), "client"
    if http is not None:
        for rule in rules.http:
            if str(http) in rule.codes and (rule.side is None or rule.side == (side or "server")):
                yield _hit(rule, code=str(http))
    grpc = _grpc_name(attributes.get(vocabulary.RPC_GRPC_STATUS_CODE))
    if grpc is None and not error_type.isdigit():
        grpc = _grpc_name(error_type)
    if grpc is None and _RPC_TYPE.search(type_):
        grpc = _grpc_in_text(message)
    if grpc:
        for rule in rules.grpc:
            if grpc in rule.codes:
                yield _hit(rule, code=grpc)
    if (
        is_dependency_leaf
        and (http is None or http >= 500)
        and not attributes.get(vocabulary.DB_RESPONSE_STATUS_CODE)
    ):
        reason = "a call to something that sends no spans of its own failed"
        yield RankedCategory(FailureCategory.DEPENDENCY_INFRASTRUCTURE, 0.58, reason)
    yield from _type_hits(rules, type_, message)


def _database_hits(rules: _Rules, attributes: Mapping[str, Any], message: str) -> Iterator[RankedCategory]:
    code = str(attributes.get(vocabulary.DB_RESPONSE_STATUS_CODE) or "").strip()
    system = str(attributes.get(vocabulary.DB_SYSTEM_NAME) or "").lower()
    if code and system:
        for systems, codes, rule in rules.database_codes:
            if systems.fullmatch(system) and codes.fullmatch(code):
                yield _hit(rule, code=code)
                return
    stated = _SQLSTATE_IN_TEXT.search(message)
    for state in (code, stated.group(1) if stated else ""):
        # HY000 is "general error": the message knows more.
        if not _SQLSTATE.match(state) or state == "HY000":
            continue
        for prefix, rule in rules.sqlstate:
            if state.startswith(prefix):
                yield _hit(rule, code=state)
                return


def _type_hits(rules: _Rules, type_: str, message: str) -> Iterator[RankedCategory]:
    name = _LAST_SEGMENT.split(type_.lstrip("*"))[-1] if type_ else ""
    listed = rules.type_names.get(type_) or rules.type_names.get(name)
    shown = _clip(type_)
    if listed and name not in _GENERIC_TYPES:
        yield _hit(listed, type=shown)
    elif type_ and name not in _GENERIC_TYPES:
        for rule in rules.type_patterns:
            assert rule.pattern is not None
            if rule.pattern.search(type_[:500]):
                yield _hit(rule, type=shown)
    for rule in rules.pairs:
        assert rule.pattern is not None
        assert rule.type_pattern is not None
        if type_ and rule.type_pattern.search(type_[:500]):
            found = rule.pattern.search(message)
            if found:
                yield _hit(rule, type=shown, text=found.group(0))
    if message:
        for rule in rules.messages:
            assert rule.pattern is not None
            found = rule.pattern.search(message)
            if found:
                yield _hit(rule, text=found.group(0))


def _hit(rule: _Rule, *, code: str = "", type: str = "", text: str = "") -> RankedCategory:
    reason = rule.reason.replace("{code}", code).replace("{type}", type).replace("{text}", f'"{_clip(text)}"')
    return RankedCategory(rule.category, rule.score, reason)


def _clip(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 100 else flat[:99] + "…"


def _number(value: object) -> int | None:
    text = str(value).strip() if value is not None else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else None


def _grpc_name(value: object) -> str | None:
    """``14``, ``"14"``, ``UNAVAILABLE`` or ``StatusCode.UNAVAILABLE`` -> ``UNAVAILABLE``."""
    text = str(value).strip() if value is not None else ""
    number = _number(value)
    if number is not None:
        return _GRPC_NAMES[number] if number < len(_GRPC_NAMES) else None
    name = text.rpartition(".")[2].upper()
    return name if name in _GRPC_NAMES else None


def _grpc_in_text(message: str) -> str | None:
    for match in _GRPC_IN_TEXT.finditer(message):
        # `DeadlineExceeded` is .NET's spelling of DEADLINE_EXCEEDED.
        name = match.group(1) or re.sub(r"(?<=[a-z])(?=[A-Z])", "_", match.group(2)).upper()
        if name in _GRPC_NAMES:
            return name
    return None
