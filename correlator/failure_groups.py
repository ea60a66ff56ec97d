"""Failing spans become failure groups: equal fingerprint, service and environment; frames mapped and blamed.

Each distinct stack is parsed once, each (revision, path) blamed once. Knows nothing of suspects.
Source: DESIGN "Failing spans", "Frames", "Fingerprint".
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from correlator import categories, fingerprint, frames
from correlator.mappings import Mapper
from correlator.revisions import Timeline
from schemas import vocabulary
from schemas.records import (
    CommitSha,
    FailureFacts,
    Frame,
    ParsedStack,
    RankedCategory,
    RepositoryName,
    RepositoryPort,
)

Row = Mapping[str, Any]

FRAMES_MAX = 50
STARTUP = timedelta(minutes=2)

_ATTRIBUTES = {
    vocabulary.HTTP_REQUEST_METHOD: "http_request_method",
    vocabulary.HTTP_ROUTE: "http_route",
    vocabulary.HTTP_RESPONSE_STATUS_CODE: "http_response_status_code",
    vocabulary.URL_PATH: "url_path",
    vocabulary.SERVER_ADDRESS: "server_address",
    vocabulary.DB_SYSTEM_NAME: "db_system_name",
    vocabulary.DB_COLLECTION_NAME: "db_collection_name",
    vocabulary.DB_OPERATION_NAME: "db_operation_name",
    vocabulary.DB_RESPONSE_STATUS_CODE: "db_response_status_code",
    vocabulary.RPC_SYSTEM: "rpc_system",
    vocabulary.RPC_SERVICE: "rpc_service",
    vocabulary.RPC_METHOD: "rpc_method",
    vocabulary.RPC_GRPC_STATUS_CODE: "rpc_grpc_status_code",
    vocabulary.MESSAGING_DESTINATION_NAME: "messaging_destination_name",
    vocabulary.ERROR_TYPE: "error_type",
}
"""Attribute key -> column of ``root_causes.sql``."""


@dataclass(frozen=True, slots=True)
class ServiceCode:
    """Where a service's code lives; ``repository`` is None while nobody knows."""

    repository: RepositoryName | None
    path: str = ""


