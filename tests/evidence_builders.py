"""What the evidence of one failure is made of, valid by default: frames, hunks, candidates, circumstances, and a
repository that answers from dictionaries. A test states only what matters to it."""

# ruff: noqa: ARG002 - the methods of a port take what the port says.

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np
from failure_builders import REPOSITORY, T0, change, group, hours, sha

from correlator import change_diffs, evidence, weights
from correlator.candidates import Listed
from correlator.evidence_in_time import Circumstances
from correlator.failing_code import FailingCode
from correlator.failure_groups import FailureGroup
from correlator.occurrences import micros
from correlator.shapes import Failures, Shape
from correlator.tokens import Vocabulary
from correlator.traffic import Traffic
from schemas.records import (
    BlamedLine,
    Branch,
    CommitSha,
    DiffHunk,
    FailureFacts,
    RepositoryName,
    Suspect,
    SuspectEvidence,
)
from schemas.vocabulary import Candidate, EvidenceKind

Row = dict[str, Any]

RULED = weights.load()
PATH = "shop/orders.py"
DEPLOYED_AT = hours(9)


def frame(
    path: str | None = PATH, line: int | None = 40, *, blamed: int | None = None, **overrides: Any
) -> Row:
    """One frame of ``price``, mapped; ``blamed`` is the position of the change that last wrote its line."""
    return {
        "group_id": "g1",
        "position": 0,
        "file": f"/app/{path}",
        "function": "price",
        "line": line,
        "in_app": True,
        "path": path,
        "mapping": "suffix",
        "blamed_sha": None if blamed is None else sha(blamed),
        "blamed_change": None if blamed is None else sha(blamed),
        **overrides,
    }


def hunk(path: str = PATH, *, start: int = 400, tokens: Sequence[str] = (), **overrides: Any) -> Row:
    """One line changed at ``start``; by default far from every failing line, in a function without a name."""
    return {
        "path": path,
        "position": 0,
        "old_start": start,
        "old_count": 1,
        "new_start": start,
        "new_count": 1,
        "heading": None,
        "tokens": list(tokens),
        **overrides,
    }


def failing(
    *frames: Row,
    failed_at: Sequence[datetime] = (hours(10),),
    message: str | None = None,
    exception_type: str | None = None,
    is_dependency_leaf: bool = False,
    is_garbage_caller: bool = False,
    revision: str | None = sha(3),
    **overrides: Any,
) -> FailureGroup:
    """A failure of checkout that was first seen ten hours after T0, on the revision of change 3."""
    made = group(failed_at=failed_at, revision=revision, **overrides)
    return replace(
        made,
        frames=list(frames),
        facts=FailureFacts(exception_type, message, made.facts.attributes),
        is_dependency_leaf=is_dependency_leaf,
        is_garbage_caller=is_garbage_caller,
    )


def listed(
    n: int = 3,
    *,
    share: float = 1.0,
    steps_back: int = 0,
    is_callee: bool = False,
    is_sender: bool = False,
    service: str = "checkout",
    deployed_at: datetime | None = DEPLOYED_AT,
    **overrides: Any,
) -> Listed:
    """Change ``n`` as a candidate, deployed nine hours after T0 in the onset's own range."""
    return Listed(change(n, **overrides), share, steps_back, service, is_callee, deployed_at, is_sender)


def interval(n: int, at: float, previous: int | None, service: str = "checkout", **overrides: Any) -> Row:
    """One row of ``running_revisions``: change ``n`` ran from ``at`` hours after T0, after ``previous``."""
    return {
        "service": service,
        "environment": "production",
        "started_at": hours(at),
        "ended_at": None,
        "sha": sha(n),
        "previous_sha": None if previous is None else sha(previous),
        "is_rollback": previous is not None and n < previous,
        **overrides,
    }


def requests(*counted: tuple[int, int, int]) -> Traffic:
    """(hour after T0, change whose revision ran, how many requests it answered in that hour)."""
    return Traffic((sha(n), np.array([micros(hours(at))]), np.array([count])) for at, n, count in counted)


def around(**overrides: Any) -> Circumstances:
    """Nothing but the deployment of change 3 after change 1, half an hour before the failure; sampling is known."""
    stated = Circumstances(
        traffic=Traffic(),
        onset_interval=interval(3, 9.5, 1),
        ended_by=None,
        callee_deployed_at=None,
        as_of=hours(100),
        is_sampling_known=True,
    )
    return replace(stated, **overrides)


def weighed(
    failure: FailureGroup,
    candidates: Sequence[Listed],
    circumstances: Circumstances | None = None,
    *,
    touched: Mapping[int, Sequence[str]] | None = None,
    hunks: Mapping[int, Sequence[Row]] | None = None,
    code: FailingCode | None = None,
    diffs: Mapping[int, Sequence[DiffHunk]] | None = None,
) -> list[Suspect]:
    """``evidence.weigh`` with paths, hunks and diffs by the position of their change."""
    hunks_of = {sha(n): rows for n, rows in (hunks or {}).items()}
    found, _ = evidence.weigh(
        failure,
        candidates,
        circumstances or around(),
        paths_of={(REPOSITORY, sha(n)): paths for n, paths in (touched or {}).items()},
        hunks=hunks_of,
        vocabulary=Vocabulary(hunks_of),
        code=code or FailingCode(),
        diffs={sha(n): change_diffs.read(tuple(rows)) for n, rows in (diffs or {}).items()},
        weights=RULED,
    )
    return found


