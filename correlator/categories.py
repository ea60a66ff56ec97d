"""How a failure fails: a ranked list of categories with reasons, by the rules of ``categories.toml``.

It looks at codes before types before messages, at the root-cause span only. ``unknown`` is a legal answer. It cannot
see a vulnerability before it is used, silent corruption, or a breach of rules that no text speaks of.
Source of the classes: the study's four, completed after ODC and CWE; codes from SQLSTATE, RFC 9110 and gRPC.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from correlator import category_rules, category_texts
from correlator.category_rules import Rules
from schemas import vocabulary
from schemas.records import FailureFacts, RankedCategory
from schemas.vocabulary import FailureCategory, SpanKind

TEXT_CHARS_MAX = 2000
"""Characters of a message that are read."""

TYPE_CHARS_MAX = 500

SPAN_KIND = "span.kind"
"""Key under which facts may carry the span's kind, as a name or as OTLP's number."""

INCIDENT_TEXT = "incident_text"
"""``FailureFacts.kind`` of a text written by people."""

_STARTUP_GAIN = 0.05
_IN_APP_FACTOR = 1.1
_LIBRARY_FACTOR = 0.85
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

# `SQLSTATE[23000]`, `Error 1062 (23000)`, `ERROR 57014 (query_canceled)`, `23505: duplicate key`.
_SQLSTATE_IN_TEXT = re.compile(
    r"SQLSTATE\W{0,3}([0-9A-Z]{5})\b"
    r"|\b(?:ERROR|FATAL|PANIC|Error \d{4})\W{1,3}([0-9]{2}[0-9A-Z]{3}|HV[0-9A-Z]{3}|XX[0-9]{3}|P[0-9]{4})\b"
    r"|^([0-9]{2}[0-9A-Z]{3}): "
)
_SQLSTATE = re.compile(r"[0-9A-Z]{5}\Z")
# "Request failed with status code 503", "status: 422", "status code does not indicate success: 404": what an HTTP
# client says of the other side.
_HTTP_IN_TEXT = re.compile(r"(?i)\bstatus(?: ?code)?[^\d\n]{1,40}([45]\d\d)\b")
_HTTP_OF_CARRIER = re.compile(r"(?<![\d.:/])([45]\d\d)(?![\d.])")
# `StatusCode.UNAVAILABLE`, `UNAVAILABLE: io exception`, `StatusCode="DeadlineExceeded"`, in exceptions of RPC clients.
_GRPC_IN_TEXT = re.compile(r"\b([A-Z]{5,}(?:_[A-Z]+)*)\b|StatusCode\W{1,3}([A-Z][a-zA-Z]+)")
_RPC_TYPE = re.compile(r"(?i)rpc|StatusRuntimeException|StatusException|status\.Error")
_LAST_SEGMENT = re.compile(r"[.:/\\$]+")
_CLIENT_NAMES = frozenset({"CLIENT", "PRODUCER", str(SpanKind.CLIENT), str(SpanKind.PRODUCER)})
_SERVER_NAMES = frozenset({"SERVER", "CONSUMER", str(SpanKind.SERVER), str(SpanKind.CONSUMER)})


VERSION: str = f"{category_rules.load().version}.{category_texts.VERSION}"
"""Versions of ``categories.toml`` and ``category_texts.toml``."""


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
        return category_texts.rank(facts.message or "", {}, None)
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
    return category_rules.ordered(hits)


def _hits(facts: FailureFacts, *, is_dependency_leaf: bool) -> Iterator[RankedCategory]:
    """Every rule that fires, in the order codes, types, messages."""
    rules = category_rules.load()
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
    is_carried = False
    if http is None:
        # An HTTP client's error says only that a call failed; what the other side answered says how.
        is_carrier = rules.carriers.search(type_[:TYPE_CHARS_MAX]) is not None
        stated = _HTTP_IN_TEXT.search(message) or (_HTTP_OF_CARRIER.search(message) if is_carrier else None)
        if stated:
            http, side, is_carried = int(stated.group(1)), "client", is_carrier
    if http is not None:
        for rule in rules.http:
            if str(http) in rule.codes and (rule.side is None or rule.side == (side or "server")):
                yield rule.hit(code=str(http))
    grpc = _grpc_name(attributes.get(vocabulary.RPC_GRPC_STATUS_CODE))
    if grpc is None and not error_type.isdigit():
        grpc = _grpc_name(error_type)
    if grpc is None and _RPC_TYPE.search(type_):
        grpc = _grpc_in_text(message)
    if grpc:
        for rule in rules.grpc:
            if grpc in rule.codes:
                yield rule.hit(code=grpc)
    if (
        is_dependency_leaf
        and (http is None or http >= 500)
        and not attributes.get(vocabulary.DB_RESPONSE_STATUS_CODE)
    ):
        reason = "a call to something that sends no spans of its own failed"
        yield RankedCategory(FailureCategory.DEPENDENCY_INFRASTRUCTURE, 0.58, reason)
    yield from _type_hits(rules, "" if is_carried else type_, message)
    yield from _pair_hits(rules, type_, message)


def _database_hits(rules: Rules, attributes: Mapping[str, Any], message: str) -> Iterator[RankedCategory]:
    code = str(attributes.get(vocabulary.DB_RESPONSE_STATUS_CODE) or "").strip()
    system = str(attributes.get(vocabulary.DB_SYSTEM_NAME) or "").lower()
    if code and system:
        for systems, codes, rule in rules.database_codes:
            if systems.fullmatch(system) and codes.fullmatch(code):
                yield rule.hit(code=code)
                return
    stated = _SQLSTATE_IN_TEXT.search(message)
    for state in (code, next(filter(None, stated.groups()), "") if stated else ""):
        # HY000 is "general error": the message knows more.
        if not _SQLSTATE.match(state) or state == "HY000":
            continue
        for prefix, rule in rules.sqlstate:
            if state.startswith(prefix):
                yield rule.hit(code=state)
                return


def _type_hits(rules: Rules, type_: str, message: str) -> Iterator[RankedCategory]:
    """What the type says, listed before of a family, and what the message says."""
    segments = [part for part in _LAST_SEGMENT.split(type_.lstrip("*&")) if part]
    names = (type_, ".".join(segments[-2:]), *segments[-1:])
    if type_ and not rules.generic_types.intersection(names):
        shown = category_rules.clip(type_)
        listed = next((rules.type_names[name] for name in names if name in rules.type_names), None)
        if listed:
            yield listed.hit(type=shown)
        else:
            for rule in rules.type_patterns:
                assert rule.pattern is not None
                if rule.pattern.search(type_[:TYPE_CHARS_MAX]):
                    yield rule.hit(type=shown)
    for rule in rules.messages:
        assert rule.pattern is not None
        found = rule.pattern.search(message)
        if found:
            yield rule.hit(text=found.group(0))


def _pair_hits(rules: Rules, type_: str, message: str) -> Iterator[RankedCategory]:
    """Rules in which type and message must both fit."""
    for rule in rules.pairs:
        assert rule.pattern is not None
        assert rule.type_pattern is not None
        if type_ and rule.type_pattern.search(type_[:TYPE_CHARS_MAX]):
            found = rule.pattern.search(message)
            if found:
                yield rule.hit(type=category_rules.clip(type_), text=found.group(0))


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
