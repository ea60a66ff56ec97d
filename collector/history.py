"""Commits, notes and the mainline of one mirror, as rows of the fact tables.

One ``git log -z`` gives the metadata of every new commit, one ``git cat-file --batch`` the new notes. The diffs of
the mainline are in ``collector/hunks.py``. Nothing here decides what a commit means.
"""

import json
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO

import pyarrow as pa

from collector.git import HEX, Git
from schemas import store as stores
from schemas import tables
from schemas.errors import SourceUnavailable
from schemas.records import CommitSha, RepositoryName
from schemas.store import Row, Store

COMMIT_ROWS_PER_BATCH = 20_000
MESSAGE_BYTES_MAX = 1024 * 1024
"""What lies beyond is not read: no rule of ours looks so far."""
FIELD_BYTES_MAX = 16 * 1024 * 1024
"""The parents of an octopus of 250,000; git knows no bound."""
NOTE_BYTES_READ_MAX = 16 * 1024 * 1024
"""Old notes embed whole conversations; beyond this only the beginning is read, which holds the line ranges."""

_FIELDS = ("%H", "%P", "%an", "%ae", "%cn", "%ce", "%at", "%ct", "%B")
_LOG = (
    *("log", "-z", "--no-color", "--no-show-signature"),
    f"--format=tformat:{'%x00'.join(_FIELDS)}",
)
_UNIX_S_MAX = 253_402_300_799  # 9999-12-31T23:59:59Z, the last second of a datetime


@dataclass(frozen=True, slots=True)
class MainlineChange:
    """One commit of the first-parent history. ``landed_unix_s`` never runs backwards along it; ``parent`` is the first
    one, '' for a root."""

    position: int
    sha: CommitSha
    parent: str
    landed_unix_s: int


def append_commits(git: Git, store: Store, repository: RepositoryName, *, timeout_s: float) -> int:
    """Store the commits reachable from a head or a tag that the store lacks; returns how many were new.

    All or nothing, so that a known commit implies known ancestors and the next call can stop there.
    """
    tips = _tips(git, timeout_s=timeout_s)
    before = _count(store, repository)
    known = {row["sha"] for row in _known_among(store, repository, tips)}
    fresh = [tip for tip in tips if tip not in known]
    if not fresh:
        return 0
    revisions = "".join(f"{tip}\n" for tip in fresh) + "".join(f"^{tip}\n" for tip in sorted(known))
    with (
        git.stream(*_LOG, "--stdin", timeout_s=timeout_s, stdin=revisions.encode()) as output,
        store.transaction(),
    ):
        for batch in batches(_commits(output, repository), COMMIT_ROWS_PER_BATCH):
            store.append(tables.COMMITS, stores.arrow(tables.COMMITS, batch))
    return _count(store, repository) - before


def read_commits(
    git: Git, repository: RepositoryName, revisions: Sequence[str], *, is_walk: bool, timeout_s: float
) -> Iterator[Row]:
    """Rows of ``commits``, straight from git: of ``revisions`` themselves, or (``is_walk``) of all they reach.

    Args:
        revisions: Full hex ids; ``^`` before one leaves out what it reaches.
    """
    walk = () if is_walk else ("--no-walk=unsorted",)
    listing = "".join(f"{revision}\n" for revision in revisions).encode()
    with git.stream(*_LOG, *walk, "--stdin", timeout_s=timeout_s, stdin=listing) as output:
        yield from _commits(output, repository)


def read_notes(
    git: Git, current: str, shas: Collection[str], *, note_bytes_max: int, timeout_s: float
) -> dict[str, str]:
    """Annotated commit -> note, of ``shas`` at the state ``current`` of ``refs/notes/ai``, cut as in the store."""
    blobs = [
        (sha, blob) for sha, blob in _changed_notes(git, None, current, timeout_s=timeout_s) if sha in shas
    ]
    listing = "".join(f"{blob}\n" for _, blob in blobs).encode()
    if not blobs:
        return {}
    with git.stream("cat-file", "--batch", timeout_s=timeout_s, stdin=listing) as output:
        texts = list(_blobs(output, len(blobs)))
    return {
        sha: without_transcripts(text, note_bytes_max) for (sha, _), text in zip(blobs, texts, strict=True)
    }


def append_notes(
    git: Git,
    store: Store,
    repository: RepositoryName,
    *,
    previous: str | None,
    current: str | None,
    note_bytes_max: int,
    timeout_s: float,
) -> int:
    """Store the notes that are new or changed between two states of ``refs/notes/ai``; returns how many.

    Transcripts inside a note are left out (:func:`without_transcripts`), what remains is cut at ``note_bytes_max``.
    """
    if current is None or current == previous:
        return 0
    blobs = _changed_notes(git, previous, current, timeout_s=timeout_s)
    if not blobs:
        return 0
    listing = "".join(f"{blob}\n" for _, blob in blobs).encode()
    with git.stream("cat-file", "--batch", timeout_s=timeout_s, stdin=listing) as output:
        rows = [
            {"repository": repository, "sha": sha, "text": without_transcripts(text, note_bytes_max)}
            for (sha, _), text in zip(blobs, _blobs(output, len(blobs)), strict=True)
        ]
    store.append_rows(tables.COMMIT_NOTES, rows, replace=True)
    return len(rows)