def mass(found: Sequence[Suspect], on: int | Candidate) -> float:
    """The weight of the change at a position, of ``no_change`` or of ``unattributed``; 0 when it was folded."""
    wanted = sha(on) if isinstance(on, int) else on
    return next((s.weight for s in found if (s.sha or s.candidate) == wanted), 0.0)


def by_kind(found: Sequence[SuspectEvidence]) -> dict[EvidenceKind, float]:
    """The strongest log-likelihood ratio of each kind."""
    strongest: dict[EvidenceKind, float] = {}
    for piece in found:
        strongest[piece.kind] = max(strongest.get(piece.kind, piece.log_lr), piece.log_lr)
    return strongest


@dataclass
class Repository:
    """A :class:`schemas.records.RepositoryPort` over dictionaries, that remembers what it was asked to blame.

    ``trees``: sha -> paths. ``lines``: (sha, path) -> line -> sha of the commit that last wrote it. ``texts``:
    path -> its text at every revision.
    """

    trees: Mapping[str, Sequence[str]] = field(default_factory=dict)
    lines: Mapping[tuple[str, str], Mapping[int, str]] = field(default_factory=dict)
    asked: list[tuple[str, str, tuple[int, ...]]] = field(default_factory=list)
    texts: Mapping[str, str] = field(default_factory=dict)

    def resolve(
        self, repository: RepositoryName, revision: str, service_names: tuple[str, ...] = ()
    ) -> CommitSha | None:
        found = [known for known in self.trees if known.startswith(revision)]
        return CommitSha(found[0]) if len(found) == 1 else None

    def tree(self, repository: RepositoryName, sha: CommitSha) -> tuple[str, ...]:
        return tuple(sorted(self.trees.get(sha, ())))

    def blame(
        self,
        repository: RepositoryName,
        sha: CommitSha,
        path: str,
        lines: tuple[int, ...],
    ) -> dict[int, BlamedLine]:
        self.asked.append((sha, path, lines))
        known = self.lines.get((sha, path), {})
        return {line: BlamedLine(line, CommitSha(known[line]), path, line) for line in lines if line in known}

    def blames(
        self, repository: RepositoryName, asked: Mapping[tuple[CommitSha, str], Iterable[int]]
    ) -> dict[tuple[CommitSha, str], dict[int, BlamedLine]]:
        return {place: self.blame(repository, *place, tuple(sorted(lines))) for place, lines in asked.items()}

    def excerpt(
        self,
        repository: RepositoryName,
        sha: CommitSha,
        path: str,
        line: int,
        around: int = 3,
    ) -> tuple[tuple[int, str], ...]:
        lines = list(enumerate(self.texts.get(path, "").splitlines(), 1))
        return tuple(lines[max(line - around - 1, 0) : line + around]) if line <= len(lines) else ()

    def excerpts(
        self, repository: RepositoryName, asked: Iterable[tuple[CommitSha, str, int, int]]
    ) -> dict[tuple[CommitSha, str, int, int], tuple[tuple[int, str], ...]]:
        return {question: self.excerpt(repository, *question) for question in asked}

    def branch(self, repository: RepositoryName, sha: CommitSha) -> Branch | None:
        return None

    def search(
        self,
        repository: RepositoryName,
        sha: CommitSha,
        text: str,
        limit: int = 20,
    ) -> tuple[tuple[str, int], ...]:
        return ()

    def diffs(
        self, repository: RepositoryName, shas: Iterable[CommitSha]
    ) -> dict[CommitSha, tuple[DiffHunk, ...]]:
        return {}


def cause(trace: int = 1, *, at: datetime = T0, **overrides: Any) -> Row:
    """One row of ``failure_shapes``: a SERVER span of checkout that failed without an exception."""
    columns = (
        "repository_url http_request_method http_route http_response_status_code url_path server_address "
        "db_system_name db_collection_name db_operation_name db_response_status_code rpc_system rpc_service "
        "rpc_method rpc_grpc_status_code messaging_destination_name error_type status_message exception_type "
        "exception_message exception_stacktrace callee_service service_version"
    )
    return {
        **dict.fromkeys(columns.split()),
        "shape_id": trace,
        "trace_id": f"{trace:032x}",
        "span_id": f"{trace:016x}",
        "service": "checkout",
        "environment": "production",
        "revision": sha(3),
        "sdk_language": "python",
        "failed_at": at,
        "kind": 2,
        "name": "POST /orders",
        "entry_name": "POST /orders",
        "is_partial": False,
        "is_dependency_leaf": False,
        "caller_services": [],
        "upstream_is_garbage_client": False,
        **overrides,
    }


def shape(first: Row) -> Shape:
    """A shape of one failure."""
    at, one = np.array([micros(first["failed_at"])], np.int64), np.ones(1, np.int64)
    return Shape(first, Failures(at, at, one, np.array([int(first["trace_id"], 16)], np.uint64), one))
