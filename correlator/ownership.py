"""Who owns each line: the mainline change that last wrote it, and which later change destroyed whose lines.

For every live file a flat list "line -> position of its owner on the mainline"; each hunk replaces a slice, and the
slice it replaces says whose lines died. A line that one change removes in one place and adds in another (equal text
but for its indent) keeps its owner: without that, running a formatter or splitting a module counts as destruction.
Without moves the owners are those of ``git blame --first-parent`` (tests hold both side by side); the one
difference is a change that makes two files of one, where blame lets both claim the old lines.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas import tables

UNKNOWN = -1
"""Owner of a line whose birth was not seen: a file that was binary for a while. Victim ``''`` in the edges."""


@dataclass(frozen=True, slots=True)
class Ownership:
    """``death_edges`` and ``lines_written`` with the columns of their tables, in key order; ``alive`` per repository
    and path the owner of each line (position on the mainline, or :data:`UNKNOWN`)."""

    death_edges: pa.Table
    lines_written: pa.Table
    alive: Mapping[str, Mapping[str, list[int]]]
    shas: Mapping[str, list[str]]

    def owners(self, repository: str, path: str) -> list[str]:
        """The owner of each line of a live file as a full sha; ``''`` where it is unknown."""
        shas = self.shas[repository]
        return [shas[owner] if owner != UNKNOWN else "" for owner in self.alive[repository].get(path, [])]


def advance(
    mainline: pa.Table,
    change_paths: pa.Table,
    hunks: pa.Table,
    *,
    moves: bool = True,
    ignored: frozenset[str] = frozenset(),
) -> Ownership:
    """Replay every mainline from its beginning.

    Args:
        mainline: Columns repository, position, sha; whole mainlines, rows in any order.
        change_paths: Columns of CHANGE_PATHS, rows in any order.
        hunks: Columns repository, sha, path, position, old_start, old_count, new_count, removed_digests,
            added_digests of HUNKS, rows in any order. Changes that are not on a mainline are passed over.
        moves: Let moved lines keep their owner. Off for the comparison with ``git blame``.
        ignored: Changes (full shas) that destroy nothing where a hunk has as many new lines as old ones, as those of
            ``.git-blame-ignore-revs``: the lines pass to their successors one by one.

    Returns:
        Edges and written lines of all repositories. For each repository: lines written = lines alive with a known
        owner + lines of edges with a known victim.
    """
    deaths: list[tuple[str, str, str, str, int]] = []
    written: list[tuple[str, str, str, int, int]] = []
    alive: dict[str, dict[str, list[int]]] = {}
    shas: dict[str, list[str]] = {}
    for repository in sorted(pc.unique(mainline["repository"]).to_pylist()):
        lines = _Lines(_of(mainline, repository), moves=moves, ignored=ignored)
        lines.replay(_of(change_paths, repository), _of(hunks, repository))
        deaths += [(repository, *edge) for edge in lines.deaths]
        written += [(repository, *row) for row in lines.written]
        alive[repository] = lines.alive
        shas[repository] = lines.shas
    return Ownership(
        death_edges=_table(tables.DEATH_EDGES, sorted(deaths)),
        lines_written=_table(tables.LINES_WRITTEN, sorted(written)),
        alive=alive,
        shas=shas,
    )


@dataclass(slots=True)
class _Edit:
    """One path of one change while it is applied."""

    source: str
    path: str
    is_deleted: bool
    is_binary: bool
    lines: list[int]
    rows: range
    starts: list[int] = field(default_factory=list)
    removed: list[list[int]] = field(default_factory=list)
    added: list[list[int]] = field(default_factory=list)
    moved_count: int = 0


class _Lines:
    """The live files of one repository while its mainline is replayed."""

    def __init__(self, mainline: pa.Table, *, moves: bool, ignored: frozenset[str]) -> None:
        self.shas: list[str] = mainline.sort_by("position")["sha"].to_pylist()
        self.alive: dict[str, list[int]] = {}
        self.deaths: list[tuple[str, str, str, int]] = []
        self.written: list[tuple[str, str, int, int]] = []
        self._moves = moves
        self._ignored = ignored

    def replay(self, change_paths: pa.Table, hunks: pa.Table) -> None:
        """Apply every change, oldest first."""
        paths = _Column.of(change_paths, self.shas)
        columns = {
            name: change_paths[name].to_pylist() for name in ("path", "old_path", "status", "is_binary")
        }
        found = _Hunks(hunks, self.shas)
        for position, sha in enumerate(self.shas):
            rows = paths.rows(position)
            if len(rows):
                changed = sorted(
                    tuple(columns[name][row] for name in ("path", "old_path", "status", "is_binary"))
                    for row in rows
                )
                self._apply(position, sha, changed, found)

    def _apply(self, position: int, sha: str, changed: list[tuple[Any, ...]], found: "_Hunks") -> None:
        hunk_rows = found.by_path(position)
        edits = []
        # Every old file is taken before any new one is put, so that two files can swap their names. Added files come
        # last: a path can be renamed away and created anew in one change.
        for path, old_path, status, is_binary in sorted(changed, key=lambda row: row[2] == "A"):
            source = old_path if status == "R" else path
            edits.append(
                _Edit(
                    source=source,
                    path=path,
                    is_deleted=status == "D",
                    is_binary=is_binary,
                    lines=self.alive.pop(source, []),
                    rows=hunk_rows.get(path, range(0)),
                )
            )
        edits.sort(key=lambda edit: edit.path)
        for edit in edits:
            _cut(edit, found, position)
        if sha in self._ignored:
            for edit in edits:
                _pass_on(edit)
        if self._moves:
            _move(edits, found, position)
        for edit in edits:
            self._settle(edit, position, sha)

    def _settle(self, edit: _Edit, position: int, sha: str) -> None:
        """Put the new file in place; record who died and what was written."""
        for start, removed, added in zip(
            reversed(edit.starts), reversed(edit.removed), reversed(edit.added), strict=True
        ):
            edit.lines[start : start + len(removed)] = added
        if not edit.is_deleted:
            self.alive[edit.path] = edit.lines
        # A moved line is marked by its own complement, which is below UNKNOWN.
        dead = Counter(owner for removed in edit.removed for owner in removed if owner >= UNKNOWN)
        for victim, count in dead.items():
            name = self.shas[victim] if victim != UNKNOWN else ""
            self.deaths.append((sha, name, edit.source, count))
        born = sum(added.count(position) for added in edit.added)
        if born or edit.moved_count:
            self.written.append((sha, edit.path, born, edit.moved_count))


def _cut(edit: _Edit, found: "_Hunks", position: int) -> None:
    """Note for each hunk the owners of the lines that it removes, and give its new lines to the change."""
    if edit.is_binary:
        # git counts no lines here: those that the file had are gone, those that it may have are unknown.
        if edit.lines:
            edit.starts, edit.removed, edit.added = [0], [list(edit.lines)], [[]]
        return
    for row in edit.rows:
        old_count = found.old_count[row]
        # git numbers an insertion by the line before it.
        start = found.old_start[row] - 1 if old_count else found.old_start[row]
        end = start + old_count
        if end > len(edit.lines):
            edit.lines.extend([UNKNOWN] * (end - len(edit.lines)))
        edit.starts.append(start)
        edit.removed.append(edit.lines[start:end])
        edit.added.append([position] * found.new_count[row])


def _pass_on(edit: _Edit) -> None:
    for index, removed in enumerate(edit.removed):
        if len(removed) == len(edit.added[index]):
            edit.added[index] = list(removed)
            edit.moved_count += len(removed)
            edit.removed[index] = [_gone(owner) for owner in removed]


def _move(edits: list[_Edit], found: "_Hunks", position: int) -> None:
    """Give added lines the owner of an equal removed line: of the same file first, then of any file of the change."""
    removed_digests = {
        d for edit in edits if not edit.is_binary for row in edit.rows for d in found.removed(row)
    }
    if not removed_digests:
        return
    common = removed_digests.intersection(
        d for edit in edits if not edit.is_binary for row in edit.rows for d in found.added(row)
    )
    common.discard(0)
    if not common:
        return
    everywhere: dict[int, list[tuple[list[int], int]]] = {}
    waiting: list[tuple[_Edit, int, int, int]] = []
    for edit in edits:
        if edit.is_binary:
            continue
        here: dict[int, list[tuple[list[int], int]]] = {}
        for removed, row in zip(edit.removed, edit.rows, strict=True):
            for index, digest in enumerate(found.removed(row)):
                if digest in common and removed[index] >= UNKNOWN:
                    here.setdefault(digest, []).append((removed, index))
        for places in here.values():
            places.reverse()
        for hunk, row in enumerate(edit.rows):
            for index, digest in enumerate(found.added(row)):
                if digest not in common or edit.added[hunk][index] != position:
                    continue
                if here.get(digest):
                    _keep_owner(edit, hunk, index, here[digest].pop())
                else:
                    waiting.append((edit, hunk, index, digest))
        for digest, places in here.items():
            everywhere.setdefault(digest, [])[:0] = places
    for edit, hunk, index, digest in waiting:
        if everywhere.get(digest):
            _keep_owner(edit, hunk, index, everywhere[digest].pop())


def _keep_owner(edit: _Edit, hunk: int, index: int, place: tuple[list[int], int]) -> None:
    removed, at = place
    owner = removed[at]
    removed[at] = _gone(owner)
    edit.added[hunk][index] = owner
    edit.moved_count += 1


def _gone(owner: int) -> int:
    """Mark of an owner whose line lives on elsewhere: below UNKNOWN, and the mark of each owner is its own."""
    return -3 - owner


class _Column:
    """Rows of a table grouped by the mainline position of their change; positions that do not occur have none."""

    def __init__(self, order: Any, starts: Any) -> None:
        self._order = order
        self._starts = starts

    @classmethod
    def of(cls, table: pa.Table, shas: list[str]) -> "_Column":
        index = _positions(table, shas)
        order = np.argsort(index, kind="stable")
        starts = np.searchsorted(index[order], np.arange(len(shas) + 1))
        return cls(order.tolist(), starts.tolist())

    def rows(self, position: int) -> list[int]:
        found: list[int] = self._order[self._starts[position] : self._starts[position + 1]]
        return found


class _Hunks:
    """The hunks of one repository in the order (change, path, position), digests as flat arrays."""

    def __init__(self, hunks: pa.Table, shas: list[str]) -> None:
        index = _positions(hunks, shas)
        paths = hunks["path"].combine_chunks().dictionary_encode()
        names = paths.dictionary.to_pylist()
        rank = np.empty(len(names), dtype=np.int64)
        rank[sorted(range(len(names)), key=names.__getitem__)] = np.arange(len(names))
        codes = paths.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        order = np.lexsort((hunks["position"].to_numpy(), rank[codes] if len(codes) else codes, index))
        ordered = hunks.take(pa.array(order))
        self._starts = np.searchsorted(index[order], np.arange(len(shas) + 1)).tolist()
        self._paths: list[str] = ordered["path"].to_pylist()
        self.old_start: list[int] = ordered["old_start"].to_pylist()
        self.old_count: list[int] = ordered["old_count"].to_pylist()
        self.new_count: list[int] = ordered["new_count"].to_pylist()
        self._removed = _flat(ordered["removed_digests"])
        self._added = _flat(ordered["added_digests"])

    def by_path(self, position: int) -> dict[str, range]:
        """Path -> its hunk rows in one change."""
        found: dict[str, range] = {}
        row, end = self._starts[position], self._starts[position + 1]
        while row < end:
            path, first = self._paths[row], row
            while row < end and self._paths[row] == path:
                row += 1
            found[path] = range(first, row)
        return found

    def removed(self, row: int) -> list[int]:
        return _slice(self._removed, row)

    def added(self, row: int) -> list[int]:
        return _slice(self._added, row)


def _flat(column: pa.ChunkedArray) -> tuple[Any, list[int]]:
    """Values and offsets of a list column."""
    lists = column.combine_chunks()
    if isinstance(lists, pa.ChunkedArray):
        lists = pa.concat_arrays(lists.chunks) if lists.num_chunks else pa.array([], column.type)
    return lists.values.to_numpy(zero_copy_only=False), lists.offsets.to_pylist()


def _slice(flat: tuple[Any, list[int]], row: int) -> list[int]:
    values, offsets = flat
    found: list[int] = values[offsets[row] : offsets[row + 1]].tolist()
    return found


def _positions(table: pa.Table, shas: list[str]) -> Any:
    """Mainline position of each row's change; beyond the last one for a change that is not on the mainline."""
    index = pc.index_in(table["sha"], value_set=pa.array(shas, pa.string()))
    return pc.fill_null(index, len(shas)).to_numpy().astype(np.int64)


def _of(table: pa.Table, repository: str) -> pa.Table:
    return table.filter(pc.equal(table["repository"], repository))


def _table(table: tables.Table, rows: Iterable[tuple[Any, ...]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(table.columns)
    return pa.table(
        [pa.array(values, c.type.arrow) for values, c in zip(columns, table.columns, strict=True)],
        names=list(table.column_names),
    )