def mainline(
    git: Git,
    store: Store,
    repository: RepositoryName,
    head: CommitSha,
    *,
    since_unix_s: int = 0,
    timeout_s: float,
) -> tuple[list[MainlineChange], int]:
    """The mainline changes up to ``head`` that the store lacks, oldest first, and how many stored ones still hold.

    The mainline begins with the first change that landed at ``since_unix_s`` or later.

    Stored changes beyond the longest common beginning are gone from the mainline (force push, or a merge that put
    another parent first). The diff of a commit follows from its id, so the common beginning is never read again.
    """
    stored = store.arrow(
        "SELECT sha, landed_at FROM mainline WHERE repository = $repository ORDER BY position",
        repository=repository,
    )
    shas = stored["sha"].to_pylist()
    chain = _chain(git, head, after=shas[-1] if shas else None, timeout_s=timeout_s)
    if shas and chain and chain[0].parent == shas[-1]:
        # Pushed on top, as nearly always: nothing older needs to be listed.
        kept = len(shas)
        landed = int(stored["landed_at"][-1].as_py().replace(tzinfo=UTC).timestamp())
    else:
        kept, landed = 0, -1
        chain = _chain(git, head, after=None, timeout_s=timeout_s)
        while chain and max(landed, chain[0].committed_unix_s) < since_unix_s:
            landed = max(landed, chain.popleft().committed_unix_s)
        while kept < len(shas) and chain and shas[kept] == chain[0].sha:
            landed = max(landed, chain.popleft().committed_unix_s)
            kept += 1
    changes = []
    for position, link in enumerate(chain, start=kept):
        landed = max(landed, link.committed_unix_s)
        changes.append(MainlineChange(position, link.sha, link.parent, landed))
    return changes, kept


@dataclass(frozen=True, slots=True)
class _Link:
    """One commit of the first-parent history; ``parent`` is its first one, '' for a root."""

    sha: CommitSha
    parent: str
    committed_unix_s: int


def _chain(git: Git, head: CommitSha, *, after: str | None, timeout_s: float) -> deque[_Link]:
    """The first-parent history of ``head``, oldest first; without what ``after`` reaches."""
    since = () if after is None or git.commit(after) is None else (f"^{after}",)
    arguments = ("log", "--first-parent", "--reverse", "--format=%H %ct %P", head, *since, "--")
    answer = git.run(*arguments, timeout_s=timeout_s).decode("ascii", "replace")
    words = (line.split(" ", 3) for line in answer.splitlines())
    return deque(_Link(CommitSha(sha), parent, _unix_s(time)) for sha, time, parent, *_ in words)


def without_transcripts(text: str, bytes_max: int) -> str:
    """A git-ai note without the conversations that older versions embed, at most ``bytes_max`` bytes.

    The note is line ranges, a line ``---``, and one JSON object; ``messages`` of its prompts are what people typed to
    a tool, and no rule reads them. A note of any other form passes through, cut.
    """
    ranges, rule, metadata = text.partition("\n---\n")
    if not rule and text.startswith("---\n"):
        ranges, rule, metadata = "", "---\n", text.removeprefix("---\n")
    if rule:
        try:
            stated = json.loads(metadata)
        except (ValueError, RecursionError):
            stated = None
        if isinstance(stated, dict):
            removed = False
            for section in ("prompts", "sessions"):
                for entry in _mappings(stated.get(section)):
                    removed = entry.pop("messages", None) is not None or removed
            if removed:
                text = ranges + rule + json.dumps(stated, ensure_ascii=False, sort_keys=True)
    encoded = text.encode()
    return text if len(encoded) <= bytes_max else encoded[:bytes_max].decode("utf-8", "ignore")


def landed_at(unix_s: int) -> datetime:
    return datetime.fromtimestamp(unix_s, UTC)


def _mappings(section: object) -> list[dict[str, object]]:
    return (
        [entry for entry in section.values() if isinstance(entry, dict)] if isinstance(section, dict) else []
    )


def _tips(git: Git, *, timeout_s: float) -> list[str]:
    """Commits that a head or a tag names, sorted; tags of trees and blobs left out."""
    answer = git.run(
        "for-each-ref",
        "--format=%(objecttype) %(objectname) %(*objecttype) %(*objectname)",
        "refs/heads",
        "refs/tags",
        timeout_s=timeout_s,
    )
    tips = set()
    for line in answer.decode("ascii", "replace").splitlines():
        kinds = line.split(" ")
        tips |= {kinds[n + 1] for n in (0, 2) if kinds[n : n + 1] == ["commit"]}
    return sorted(tips)


