"""Who owns each line: the mainline change that last wrote it, and which later change destroyed whose lines.

For every live file a flat list "line -> position of its owner on the mainline"; each hunk replaces a slice, and the
slice it replaces says whose lines died. A line that one change removes in one place and adds in another (equal text
but for its indent) keeps its owner: without that, running a formatter or splitting a module counts as destruction.
Without moves the owners are those of ``git blame --first-parent`` (tests hold both side by side); the one
difference is a change that makes two files of one, where blame lets both claim the old lines.

The lists are the whole state: with them the replay goes on where it stopped. A file that was not followed from its
birth (the history is read from some change on, or it was binary for a while) needs no list to begin with: a hunk
that reaches beyond the lines known so far shows how many of unknown owner lie before it.
"""

import zlib
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from schemas import tables
from schemas.records import PathChange

VERSION = "2"
"""Changes when equal facts would give other owners."""
UNKNOWN = -1
"""Owner of a line whose birth was not seen. Victim ``''`` in the edges."""


@dataclass(frozen=True, slots=True)
class Ownership:
    """What a replay found. ``death_edges`` and ``lines_written`` have the columns of their tables, in key order.

    ``files``: per live path the owner of each line, a position on the mainline or :data:`UNKNOWN`; a list may end
    early where only lines of unknown owner follow. ``touched``: paths that were written, removed or moved.
    """

    death_edges: pa.Table
    lines_written: pa.Table
    files: Mapping[str, list[int]]
    touched: frozenset[str]
    shas: Sequence[str]

    def owners(self, path: str) -> list[str]:
        """The owner of each line of a live file as a full sha; ``''`` where it is unknown."""
        return [self.shas[owner] if owner != UNKNOWN else "" for owner in self.files.get(path, [])]


@dataclass(frozen=True, slots=True)
class Lines:
    """What a repository's lines went through up to a time: DEATH_EDGES and LINES_WRITTEN of it, and ``ignored``, the
    changes that restyle and destroy nothing."""

    death_edges: pa.Table
    lines_written: pa.Table
    ignored: frozenset[str] = frozenset()


def advance(
    repository: str,
    shas: Sequence[str],
    changes: Iterable[tuple[int, Sequence[PathChange]]],
    *,
    files: Mapping[str, list[int]] | None = None,
    moves: bool = True,
    ignored: frozenset[str] = frozenset(),
) -> Ownership:
    """Replay ``changes`` on top of what was replayed before.

    Args:
        shas: The mainline by position, from its beginning, whole.
        changes: (position, the paths that it changes), oldest first; a change without a path may be left out.
        files: ``files`` of the replay of every earlier change, at least of the paths that ``changes`` name; none at
            the beginning of the mainline. They are taken over and changed.
        moves: Let moved lines keep their owner. Off for the comparison with ``git blame``.
        ignored: Changes (full shas) that restyle, as those of ``.git-blame-ignore-revs``: inside a hunk the lines
            that they remove pass to the lines that they add, one by one in order.

    Returns:
        Of the whole mainline: lines written = lines alive with a known owner + lines of edges with a known victim.
        The result does not depend on where the mainline was parted.
    """
    replay = _Replay(shas, dict(files or {}), moves=moves, ignored=ignored)
    for position, paths in changes:
        replay.apply(position, paths)
    return Ownership(
        death_edges=_table(tables.DEATH_EDGES, repository, sorted(replay.deaths)),
        lines_written=_table(tables.LINES_WRITTEN, repository, sorted(replay.written)),
        files=replay.files,
        touched=frozenset(replay.touched),
        shas=shas,
    )


def packed(owners: Sequence[int]) -> bytes:
    """The list of one file as ``line_owners`` keeps it; neighbours mostly share an owner, so it shrinks a lot."""
    return zlib.compress(array("i", owners).tobytes(), 1)


def unpacked(owners: bytes) -> list[int]:
    """What :func:`packed` was given."""
    found = array("i")
    found.frombytes(zlib.decompress(owners))
    return found.tolist()


@dataclass(slots=True)
class _Edit:
    """One path of one change while it is applied. Lists in ``removed`` and ``added`` are parallel to the hunks."""

    change: PathChange
    source: str
    lines: list[int]
    starts: list[int] = field(default_factory=list)
    removed: list[list[int]] = field(default_factory=list)
    added: list[list[int]] = field(default_factory=list)
    moved_count: int = 0


