"""Id types and the frozen records that cross a room one at a time. Bulk data crosses as Arrow tables instead."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NewType, Protocol

from schemas.vocabulary import Candidate, Confidence, EvidenceKind, FailureCategory, Origin, Role

RepositoryName = NewType("RepositoryName", str)
"""``owner/name`` as the operator added it, e.g. ``acme/shop``."""
CommitSha = NewType("CommitSha", str)
"""Full lower-case hex object id: 40 digits, or 64 in a SHA-256 repository."""
TraceId = NewType("TraceId", str)
"""32 lower-case hex digits."""
SpanId = NewType("SpanId", str)
"""16 lower-case hex digits."""
Fingerprint = NewType("Fingerprint", str)
"""16 lower-case hex digits; equal for failures that are the same failure."""
GroupId = NewType("GroupId", str)
"""A failure group: fingerprint x service x environment, 16 lower-case hex digits."""
IncidentId = NewType("IncidentId", str)
"""``source:external_id``, e.g. ``generic:INC-7``."""


@dataclass(frozen=True, slots=True)
class Commit:
    """One git commit with what provenance reads.

    ``note`` is the git-ai note up to its size cap, or None. ``traced``: lines that imported records attest, their tools
    as sent.
    """

    repository: RepositoryName
    sha: CommitSha
    parents: tuple[CommitSha, ...]
    author_name: str
    author_email: str
    committer_name: str
    committer_email: str
    authored_at: datetime
    committed_at: datetime
    message: str
    note: str | None = None
    traced: tuple["AttestedLines", ...] = ()


@dataclass(frozen=True, slots=True)
class ProvenanceEvidence:
    """One reason to believe who wrote a commit. ``matched_text`` is at most 160 characters."""

    channel: str
    kind: str
    tool: str | None
    model: str | None
    role: Role
    confidence: Confidence
    matched_text: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class ProvenanceVerdict:
    """Who wrote a commit, derived from its evidence. ``ai_lines`` are line ranges that a note or record attests."""

    origin: Origin
    role: Role
    tools: tuple[str, ...]
    models: tuple[str, ...]
    confidence: Confidence | None
    basis: str
    conflict: bool
    catalogue_version: str
    evidence: tuple[ProvenanceEvidence, ...] = ()
    ai_lines: tuple["AttestedLines", ...] = ()


@dataclass(frozen=True, slots=True)
class AttestedLines:
    """Lines ``start``..``end`` (1-based, inclusive, numbered after the commit) of ``path``, typed by ``origin``."""

    path: str
    start: int
    end: int
    origin: Origin
    tool: str | None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """One call on a stack. ``in_app`` is None where the text alone cannot tell. Lines and columns are 1-based."""

    file: str | None
    function: str | None
    line: int | None
    column: int | None = None
    module: str | None = None
    in_app: bool | None = None


@dataclass(frozen=True, slots=True)
class ExceptionLink:
    """One exception of a cause chain; ``frames`` innermost first; ``relation`` is to the outer one."""

    type: str
    message: str
    frames: tuple[Frame, ...]
    relation: str | None = None


@dataclass(frozen=True, slots=True)
class ParsedStack:
    """A stack trace text, understood. ``chain``: outermost (last thrown) first, root cause last; never empty.

    ``beside``: what failed beside the chain, without its own causes: exceptions that were suppressed while one was
    handled, and the members of a group but the first, which the chain follows.
    """

    language: str
    chain: tuple[ExceptionLink, ...]
    is_truncated: bool = False
    beside: tuple[ExceptionLink, ...] = ()

    @property
    def outermost(self) -> ExceptionLink:
        return self.chain[0]

    @property
    def root_cause(self) -> ExceptionLink:
        return self.chain[-1]


@dataclass(frozen=True, slots=True)
class BlamedLine:
    """Who last wrote one line at a revision. ``line`` is the line asked for, ``original_line`` where it was born."""

    line: int
    sha: CommitSha
    original_path: str
    original_line: int


@dataclass(frozen=True, slots=True)
class Branch:
    """Where a commit beside the mainline left it. ``base``: newest mainline commit that it holds. ``equivalents``: mainline
    commits outside of what ``base`` holds that are the same work as commits of the branch: they were picked."""

    base: CommitSha
    equivalents: tuple[CommitSha, ...] = ()


@dataclass(slots=True)
class Hunk:
    """One replaced stretch of lines, numbered as in a diff without context: ``old_start`` of an insertion is the line
    before it. Digests are of stripped lines, 64 bits, 0 for a line too short to be told from any other."""

    old_start: int
    old_count: int
    new_start: int
    new_count: int
    removed_digests: list[int]
    added_digests: list[int]
    heading: str | None = None
    tokens: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class DiffHunk:
    """One replaced stretch of lines of a mainline change with its text, as :meth:`RepositoryPort.diffs` gives it.

    ``heading``: git's function context. Lines are without the mark in front; one of the two is empty in an insertion and a
    removal, both where only the path or its mode changed, or nobody can read the content.
    """

    path: str
    old_path: str | None
    status: str
    old_start: int
    new_start: int
    heading: str | None
    removed: tuple[str, ...]
    added: tuple[str, ...]


@dataclass(slots=True)
class PathChange:
    """One path of one mainline change. ``status`` is A, M, D or R; ``old_path`` is there for R only.

    ``is_binary``: git counts no lines for it. ``is_generated``: its new text says that a tool wrote it.
    """

    path: str
    old_path: str | None
    status: str
    is_binary: bool = False
    is_generated: bool = False
    hunks: list[Hunk] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SuspectEvidence:
    """One reason to suspect a change, with its log-likelihood ratio and the facts that a person can check."""

    kind: EvidenceKind
    log_lr: float
    detail: str
    facts: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Suspect:
    """One share of a failure group's mass. ``sha`` is the change's mainline commit, None unless a change."""

    candidate: Candidate
    sha: CommitSha | None
    weight: float
    evidence: tuple[SuspectEvidence, ...] = ()
    setting: str | None = None
    """``key = value`` of a flag or of configuration; None for the others."""


@dataclass(frozen=True, slots=True)
class RankedCategory:
    """One failure category with its score in (0, 1] and the rule that gave it."""

    category: FailureCategory
    score: float
    reason: str


@dataclass(frozen=True, slots=True)
class FailureFacts:
    """What a failure says of itself, the input of fingerprint and category. Keys as in the semantic conventions."""

    exception_type: str | None = None
    message: str | None = None
    attributes: dict[str, object] = field(default_factory=dict)
    language: str | None = None
    kind: str = "span"


Progress = Callable[[str, int, int], None]
"""Told (what is being done, how far, of how much); the last is 0 where it is not known."""


class RepositoryPort(Protocol):
    """Read-only questions to git that the correlator may ask. The answers are stored as facts, so a rebuild replays them."""

    def resolve(
        self, repository: RepositoryName, revision: str, service_names: tuple[str, ...] = ()
    ) -> CommitSha | None:
        """Full sha of a sha, short sha, tag, ``1.2.3+gabc1234`` or ``date-sha`` version; None when it names nothing.

        ``service_names``: by which the tags of a monorepo may call the service that the revision was sent of; where tags
        do, ``1.2.0`` is its ``cart/v1.2.0`` and never another service's ``v1.2.0``.
        """

    def tree(self, repository: RepositoryName, sha: CommitSha) -> tuple[str, ...]:
        """All file paths at ``sha``, sorted; empty when the revision is missing."""

    def blame(
        self, repository: RepositoryName, sha: CommitSha, path: str, lines: tuple[int, ...]
    ) -> dict[int, BlamedLine]:
        """Who last wrote each of ``lines`` (1-based) of ``path`` at ``sha``; lines git cannot answer are left out."""

    def blames(
        self, repository: RepositoryName, asked: Mapping[tuple[CommitSha, str], Iterable[int]]
    ) -> dict[tuple[CommitSha, str], dict[int, BlamedLine]]:
        """The same for each (sha, path)."""

    def excerpt(
        self, repository: RepositoryName, sha: CommitSha, path: str, line: int, around: int = 3
    ) -> tuple[tuple[int, str], ...]:
        """``(line number, text)`` for ``line`` and ``around`` lines on each side; empty when there is no such line."""

    def excerpts(
        self, repository: RepositoryName, asked: Iterable[tuple[CommitSha, str, int, int]]
    ) -> Mapping[tuple[CommitSha, str, int, int], tuple[tuple[int, str], ...]]:
        """The same for each (sha, path, line, around)."""

    def branch(self, repository: RepositoryName, sha: CommitSha) -> Branch | None:
        """Where ``sha`` left the mainline as it is now; None when it stands on it, or git cannot tell."""

    def search(
        self, repository: RepositoryName, sha: CommitSha, text: str, limit: int = 20
    ) -> tuple[tuple[str, int], ...]:
        """``(path, line)`` of literal occurrences of ``text`` at ``sha``, ordered by path and line, at most ``limit``."""

    def diffs(
        self, repository: RepositoryName, shas: Iterable[CommitSha]
    ) -> dict[CommitSha, tuple[DiffHunk, ...]]:
        """The diff of each mainline change against its first parent, in the order of its paths, bounded; a change that
        the mirror does not hold, or cannot read, is left out."""
