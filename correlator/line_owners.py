"""Owners of lines, death edges and lines written of each repository, kept up to date: a push costs what it brings.

The replay itself is pure (``correlator/ownership.py``); here its state lies in the store between two runs. It is made
anew when the mainline was rewritten, when the repository names other revisions to look through, and when the rules
change. Touches the store, as ``run.py`` does.
"""

import hashlib
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from itertools import chain
from typing import Any

import pyarrow as pa

from correlator import changes, ownership
from correlator.ownership import Lines, Ownership
from schemas import tables
from schemas.records import Hunk, PathChange
from schemas.store import Store, arrow, sql

KEPT = (tables.DEATH_EDGES, tables.LINES_WRITTEN)
"""Inference tables that :func:`follow` writes."""
WORKING = (tables.LINE_OWNERS, tables.LINE_READS)
"""Its state, which nobody else reads."""
END = datetime(9999, 1, 1, tzinfo=UTC)

_EDIT_COLUMNS = ("position", "path", "old_path", "status", "is_binary")
_HUNK_COLUMNS = ("old_start", "old_count", "new_start", "new_count", "removed_digests", "added_digests")


def follow(store: Store, repository: str) -> int:
    """Replay what landed since the last call, and return how many changes that were."""
    with store.transaction():
        shas = _mainline(store, repository)
        ignored = _ignored(store, repository, END)
        rules = _rules(ignored)
        read = store.row("SELECT * FROM line_reads WHERE repository = $repository", repository=repository)
        done = read["change_count"] if read else 0
        if read is None or read["rules"] != rules or shas[done - 1 : done] != [read["last_sha"]][:done]:
            forget(store, repository)
            done = 0
        if done == len(shas) and read is not None:
            return 0
        asked: dict[str, Any] = {"repository": repository, "after": done - 1}
        files = {
            row["path"]: ownership.unpacked(row["owners"])
            for row in store.rows(sql("correlator", "line_owners"), **asked)
        }
        # Closed before the transaction ends: it could not even roll back over an open result.
        with closing(_diffs(store, until=END, **asked)) as diffs:
            found = ownership.advance(repository, shas, diffs, files=files, ignored=ignored)
        _keep(store, repository, found)
        row = {
            "repository": repository,
            "change_count": len(shas),
            "last_sha": shas[-1] if shas else "",
            "rules": rules,
        }
        store.append_rows(tables.LINE_READS, [row], replace=True)
    return len(shas) - done


def read(store: Store, repository: str, *, until: datetime) -> Lines:
    """What :func:`follow` keeps, of what landed by ``until``; as the repository wanted its lines followed by then."""
    ignored = _ignored(store, repository, until)
    asked = {"repository": repository, "until": until}
    if ignored == _ignored(store, repository, END):
        return Lines(
            store.arrow(sql("correlator", "death_edges"), **asked),
            store.arrow(sql("correlator", "lines_written"), **asked),
            ignored,
        )
    found = replay(store, repository, until=until, ignored=ignored)
    return Lines(found.death_edges, found.lines_written, ignored)


def replay(
    store: Store,
    repository: str,
    *,
    until: datetime = END,
    moves: bool = True,
    ignored: frozenset[str] = frozenset(),
) -> Ownership:
    """The whole mainline from its beginning, in memory; what is kept is neither read nor changed."""
    shas = _mainline(store, repository)
    with closing(_diffs(store, repository=repository, after=-1, until=until)) as diffs:
        return ownership.advance(repository, shas, diffs, moves=moves, ignored=ignored)


def forget(store: Store, repository: str) -> None:
    """Delete what is kept of ``repository``."""
    for table in (*KEPT, *WORKING):
        store.execute(
            f"DELETE FROM {table.name} WHERE repository = $repository",  # noqa: S608 - a name of ours
            repository=repository,
        )


def forget_others(store: Store, repositories: Sequence[str]) -> None:
    """Delete what is kept of a repository that is none of these."""
    for row in store.rows("SELECT repository FROM line_reads ORDER BY repository"):
        if row["repository"] not in repositories:
            with store.transaction():
                forget(store, row["repository"])


def _mainline(store: Store, repository: str) -> list[str]:
    query = "SELECT sha FROM mainline WHERE repository = $repository ORDER BY position"
    shas: list[str] = store.arrow(query, repository=repository)["sha"].to_pylist()
    return shas


def _ignored(store: Store, repository: str, until: datetime) -> frozenset[str]:
    """Changes that restyle: named themselves, or brought in by a merge whose commits are all named."""
    named = {
        row["revision"]
        for row in store.rows(sql("correlator", "ignored_revisions"), repository=repository, until=until)
    }
    shas = _mainline(store, repository) if named else []
    if named <= set(shas):
        return frozenset(named)
    query = "SELECT sha, parents FROM commits WHERE repository = $repository"
    parents = {row["sha"]: row["parents"] for row in store.rows(query, repository=repository)}
    members: dict[str, set[str]] = {}
    for sha, landed in changes.landings(parents, shas).items():
        if len(parents.get(sha, ())) <= 1:
            members.setdefault(landed, set()).add(sha)
    return frozenset(change for change, brought in members.items() if brought <= named) | named


def _diffs(
    store: Store, *, repository: str, after: int, until: datetime
) -> Generator[tuple[int, Sequence[PathChange]], None, None]:
    """(position, its paths with their hunks) of each change, oldest first, a batch of rows in memory at a time."""
    position = -1
    paths: list[PathChange] = []
    query = sql("correlator", "mainline_diffs")
    with closing(store.batches(query, repository=repository, after=after, until=until)) as batches:
        for row in chain.from_iterable(map(_rows, batches)):
            if row[0] != position:
                if paths:
                    yield position, paths
                position, paths = row[0], []
            if not paths or paths[-1].path != row[1]:
                paths.append(PathChange(row[1], row[2], row[3], is_binary=row[4]))
            if row[5] is not None:
                paths[-1].hunks.append(Hunk(*row[5:]))
    if paths:
        yield position, paths


def _rows(batch: pa.RecordBatch) -> Iterable[tuple[Any, ...]]:
    return zip(*(batch[name].to_pylist() for name in (*_EDIT_COLUMNS, *_HUNK_COLUMNS)), strict=True)


def _keep(store: Store, repository: str, found: Ownership) -> None:
    store.append(tables.DEATH_EDGES, found.death_edges)
    store.append(tables.LINES_WRITTEN, found.lines_written)
    gone = sorted(found.touched - found.files.keys())
    if gone:
        store.execute(sql("correlator", "forget_lines"), repository=repository, paths=gone)
    store.append(
        tables.LINE_OWNERS,
        arrow(
            tables.LINE_OWNERS,
            (
                {"repository": repository, "path": path, "owners": ownership.packed(found.files[path])}
                for path in sorted(found.touched & found.files.keys())
            ),
        ),
        replace=True,
    )


def _rules(ignored: frozenset[str]) -> str:
    told = "\n".join([ownership.VERSION, *sorted(ignored)])
    return hashlib.sha256(told.encode()).hexdigest()[:16]