def _known_among(store: Store, repository: RepositoryName, tips: Sequence[str]) -> list[Row]:
    return store.rows(
        "SELECT sha FROM commits WHERE repository = $repository AND sha IN (SELECT unnest($tips))",
        repository=repository,
        tips=list(tips),
    )


def _count(store: Store, repository: RepositoryName) -> int:
    return int(
        store.value("SELECT count(*) AS n FROM commits WHERE repository = $repository", repository=repository)
    )


def _commits(output: IO[bytes], repository: RepositoryName) -> Iterator[Row]:
    told = fields(output)
    for sha in told:
        parents = next(told)
        names = [next(told).decode("utf-8", "replace") for _ in range(4)]
        authored, committed = (_unix_s(next(told).decode("ascii", "replace")) for _ in range(2))
        yield {
            "repository": repository,
            "sha": sha.decode("ascii"),
            "parents": parents.decode("ascii").split(),
            "author_name": names[0],
            "author_email": names[1],
            "committer_name": names[2],
            "committer_email": names[3],
            "authored_at": landed_at(authored),
            "committed_at": landed_at(committed),
            "message": next(told)[:MESSAGE_BYTES_MAX].decode("utf-8", "replace"),
        }


def fields(output: IO[bytes]) -> Iterator[bytes]:
    """NUL-terminated fields, each up to :data:`FIELD_BYTES_MAX` bytes. git prints a message only up to its first NUL,
    so no field can be forged."""
    parts: list[bytes] = []
    size = 0
    while chunk := output.read(1 << 20):
        first, *rest = chunk.split(b"\0")
        if size < FIELD_BYTES_MAX:
            parts.append(first)
            size += len(first)
        for following in rest:
            yield b"".join(parts)[:FIELD_BYTES_MAX]
            parts, size = [following], len(following)
    if b"".join(parts).strip():
        raise SourceUnavailable("git log ended in the middle of a commit", reason="failed")


def _unix_s(text: str) -> int:
    """Seconds since 1970; damaged dates become 0 or the last second that a datetime holds."""
    try:
        return min(max(int(text), 0), _UNIX_S_MAX)
    except ValueError:
        return 0


def batches(rows: Iterator[Row], size: int) -> Iterator[list[Row]]:
    """Lists of ``size`` rows, the last one shorter."""
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _changed_notes(
    git: Git, previous: str | None, current: str, *, timeout_s: float
) -> list[tuple[CommitSha, str]]:
    """(annotated commit, note blob) of each note that is new or changed, by commit.

    A notes tree fans out as it grows (``ab/cdef...``), so the same note can move between two paths; read again, it
    gives the same row.
    """
    if previous is not None and git.commit(previous) is not None:
        answer = git.run(
            "diff-tree", "-r", "-z", "--no-renames", previous, current, "--", timeout_s=timeout_s
        )
        fields = answer.split(b"\0")
        pairs = [(fields[n + 1], fields[n].split()[3]) for n in range(0, len(fields) - 1, 2)]
    else:
        answer = git.run("ls-tree", "-r", "-z", current, timeout_s=timeout_s)
        entries = [entry.partition(b"\t") for entry in answer.split(b"\0") if entry]
        pairs = [(path, head.split()[2]) for head, _, path in entries]
    found = {}
    for path, blob in pairs:
        sha = path.replace(b"/", b"").decode("ascii", "replace")
        if HEX.fullmatch(sha) and blob.strip(b"0"):
            found[CommitSha(sha)] = blob.decode("ascii")
    return sorted(found.items())


def _blobs(output: IO[bytes], count: int) -> Iterator[str]:
    """Contents in the order asked, each up to :data:`NOTE_BYTES_READ_MAX` bytes; '' for an object that is missing."""
    for _ in range(count):
        header = output.readline().split()
        if len(header) != 3:
            yield ""
            continue
        size = int(header[2])
        content = output.read(min(size, NOTE_BYTES_READ_MAX))
        left = size - len(content) + 1
        while left > 0:
            left -= len(output.read(min(left, 1 << 20))) or left
        yield content.decode("utf-8", "replace")


def mainline_rows(repository: RepositoryName, changes: Sequence[MainlineChange]) -> pa.Table:
    """``changes`` as rows of the ``mainline`` table."""
    return stores.arrow(
        tables.MAINLINE,
        (
            {
                "repository": repository,
                "position": change.position,
                "sha": change.sha,
                "landed_at": landed_at(change.landed_unix_s),
            }
            for change in changes
        ),
    )
