"""Shapes of failures become failure groups: equal fingerprint, service and environment; frames mapped and blamed.

Each distinct stack is parsed once, each (revision, path) blamed once. Knows nothing of suspects.
Source: DESIGN "Failing spans", "Frames", "Fingerprint".
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from math import fsum
from typing import Any

from correlator import categories, fingerprint, frames, function_names, groupings, shapes, stack_lines
from correlator.groupings import Groupings
from correlator.mappings import TRANSPILED, Mapper
from correlator.occurrences import Moments, Occurrences, merged
from correlator.original_frames import UNMAPPED, OriginalFrames, is_generated
from correlator.paths import PathKind, kind_of
from correlator.plausible import Plausible, hypotheses
from correlator.revisions import Timeline
from correlator.shapes import Shape
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
STACKS_KEPT = 2048
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
"""Attribute key -> column of ``failure_shapes``."""


@dataclass(frozen=True, slots=True)
class ServiceCode:
    """Where a service's code lives; ``repository`` is None while nobody knows."""

    repository: RepositoryName | None
    path: str = ""
    mappings: tuple[tuple[str, str], ...] = ()
    """(prefix of a frame's file, path in the repository) as the operator stated them."""


@dataclass(slots=True)
class FailureGroup:
    """One group with all that the suspects' evidence is made of.

    ``callee``: service on the other side of a failing call that it took part in, None for other failures. ``entry``: name of the
    SERVER or CONSUMER span by which the work entered the service; traffic is counted by it. ``shape_ids``: the shapes that
    it is made of. ``named_traces``: trace ids of it that incidents name. ``stack_text``: the stack as it was sent.
    """

    row: dict[str, Any]
    frames: list[dict[str, Any]]
    failures: Occurrences
    facts: FailureFacts
    categories: tuple[RankedCategory, ...]
    is_dependency_leaf: bool
    is_garbage_caller: bool
    callee: str | None
    entry: str
    shape_ids: tuple[int, ...] = ()
    named_traces: frozenset[str] = frozenset()
    stack_text: str | None = None
    supposed: tuple["Supposed", ...] = ()


