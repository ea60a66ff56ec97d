"""How many lines the commits beside the mainline add: what a merge brought in is weighed by them.

One ``git log --numstat`` over the commits that no row is stored of yet. Merges have no lines of their own. The diffs of
the mainline, with their lines, are in ``collector/hunks.py``.
"""

from collections.abc import Iterator
from typing import IO

from collector import history
from collector.git import Git, unquoted
from collector.hunks import RENAME_LIMIT
from schemas import store as stores
from schemas import tables
from schemas.errors import SourceUnavailable
from schemas.records import RepositoryName
from schemas.store import Row, Store, sql

ROWS_PER_BATCH = 20_000
_COMMIT = b"\x02"
"""Starts the token of a commit; that of a path starts with a count."""
_LOG = (
    *(
        "log",
        "-z",
        "--no-walk=unsorted",
        "--numstat",
        "-M",
        f"-l{RENAME_LIMIT}",
        "--diff-merges=off",
        "--root",
    ),
    *("--diff-algorithm=myers", "--no-color", "--no-ext-diff", "--no-textconv", "--no-relative"),
    *("--no-show-signature", "--no-notes", "--format=tformat:%x02%H", "--stdin"),
)


def append(git: Git, store: Store, repository: RepositoryName, *, timeout_s: float) -> int:
    """Store the paths of the non-merge commits that neither the mainline nor this table holds; returns how many commits.

    All or nothing. A commit that changes nothing gets one row with an empty path, so that it is not asked again.

    Raises:
        SourceUnavailable: git failed, e.g. on a missing object; nothing was stored.
    """
    wanted = [row["sha"] for row in store.rows(sql("collector", "unmeasured_commits"), repository=repository)]
    if not wanted:
        return 0
    listing = "".join(f"{sha}\n" for sha in wanted).encode()
    with git.stream(*_LOG, timeout_s=timeout_s, stdin=listing) as output, store.transaction():
        for batch in history.batches(_rows(output, repository), ROWS_PER_BATCH):
            store.append(tables.SIDE_COMMIT_PATHS, stores.arrow(tables.SIDE_COMMIT_PATHS, batch))
    return len(wanted)


def _rows(output: IO[bytes], repository: RepositoryName) -> Iterator[Row]:
    sha, count = "", 0
    fields = history.fields(output)
    for field in fields:
        if field.startswith(_COMMIT):
            if sha and not count:
                yield _row(repository, sha, "", 0, 0)
            sha, count = field[1:].decode("ascii", "replace"), 0
            continue
        added, deleted, path = _split(field.lstrip(b"\n"))
        if not path:  # a rename: the old and the new path follow
            next(fields, b"")
            path = next(fields, b"")
        count += 1
        yield _row(repository, sha, unquoted(path), added, deleted)
    if sha and not count:
        yield _row(repository, sha, "", 0, 0)


def _split(field: bytes) -> tuple[int, int, bytes]:
    parts = field.split(b"\t", 2)
    if len(parts) != 3:
        raise SourceUnavailable("git log said something else than counts and a path", reason="failed")
    added, deleted = (int(part) if part.isdigit() else 0 for part in parts[:2])
    return added, deleted, parts[2]


def _row(repository: RepositoryName, sha: str, path: str, added: int, deleted: int) -> Row:
    return {
        "repository": repository,
        "sha": sha,
        "path": path,
        "lines_added": added,
        "lines_deleted": deleted,
    }