class _Replay:
    """The live files of one repository while its mainline is replayed."""

    def __init__(
        self, shas: Sequence[str], files: dict[str, list[int]], *, moves: bool, ignored: frozenset[str]
    ) -> None:
        self.files = files
        self.touched: set[str] = set()
        self.deaths: list[tuple[str, str, str, int]] = []
        self.written: list[tuple[str, str, int, int]] = []
        self._shas = shas
        self._moves = moves
        self._ignored = ignored

    def apply(self, position: int, paths: Sequence[PathChange]) -> None:
        """Apply one change, younger than every one before."""
        edits = []
        # Every old file is taken before any new one is put, so that two files can swap their names. Added files come
        # last: a path can be renamed away and created anew in one change.
        for change in sorted(paths, key=lambda change: (change.status == "A", change.path)):
            source = (change.old_path or change.path) if change.status == "R" else change.path
            edits.append(_Edit(change, source, self.files.pop(source, [])))
            self.touched |= {source, change.path}
        edits.sort(key=lambda edit: edit.change.path)
        for edit in edits:
            _cut(edit, position)
        if self._moves:
            _move(edits)
        if self._shas[position] in self._ignored:
            for edit in edits:
                _pass_on(edit, position)
        for edit in edits:
            self._settle(edit, position)

    def _settle(self, edit: _Edit, position: int) -> None:
        """Put the new file in place; record who died and what was written."""
        for start, removed, added in zip(
            reversed(edit.starts), reversed(edit.removed), reversed(edit.added), strict=True
        ):
            edit.lines[start : start + len(removed)] = added
        path, sha = edit.change.path, self._shas[position]
        if edit.change.status != "D":
            self.files[path] = edit.lines
        # A line that lives on elsewhere is marked below UNKNOWN.
        dead = Counter(owner for removed in edit.removed for owner in removed if owner >= UNKNOWN)
        for victim, count in dead.items():
            self.deaths.append((sha, self._shas[victim] if victim != UNKNOWN else "", edit.source, count))
        born = sum(added.count(position) for added in edit.added)
        if born or edit.moved_count:
            self.written.append((sha, path, born, edit.moved_count))


def _cut(edit: _Edit, position: int) -> None:
    """Note for each hunk the owners of the lines that it removes, and give its new lines to the change."""
    if edit.change.is_binary:
        # git counts no lines here: those that the file had are gone, those that it may have are unknown.
        if edit.lines:
            edit.starts, edit.removed, edit.added = [0], [list(edit.lines)], [[]]
        return
    for hunk in edit.change.hunks:
        # git numbers an insertion by the line before it.
        start = hunk.old_start - 1 if hunk.old_count else hunk.old_start
        end = start + hunk.old_count
        if end > len(edit.lines):
            edit.lines.extend([UNKNOWN] * (end - len(edit.lines)))
        edit.starts.append(start)
        edit.removed.append(edit.lines[start:end])
        edit.added.append([position] * hunk.new_count)


def _pass_on(edit: _Edit, position: int) -> None:
    """Give what is left of the added lines of each hunk the owners of what is left of its removed ones, in order;
    blanks and braces, of which a formatter makes and takes as it likes, come after lines that say something."""
    for hunk, removed, added in zip(edit.change.hunks, edit.removed, edit.added, strict=False):
        free = [(hunk.added_digests[at] == 0, at) for at, owner in enumerate(added) if owner == position]
        left = [(hunk.removed_digests[at] == 0, at) for at, owner in enumerate(removed) if owner >= UNKNOWN]
        for (_, new), (_, old) in zip(sorted(free), sorted(left), strict=False):
            _keep_owner(edit, added, new, (removed, old))


def _move(edits: list[_Edit]) -> None:
    """Give added lines the owner of an equal removed line: of the same file first, then of any file of the change."""
    edits = [edit for edit in edits if not edit.change.is_binary]
    common = {d for edit in edits for hunk in edit.change.hunks for d in hunk.removed_digests}
    if common:
        common.intersection_update(
            d for edit in edits for hunk in edit.change.hunks for d in hunk.added_digests
        )
        common.discard(0)
    if not common:
        return
    everywhere: dict[int, list[tuple[list[int], int]]] = {}
    waiting: list[tuple[_Edit, list[int], int, int]] = []
    for edit in edits:
        here: dict[int, list[tuple[list[int], int]]] = {}
        for hunk, removed in zip(edit.change.hunks, edit.removed, strict=True):
            for index, digest in enumerate(hunk.removed_digests):
                if digest in common:
                    here.setdefault(digest, []).append((removed, index))
        for places in here.values():
            places.reverse()
        for hunk, added in zip(edit.change.hunks, edit.added, strict=True):
            for index, digest in enumerate(hunk.added_digests):
                if digest not in common:
                    continue
                if here.get(digest):
                    _keep_owner(edit, added, index, here[digest].pop())
                else:
                    waiting.append((edit, added, index, digest))
        for digest, places in here.items():
            everywhere.setdefault(digest, [])[:0] = places
    for edit, added, index, digest in waiting:
        if everywhere.get(digest):
            _keep_owner(edit, added, index, everywhere[digest].pop())


def _keep_owner(edit: _Edit, added: list[int], index: int, place: tuple[list[int], int]) -> None:
    removed, at = place
    added[index] = removed[at]
    # A mark of its own for each owner, below UNKNOWN: the line did not die.
    removed[at] = -3 - removed[at]
    edit.moved_count += 1


def _table(table: tables.Table, repository: str, rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    columns = [
        [repository] * len(rows),
        *(zip(*rows, strict=True) if rows else [()] * (len(table.columns) - 1)),
    ]
    return pa.table(
        [pa.array(values, c.type.arrow) for values, c in zip(columns, table.columns, strict=True)],
        names=list(table.column_names),
    )