@dataclass(slots=True)
class FailureGroup:
    """One group with all that the suspects' evidence is made of.

    ``callee``: service on the other side of a failing call that it took part in, None for other failures. ``entry``: name of the
    SERVER or CONSUMER span by which the work entered the service; traffic is counted by it.
    """

    row: dict[str, Any]
    frames: list[dict[str, Any]]
    traces: list[dict[str, Any]]
    facts: FailureFacts
    categories: tuple[RankedCategory, ...]
    is_dependency_leaf: bool
    is_garbage_caller: bool
    callee: str | None
    entry: str
    revision_counts: dict[str | None, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Located:
    """A failing span with the revision that ran and its understood stack."""

    cause: Row
    sha: CommitSha | None
    stack: ParsedStack | None
    frames: tuple[tuple[Frame, str | None, str | None], ...]


class Assembler:
    """Turns rows of ``root_causes.sql`` into failure groups."""

    def __init__(
        self,
        *,
        port: RepositoryPort,
        services: Mapping[str, ServiceCode],
        timeline: Timeline,
        resolve: Callable[[str, str], CommitSha | None],
        landing: Callable[[str, str], str | None],
    ) -> None:
        self._port = port
        self._resolve = resolve
        self._services = services
        self._timeline = timeline
        self._landing = landing
        self._stacks: dict[tuple[str, str | None], ParsedStack | None] = {}
        self._mappers: dict[tuple[str, str, str], Mapper] = {}

    def assemble(self, causes: Iterable[Row]) -> list[FailureGroup]:
        """Groups in the order of their ids; the frames of each are those of its first failing trace."""
        members: dict[str, list[_Located]] = defaultdict(list)
        parts: dict[str, fingerprint.FingerprintResult] = {}
        for cause in causes:
            located = self._locate(cause)
            found = fingerprint.of(self._facts(located), _functions(located), cause["name"])
            group_id = _group_id(found.fingerprint, cause["service"], cause["environment"])
            members[group_id].append(located)
            parts[group_id] = found
        return [self._group(group_id, parts[group_id], members[group_id]) for group_id in sorted(members)]

    # --- one failing span -------------------------------------------------------------------------

    def _locate(self, cause: Row) -> _Located:
        code = self._services.get(cause["service"], ServiceCode(None))
        sha = self._revision(cause, code)
        stack = self._stack(cause["exception_stacktrace"], cause["sdk_language"])
        mapped: list[tuple[Frame, str | None, str | None]] = []
        if stack is not None:
            mapper = self._mapper(code, sha)
            for frame in _ordered(stack):
                found = mapper.resolve(frame.file, frame.module) if mapper else None
                mapped.append((frame, found.path if found else None, found.how if found else None))
        return _Located(cause, sha, stack, tuple(mapped))

    def _revision(self, cause: Row, code: ServiceCode) -> CommitSha | None:
        if code.repository is None:
            return None
        for text in (cause["revision"], cause["service_version"]):
            sha = self._resolve(code.repository, text) if text else None
            if sha:
                return sha
        running = self._timeline.at(cause["service"], cause["environment"], cause["failed_at"])
        return CommitSha(running["sha"]) if running and running["sha"] else None

    def _stack(self, text: str | None, language: str | None) -> ParsedStack | None:
        if not text:
            return None
        key = (text, language)
        if key not in self._stacks:
            self._stacks[key] = frames.parse(text, language)
        return self._stacks[key]

    def _mapper(self, code: ServiceCode, sha: CommitSha | None) -> Mapper | None:
        if code.repository is None or sha is None:
            return None
        key = (code.repository, sha, code.path)
        if key not in self._mappers:
            self._mappers[key] = Mapper(self._port.tree(code.repository, sha), code.path)
        return self._mappers[key]

    def _facts(self, located: _Located) -> FailureFacts:
        cause = located.cause
        attributes = {key: cause[column] for key, column in _ATTRIBUTES.items() if cause[column] is not None}
        attributes[categories.SPAN_KIND] = cause["kind"]
        root = located.stack.root_cause if located.stack else None
        return FailureFacts(
            exception_type=(root.type if root and root.type else None) or cause["exception_type"],
            message=(root.message if root and root.message else None)
            or cause["exception_message"]
            or cause["status_message"],
            attributes=attributes,
            language=cause["sdk_language"],
        )

    # --- one group ----------------------------------------------------------------------------------

    def _group(
        self, group_id: str, found: fingerprint.FingerprintResult, located: Sequence[_Located]
    ) -> FailureGroup:
        ordered = sorted(
            located, key=lambda m: (m.cause["failed_at"], m.cause["trace_id"], m.cause["span_id"])
        )
        first = ordered[0]
        cause = first.cause
        facts = self._facts(first)
        code = self._services.get(cause["service"], ServiceCode(None))
        running = self._timeline.at(cause["service"], cause["environment"], cause["failed_at"])
        is_leaf = _most(m.cause["is_dependency_leaf"] for m in ordered)
        ranked = categories.rank(
            facts,
            in_app=any(path for _, path, _ in first.frames) if first.frames else None,
            is_dependency_leaf=is_leaf,
            at_startup=_is_startup(cause, running),
        )
        template = fingerprint.template(facts.message) if facts.message else None
        traces = {
            (m.cause["trace_id"], m.cause["span_id"]): {
                "group_id": group_id,
                "trace_id": m.cause["trace_id"],
                "span_id": m.cause["span_id"],
                "failed_at": m.cause["failed_at"],
                "revision_sha": m.sha,
            }
            for m in ordered
        }
        counts: dict[str | None, int] = defaultdict(int)
        for trace in traces.values():
            counts[trace["revision_sha"]] += 1
        row = {
            "group_id": group_id,
            "fingerprint": found.fingerprint,
            "fingerprint_version": fingerprint.VERSION,
            "fingerprint_parts": json.dumps(found.parts, sort_keys=True, ensure_ascii=False),
            "service": cause["service"],
            "environment": cause["environment"],
            "operation": cause["entry_name"] or cause["name"],
            "title": _title(facts, template, cause),
            "exception_type": facts.exception_type,
            "message_template": template,
            "category": str(ranked[0].category),
            "categories": json.dumps(
                [
                    {"category": str(r.category), "score": round(r.score, 6), "reason": r.reason}
                    for r in ranked
                ],
                ensure_ascii=False,
            ),
            "first_seen_at": cause["failed_at"],
            "last_seen_at": ordered[-1].cause["failed_at"],
            "failing_trace_count": len({m.cause["trace_id"] for m in ordered}),
            "sample_trace_id": cause["trace_id"],
            "sample_span_id": cause["span_id"],
            "repository": code.repository,
            "onset_sha": first.sha,
            "previous_sha": running["previous_sha"] if running else None,
            "is_partial": any(m.cause["is_partial"] for m in ordered),
            "callers": sorted({caller for m in ordered for caller in m.cause["caller_services"] or ()}),
        }
        return FailureGroup(
            row=row,
            frames=self._frames(group_id, code.repository, first),
            traces=list(traces.values()),
            facts=facts,
            categories=ranked,
            is_dependency_leaf=is_leaf,
            is_garbage_caller=_most(m.cause["upstream_is_garbage_client"] for m in ordered),
            callee=cause["callee_service"],
            entry=cause["entry_name"] or cause["name"],
            revision_counts=dict(counts),
        )

    def _frames(
        self, group_id: str, repository: RepositoryName | None, first: _Located
    ) -> list[dict[str, Any]]:
        lines: dict[str, set[int]] = defaultdict(set)
        for frame, path, _ in first.frames:
            if path and frame.line:
                lines[path].add(frame.line)
        blamed: dict[tuple[str, int], str] = {}
        if repository and first.sha:
            for path in sorted(lines):
                answer = self._port.blame(repository, first.sha, path, tuple(sorted(lines[path])))
                blamed.update({(path, line): found.sha for line, found in answer.items()})
        rows = []
        for position, (frame, path, how) in enumerate(first.frames):
            sha = blamed.get((path or "", frame.line or 0))
            rows.append(
                {
                    "group_id": group_id,
                    "position": position,
                    "file": frame.file,
                    "function": frame.function,
                    "line": frame.line,
                    "in_app": True if path else frame.in_app if frame.in_app is False else None,
                    "path": path,
                    "mapping": how,
                    "blamed_sha": sha,
                    "blamed_change": self._landing(repository, sha) if repository and sha else None,
                }
            )
        return rows


def _ordered(stack: ParsedStack) -> list[Frame]:
    """Frames of the root cause first, innermost first, then what the outer exceptions add."""
    seen: set[tuple[str | None, int | None, str | None]] = set()
    ordered: list[Frame] = []
    for link in reversed(stack.chain):
        for frame in link.frames:
            key = (frame.file, frame.line, frame.function)
            if key not in seen:
                seen.add(key)
                ordered.append(frame)
    return ordered[:FRAMES_MAX]


def _functions(located: _Located) -> list[str]:
    """Functions of the in-app frames; where nothing maps, of the frames that are not known to be foreign."""
    mapped = [frame.function for frame, path, _ in located.frames if path and frame.function]
    if mapped:
        return mapped
    return [f.function for f, _, _ in located.frames if f.in_app is not False and f.function]


def _group_id(found: str, service: str, environment: str) -> str:
    text = "\x00".join((fingerprint.VERSION, found, service, environment))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _is_startup(cause: Row, running: Row | None) -> bool:
    """True for work that no request asked for, within the first minutes of a revision."""
    if running is None or cause["kind"] in (vocabulary.SpanKind.SERVER, vocabulary.SpanKind.CONSUMER):
        return False
    is_alone = not cause["caller_services"] and not cause["is_partial"] and cause["http_route"] is None
    return bool(is_alone and cause["failed_at"] - running["started_at"] <= STARTUP)


def _title(facts: FailureFacts, template: str | None, cause: Row) -> str:
    if facts.exception_type:
        return f"{facts.exception_type}: {template}" if template else facts.exception_type
    status = cause["http_response_status_code"] or cause["error_type"] or "error"
    return f"{status} on {cause['name']}"


def _most(flags: Iterable[Any]) -> bool:
    listed = [bool(flag) for flag in flags]
    return sum(listed) * 2 > len(listed)
