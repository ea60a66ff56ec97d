"""Where code was mended and who wrote what stood there: facts about lines that pass from git to the pure rules."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas.records import CommitSha, PathChange


@dataclass(frozen=True, slots=True)
class Stretch:
    """Lines ``first`` .. ``last`` of ``path``, 1-based, both within.

    ``last`` is ``first - 1`` where lines are missing instead: between ``last`` and ``first``.
    """

    path: str
    first: int
    last: int

    @property
    def is_insertion(self) -> bool:
        return self.last < self.first


@dataclass(frozen=True, slots=True)
class Owner:
    """Who wrote a line: ``line`` of ``path`` in the commit ``sha``.

    ``mover`` is the newest commit that only moved or re-indented the line since; None when none did.
    """

    sha: CommitSha
    path: str
    line: int
    mover: CommitSha | None = None


@dataclass(frozen=True, slots=True)
class OwnedFile:
    """One file at a revision: ``texts[n - 1]`` is line n, ``owners[n]`` who wrote it, where that was asked."""

    path: str
    texts: tuple[str, ...]
    owners: Mapping[int, Owner] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Diff:
    """What one commit changed against its first parent. ``at``: committed, in seconds since the Unix epoch."""

    sha: CommitSha
    at: int
    parents: tuple[CommitSha, ...]
    paths: tuple[PathChange, ...] = ()

    @property
    def line_count(self) -> int:
        return sum(hunk.old_count + hunk.new_count for path in self.paths for hunk in path.hunks)


@dataclass(frozen=True, slots=True)
class Place:
    """What is known of the place of one fault.

    ``at``: when the fault was known, in seconds since the Unix epoch. ``files``: by path, of the stretches that could be
    read. ``diffs``: of the commits that may have brought the fault. ``window``: the changes one of which did, newest
    first; None when it may be any ancestor. ``landings``: commit -> the change of the window that brought it.
    ``blamed``: path -> line -> what plain ``git blame`` says, for comparison.
    """

    id: str
    repository: str
    at: int
    stretches: tuple[Stretch, ...]
    files: Mapping[str, OwnedFile]
    diffs: Mapping[CommitSha, Diff]
    window: tuple[CommitSha, ...] | None = None
    landings: Mapping[CommitSha, CommitSha] = field(default_factory=dict)
    blamed: Mapping[str, Mapping[int, CommitSha]] = field(default_factory=dict)