@dataclass(frozen=True, slots=True)
class Supposed:
    """A revision that may have run at the onset, and the frames as they are then: rows of ``group_frames``."""

    sha: CommitSha
    probability: float
    basis: str
    frames: Sequence[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Located:
    """A shape with the revision that ran when it failed first, and its understood stack.

    ``sha`` None: unknown. ``supposed``: revisions that may have run then, the likeliest first, with what the frames
    map to; ``frames`` are those of the first.
    """

    shape: Shape
    sha: CommitSha | None
    stack: ParsedStack | None
    frames: stack_lines.Located
    supposed: tuple[tuple[Plausible, stack_lines.Located], ...] = ()

    @property
    def cause(self) -> Row:
        return self.shape.first


class Assembler:
    """Turns shapes of failures into failure groups."""

    def __init__(
        self,
        *,
        port: RepositoryPort,
        services: Mapping[str, ServiceCode],
        timeline: Timeline,
        revision_of: Callable[[str, str | None], str | None],
        landing: Callable[[str, str], str | None],
        groupings: Groupings | None = None,
        originals: OriginalFrames | None = None,
        plausible_at: Callable[[str, str, datetime], Sequence[Plausible]] = lambda *_: (),
        position_of: Callable[[str, str], int | None] = lambda *_: None,
    ) -> None:
        """
        Args:
            revision_of: (service, text that names what ran) -> full sha or None.
            landing: (repository, sha) -> the change that it landed with.
            plausible_at: (service, environment, time) -> revisions that may have run, where none is known.
            position_of: (repository, sha) -> position on the mainline, or None.
        """
        self._plausible_at = plausible_at
        self._position_of = position_of
        self._port = port
        self._revision_of = revision_of
        self._services = services
        self._timeline = timeline
        self._landing = landing
        self._groupings = groupings or Groupings()
        self._originals = originals or OriginalFrames()
        self._mappers: dict[tuple[object, ...], Mapper] = {}
        self._blamed: dict[tuple[str | None, str | None, str | None, int | None], str] = {}

    def assemble(self, shapes: Iterable[Shape]) -> list[FailureGroup]:
        """Groups in the order of their ids; the frames of each are those of its first failing trace."""
        members: dict[str, list[_Located]] = defaultdict(list)
        results: dict[str, list[fingerprint.FingerprintResult]] = defaultdict(list)
        for shape in shapes:
            located, cause = self._locate(shape), shape.first
            facts, operation = self._facts(located), cause["entry_name"] or cause["name"]
            found = self._groupings.settle(
                fingerprint.of(facts, _functions(located), cause["name"]),
                cause["service"],
                message=facts.message,
                operation=operation,
            )
            group_id = _group_id(found.fingerprint, cause["service"], cause["environment"])
            members[group_id].append(located)
            results[group_id].append(found)
        ordered = {
            group_id: sorted(
                found, key=lambda m: (m.cause["failed_at"], m.cause["trace_id"], m.cause["span_id"])
            )
            for group_id, found in members.items()
        }
        for alike in ordered.values():
            alike[0] = self._fitted(alike[0])
        self._blame(alike[0] for alike in ordered.values())
        return [self._group(group_id, results[group_id], ordered[group_id]) for group_id in sorted(ordered)]

    def _blame(self, shown: Iterable[_Located]) -> None:
        """Ask who wrote the lines of all frames, each file once."""
        lines: dict[RepositoryName, dict[tuple[CommitSha, str], set[int]]] = defaultdict(dict)
        for located in shown:
            repository = self._services.get(located.cause["service"], ServiceCode(None)).repository
            for sha, placed in _located_at(located):
                for frame, path, how in placed:
                    # The line of what a compiler wrote is no line of its source.
                    if repository and path and frame.line and how != TRANSPILED:
                        lines[repository].setdefault((sha, path), set()).add(frame.line)
        for repository, asked in sorted(lines.items()):
            for place, answer in self._port.blames(repository, dict(sorted(asked.items()))).items():
                self._blamed.update({(repository, *place, line): found.sha for line, found in answer.items()})

    # --- one shape ------------------------------------------------------------------------------------

    def _locate(self, shape: Shape) -> _Located:
        cause = shape.first
        code = self._services.get(cause["service"], ServiceCode(None))
        sha = self._revision(cause, code)
        text = cause["exception_stacktrace"]
        stack = _read_stack(text, cause["sdk_language"]) if text else None
        if stack is not None:
            stack = self._originals.of(
                stack, cause["service"], (cause["service_version"], cause["revision"], sha)
            )
        if sha is not None:
            return _Located(shape, sha, stack, self._placed(stack, code, sha))
        supposed = tuple(
            (one, self._placed(stack, code, CommitSha(one.sha))) for one in self._supposed(cause, code)
        )
        placed = supposed[0][1] if supposed else self._placed(stack, code, None)
        return _Located(shape, None, stack, placed, supposed)

    def _placed(
        self, stack: ParsedStack | None, code: ServiceCode, sha: CommitSha | None
    ) -> stack_lines.Located:
        """The frames with what they map to at ``sha``."""
        mapped: list[tuple[Frame, str | None, str | None]] = []
        if stack is not None:
            mapper = self._mapper(code, sha)
            for frame in _ordered(stack):
                found = mapper.of(frame) if mapper else None
                how = found.how if found else UNMAPPED if is_generated(frame) else None
                mapped.append((frame, found.path if found else None, how))
        return tuple(mapped)

    def _supposed(self, cause: Row, code: ServiceCode) -> list[Plausible]:
        """Revisions that may have run, few that stand for all of them, likeliest first; () where one is known."""
        if code.repository is None or self._stated_revision(cause, code):
            return []
        found = self._plausible_at(cause["service"], cause["environment"], cause["failed_at"])
        positions = {one.sha: self._position_of(code.repository, one.sha) or 0 for one in found}
        chosen = hypotheses(found, positions)
        return sorted(chosen, key=lambda one: (-one.probability, one.sha))

    def _fitted(self, located: _Located) -> _Located:
        """What may have run, weighed by how well the stack fits the source there."""
        repository = self._services.get(located.cause["service"], ServiceCode(None)).repository
        if repository is None or len(located.supposed) < 2 or located.stack is None:
            return located
        text = located.cause["exception_stacktrace"]
        weighed = [
            (
                one,
                placed,
                one.probability * stack_lines.likelihood(placed, text, self._line_at(repository, one.sha)),
            )
            for one, placed in located.supposed
        ]
        total = fsum(mass for _, _, mass in weighed)
        supposed = sorted(
            ((replace(one, probability=round(mass / total, 6)), placed) for one, placed, mass in weighed),
            key=lambda pair: (-pair[0].probability, pair[0].sha),
        )
        return replace(located, supposed=tuple(supposed), frames=supposed[0][1])

    def _line_at(self, repository: RepositoryName, sha: str) -> Callable[[str, int], str | None]:
        def text(path: str, line: int) -> str | None:
            found = self._port.excerpt(repository, CommitSha(sha), path, line, stack_lines.AROUND)
            return dict(found).get(line)

        return text

    def _revision(self, cause: Row, code: ServiceCode) -> CommitSha | None:
        if code.repository is None:
            return None
        stated = self._stated_revision(cause, code)
        if stated:
            return stated
        if self._plausible_at(cause["service"], cause["environment"], cause["failed_at"]):
            return None
        running = self._timeline.at(cause["service"], cause["environment"], cause["failed_at"])
        return CommitSha(running["sha"]) if running and running["sha"] else None

    def _stated_revision(self, cause: Row, code: ServiceCode) -> CommitSha | None:
        for text in (cause["revision"], cause["service_version"]) if code.repository else ():
            sha = self._revision_of(cause["service"], text)
            if sha:
                return CommitSha(sha)
        return None

    def _moments_by_revision(self, shape: Shape) -> Iterator[tuple[str | None, Moments]]:
        """(revision that ran, when the shape failed on it): as its spans state, else by what ran at the time."""
        cause = shape.first
        code = self._services.get(cause["service"], ServiceCode(None))
        stated, moments = self._stated_revision(cause, code), shape.failures.moments
        if stated or code.repository is None:
            yield stated, moments
            return
        for sha, start, end in self._timeline.parts(cause["service"], cause["environment"], moments.at):
            yield sha, moments.part(start, end)

    def _mapper(self, code: ServiceCode, sha: CommitSha | None) -> Mapper | None:
        if code.repository is None or sha is None:
            return None
        key = (code.repository, sha, code.path, code.mappings)
        if key not in self._mappers:
            self._mappers[key] = Mapper(self._port.tree(code.repository, sha), code.path, code.mappings)
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
        self, group_id: str, found: Sequence[fingerprint.FingerprintResult], ordered: Sequence[_Located]
    ) -> FailureGroup:
        first = ordered[0]
        cause = first.cause
        facts = self._facts(first)
        code = self._services.get(cause["service"], ServiceCode(None))
        running = self._timeline.at(cause["service"], cause["environment"], cause["failed_at"])
        is_leaf = _most(ordered, "is_dependency_leaf")
        ranked = categories.rank(
            facts,
            in_app=any(path for _, path, _ in first.frames) if first.frames else None,
            is_dependency_leaf=is_leaf,
            at_startup=_is_startup(cause, running),
        )
        template = fingerprint.template(facts.message) if facts.message else None
        moments: dict[str | None, list[Moments]] = defaultdict(list)
        for member in ordered:
            for sha, part in self._moments_by_revision(member.shape):
                moments[sha].append(part)
        failures = Occurrences({sha: merged(parts) for sha, parts in moments.items()})
        row = {
            "group_id": group_id,
            "fingerprint": found[0].fingerprint,
            "fingerprint_version": fingerprint.VERSION,
            "fingerprint_parts": json.dumps(groupings.together(found), sort_keys=True, ensure_ascii=False),
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
            "last_seen_at": failures.at(-1),
            "failing_trace_count": shapes.trace_count(m.shape for m in ordered),
            "sample_trace_id": cause["trace_id"],
            "sample_span_id": cause["span_id"],
            "repository": code.repository,
            "onset_sha": first.sha,
            "previous_sha": running["previous_sha"] if running else None,
            "is_partial": any(m.cause["is_partial"] for m in ordered),
            "callers": sorted({caller for m in ordered for caller in m.cause["caller_services"] or ()}),
            "detector": None,
        }
        return FailureGroup(
            row=row,
            frames=self._frames(group_id, code.repository, *_located_at(first)[0])
            if _located_at(first)
            else self._frames(group_id, code.repository, None, first.frames),
            failures=failures,
            facts=facts,
            categories=ranked,
            is_dependency_leaf=is_leaf,
            is_garbage_caller=_most(ordered, "upstream_is_garbage_client"),
            callee=cause["callee_service"],
            entry=cause["entry_name"] or cause["name"],
            shape_ids=tuple(sorted(m.cause["shape_id"] for m in ordered)),
            named_traces=frozenset().union(*(m.shape.named for m in ordered)),
            supposed=tuple(
                Supposed(
                    CommitSha(one.sha),
                    one.probability,
                    one.basis,
                    self._frames(group_id, code.repository, CommitSha(one.sha), placed),
                )
                for one, placed in first.supposed
            ),
            stack_text=cause["exception_stacktrace"],
        )

    def _frames(
        self,
        group_id: str,
        repository: RepositoryName | None,
        revision: CommitSha | None,
        placed: stack_lines.Located,
    ) -> list[dict[str, Any]]:
        rows = []
        for position, (frame, path, how) in enumerate(placed):
            blamed = self._blamed.get((repository, revision, path, frame.line))
            sha = blamed if how != TRANSPILED else None
            is_ours = path is not None and kind_of(path) is not PathKind.VENDORED
            rows.append(
                {
                    "group_id": group_id,
                    "position": position,
                    "file": frame.file,
                    "function": frame.function,
                    "line": frame.line,
                    "in_app": True
                    if is_ours
                    else False
                    if path
                    else frame.in_app
                    if frame.in_app is False
                    else None,
                    "path": path,
                    "mapping": how,
                    "blamed_sha": sha,
                    "blamed_change": self._landing(repository, sha) if repository and sha else None,
                }
            )
        return rows


def _located_at(located: _Located) -> list[tuple[CommitSha, stack_lines.Located]]:
    """(revision, frames as they map there) of the known revision, or of each that may have run."""
    if located.sha is not None:
        return [(located.sha, located.frames)]
    return [(CommitSha(one.sha), placed) for one, placed in located.supposed]


@lru_cache(maxsize=STACKS_KEPT)
def _read_stack(text: str, language: str | None) -> ParsedStack | None:
    """What shows a shape does so in every run."""
    return frames.parse(text, language)


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
    mapped = [name for frame, path, _ in located.frames if path and (name := function_names.of(frame))]
    if mapped:
        return mapped
    named = (function_names.of(frame) for frame, _, _ in located.frames if frame.in_app is not False)
    return [name for name in named if name]


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


def _most(members: Iterable[_Located], flag: str) -> bool:
    """True when more than half of the failures have the flag."""
    counts = [(m.shape.failures.total, m.cause[flag]) for m in members]
    return 2 * sum(count for count, is_set in counts if is_set) > sum(count for count, _ in counts)
