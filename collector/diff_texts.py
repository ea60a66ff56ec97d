"""The diffs of single mainline changes with their text, bounded: what the correlator reads of a candidate.

The table of hunks keeps words and digests of every change; text is asked for of the few that may be behind a failure.
Knows git's stream by ``collector/hunks.py``; knows nothing of languages.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from collector import hunks
from collector.git import Git
from schemas.errors import SourceUnavailable
from schemas.records import CommitSha, DiffHunk, Hunk, PathChange

HUNKS_PER_CHANGE_MAX = 400
CHANGES_AT_ONCE = 100
LINES_PER_SIDE_MAX = 200
LINE_CHARACTERS_MAX = 240
CHARACTERS_PER_PATH_MAX = 24_000
CHARACTERS_PER_CHANGE_MAX = 160_000
"""What lies beyond these bounds is left out: a change of this size is suspected for its paths and words."""


@dataclass(slots=True)
class _TextHunk(Hunk):
    """A hunk that keeps its lines instead of their digests."""

    removed: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)


def read(git: Git, shas: Sequence[CommitSha], *, timeout_s: float) -> dict[CommitSha, list[DiffHunk]]:
    """The diff of each of ``shas`` against its first parent; one git process answers a hundred.

    A commit that the mirror lacks is left out; one whose diff git cannot print (a partial clone lacks a blob) has none.
    """
    found: dict[CommitSha, list[DiffHunk]] = {}
    for start in range(0, len(shas), CHANGES_AT_ONCE):
        asked = shas[start : start + CHANGES_AT_ONCE]
        try:
            found |= _read(git, asked, timeout_s=timeout_s)
        except SourceUnavailable:
            for sha in asked:
                if git.commit(sha) != sha:
                    continue
                try:
                    found |= _read(git, [sha], timeout_s=timeout_s)
                except SourceUnavailable:
                    found[sha] = []
    return found


def _read(git: Git, shas: Sequence[CommitSha], *, timeout_s: float) -> dict[CommitSha, list[DiffHunk]]:
    stdin = "".join(f"{sha}\n" for sha in shas).encode("ascii")
    with git.stream(
        *("log", "--no-walk=unsorted", "--stdin", *hunks.DIFF_OPTIONS, "--"), timeout_s=timeout_s, stdin=stdin
    ) as output:
        return {sha: _kept(changed) for sha, changed in hunks.parsed(output, _hunk)}


def _hunk(line: bytes, output: IO[bytes], change: PathChange, left: int) -> Hunk:  # noqa: ARG001 - a HunkReader
    found = hunks.lines_of(line, output)
    return _TextHunk(
        found.old_start,
        found.old_count,
        found.new_start,
        found.new_count,
        [],
        [],
        found.heading,
        removed=_texts(found.removed),
        added=_texts(found.added),
    )


def _texts(lines: Sequence[bytes]) -> list[str]:
    return [
        line[1:].rstrip(b"\r\n").decode("utf-8", "replace")[:LINE_CHARACTERS_MAX]
        for line in lines[:LINES_PER_SIDE_MAX]
    ]


def _kept(changed: Sequence[PathChange]) -> list[DiffHunk]:
    """Hunks of a change within the bounds; a path without any stands once, empty."""
    found: list[DiffHunk] = []
    left = CHARACTERS_PER_CHANGE_MAX
    for path in changed:
        of_path = min(left, CHARACTERS_PER_PATH_MAX)
        kept: list[DiffHunk] = []
        for hunk in path.hunks:
            if not isinstance(hunk, _TextHunk):
                break  # a file became a link, or a link a file: the two diffs were joined
            size = sum(map(len, hunk.removed)) + sum(map(len, hunk.added))
            if size > of_path:
                break
            of_path -= size
            left -= size
            kept.append(
                DiffHunk(
                    path.path,
                    path.old_path,
                    path.status,
                    hunk.old_start,
                    hunk.new_start,
                    hunk.heading,
                    tuple(hunk.removed),
                    tuple(hunk.added),
                )
            )
        found += kept or [DiffHunk(path.path, path.old_path, path.status, 0, 0, None, (), ())]
        if len(found) >= HUNKS_PER_CHANGE_MAX:
            break
    return found[:HUNKS_PER_CHANGE_MAX]


def told(found: Sequence[DiffHunk]) -> list[list[Any]]:
    """An answer as JSON holds it."""
    return [
        [h.path, h.old_path, h.status, h.old_start, h.new_start, h.heading, list(h.removed), list(h.added)]
        for h in found
    ]


def understood(answer: Sequence[Sequence[Any]]) -> tuple[DiffHunk, ...]:
    """What :func:`told` told."""
    return tuple(
        DiffHunk(path, old_path, status, old, new, heading, tuple(removed), tuple(added))
        for path, old_path, status, old, new, heading, removed, added in answer
    )
