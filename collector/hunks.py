"""The diffs of the mainline, read from one ``git log -p -U0`` stream into rows of CHANGE_PATHS and HUNKS.

The stream is parsed by counts: each ``@@`` says how many lines follow, so content and messages that look like diff
headers cannot be mistaken for them (messages are not even in the stream). Names come from the ``--raw`` list in
front of each diff, whose order the diffs repeat. Lines are kept as hashes and words, never as text.
"""

import re
from collections.abc import Callable, Generator, Iterator, Sequence
from hashlib import blake2b
from itertools import islice
from typing import IO, Any, NamedTuple

import pyarrow as pa

from collector import generated_files
from collector.git import Git, unquoted
from schemas import tables
from schemas.errors import SourceUnavailable
from schemas.records import CommitSha, Hunk, PathChange, RepositoryName

TOKENS_PER_HUNK_MAX = 64
LITERALS_PER_HUNK_MAX = 32
TOKEN_LINES_PER_HUNK_MAX = 400
TOKEN_BYTES_PER_HUNK_MAX = 32_768
RENAME_LIMIT = 1_000
NAMES_MAX = 1_000_000
DIGESTS_PER_CHANGE_MAX = 5_000_000
"""Lines of one change beyond it cannot be told from one another: they never count as moved."""

DIFF_OPTIONS = (
    "--first-parent",
    "--diff-merges=first-parent",
    "--root",
    "--raw",
    "-p",
    "-U0",
    "-M",
    f"-l{RENAME_LIMIT}",
    "--diff-algorithm=myers",
    "--indent-heuristic",
    "--inter-hunk-context=0",
    "--src-prefix=a/",
    "--dst-prefix=b/",
    "--submodule=short",
    "--no-abbrev",
    "--no-color",
    "--no-ext-diff",
    "--no-textconv",
    "--no-relative",
    "--no-show-signature",
    "--no-notes",
    "--format=commit %H",
)

_HUNK = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@ ?(.*)")
# Three word characters; bytes beyond ASCII count as such, so that a comment in Chinese is a line like any other.
_WORDS = re.compile(rb"[0-9A-Za-z_\x80-\xff](?:[^0-9A-Za-z_\x80-\xff]*[0-9A-Za-z_\x80-\xff]){2}").search
_number = int.from_bytes
_TOKEN = re.compile(
    r"""
      "[^"\\\n]{3,80}"              # "a literal"
    | '[^'\\\n]{3,80}'              # 'a literal'
    | [A-Za-z_][A-Za-z0-9_]{2,63}   # an identifier of three characters or more
    """,
    re.VERBOSE,
)
# Words that most changes of some language hold; they tell nothing about which failure a change can cause.
_KEYWORDS = frozenset(
    re.findall(
        r"\w+",
        """and any assert async await bool break case catch char class const continue def default del elif else end enum
    except export extends False finally float for from func function global goto here if impl implements import int
    interface lambda let match mut namespace new nil None nonlocal not null number object override package pass
    private protected pub public raise return self Self static string struct super switch template this throw throws
    trait True true false try type typeof undefined union unsigned use using var void where while with yield""",
    )
)
_QUOTES = "\"'"


class HunkLines(NamedTuple):
    """One hunk as git prints it; the lines carry their mark."""

    old_start: int
    old_count: int
    new_start: int
    new_count: int
    heading: str | None
    removed: list[bytes]
    added: list[bytes]


HunkReader = Callable[[bytes, IO[bytes], PathChange, int], Hunk]
"""(the ``@@`` line, what follows, the path that it changes, lines of the change that may still be digested)."""
_GITLINK = b"160000"
_ABSENT = b"000000"


def read(
    git: Git, revisions: Sequence[str], *, timeout_s: float
) -> Generator[tuple[CommitSha, list[PathChange]], None, None]:
    """Each mainline commit of ``revisions`` with its paths, oldest first.

    Args:
        revisions: ``(head,)`` or ``(head, "^" + last)``, full hex ids.

    Raises:
        SourceUnavailable: git failed (a mirror may lack an object) or the stream is not what git prints.
    """
    held: tuple[CommitSha, list[PathChange]] | None = None
    broken: SourceUnavailable | None = None
    with git.stream("log", "--reverse", *DIFF_OPTIONS, *revisions, "--", timeout_s=timeout_s) as output:
        try:
            for change in parsed(output, _hunk):
                if held is not None:
                    yield held
                held = change
        except SourceUnavailable as error:
            # A stream that breaks off is git's fault before it is the parser's: its own words go first.
            broken = error
    if broken is not None:
        raise broken
    # The last one is whole only when git ended well.
    if held is not None:
        yield held


def names(git: Git, sha: CommitSha, *, timeout_s: float) -> list[PathChange]:
    """The paths of one mainline commit whose diff cannot be read, as if their contents were binary.

    Needs trees only: what is missing from a mirror is mostly a blob.
    """
    with git.stream(
        *("log", "-1", "--first-parent", "--diff-merges=first-parent", "--root", "--raw", "--no-renames"),
        *("--no-abbrev", "--no-color", "--no-relative", "--no-show-signature", "--no-notes", "--format="),
        *(sha, "--"),
        timeout_s=timeout_s,
    ) as output:
        found = []
        for line in output:
            if line.startswith(b":"):
                found.append(_raw(line)[0])
                if len(found) > NAMES_MAX:
                    raise SourceUnavailable(
                        f"change {sha} touches more than {NAMES_MAX} paths", reason="too_large"
                    )
    for change in found:
        change.is_binary = True
    return found


def parsed(output: IO[bytes], hunk_of: HunkReader) -> Iterator[tuple[CommitSha, list[PathChange]]]:
    """Each commit of a stream that git printed with :data:`DIFF_OPTIONS`; ``hunk_of`` reads one hunk.

    Raises:
        SourceUnavailable: the stream is not what git prints.
    """
    readline = output.readline
    sha: CommitSha | None = None
    paths: list[PathChange] = []
    retyped: list[PathChange] = []
    expected: Iterator[PathChange] | None = None
    current: PathChange | None = None
    left = DIGESTS_PER_CHANGE_MAX
    while line := readline():
        first = line[:1]
        if first == b"@" and current is not None:
            hunk = hunk_of(line, output, current, left)
            left -= hunk.old_count + hunk.new_count
            current.hunks.append(hunk)
        elif first == b":":
            change, is_retyped = _raw(line)
            paths.append(change)
            if is_retyped:
                retyped.append(change)
        elif line.startswith(b"commit "):
            if sha is not None:
                yield sha, _settled(paths, retyped)
            sha, paths, retyped = CommitSha(line[7:].strip().decode("ascii")), [], []
            expected, current, left = None, None, DIGESTS_PER_CHANGE_MAX
        elif line.startswith(b"diff --git "):
            if expected is None:
                expected = _expected(paths, retyped)
            current = next(expected, None)
            if current is None:
                raise _unexpected(sha, line)
        elif line.startswith(b"Binary files ") and current is not None:
            current.is_binary = True
    if sha is not None:
        yield sha, _settled(paths, retyped)


def _expected(paths: list[PathChange], retyped: list[PathChange]) -> Iterator[PathChange]:
    """The path of each diff to come. A change of type (file to symbolic link or submodule) is printed as two."""
    twice = {id(change) for change in retyped}
    for change in paths:
        yield change
        if id(change) in twice:
            yield change


def _raw(line: bytes) -> tuple[PathChange, bool]:
    """``:100644 100644 OLD NEW R087<TAB>old<TAB>new``, and whether the path changed its type."""
    head, *names = line.rstrip(b"\n").split(b"\t")
    old_mode, new_mode, _, _, status = head[1:].split(b" ")
    letter = status[:1].decode("ascii")
    change = PathChange(
        path=unquoted(names[-1]),
        old_path=unquoted(names[0]) if letter == "R" else None,
        status="M" if letter == "T" else letter,
        # A submodule has a commit, not lines.
        is_binary=_GITLINK in (old_mode, new_mode) and {old_mode, new_mode} <= {_GITLINK, _ABSENT},
    )
    return change, letter == "T"


def lines_of(line: bytes, output: IO[bytes]) -> HunkLines:
    """What follows the ``@@`` of ``line``, read from ``output``: each line with its mark.

    Raises:
        SourceUnavailable: as many lines do not follow.
    """
    match = _HUNK.match(line)
    if match is None:
        raise _unexpected(None, line)
    old_start, old_count, new_start, new_count = (
        int(number) if number is not None else 1 for number in match.groups()[:4]
    )
    lines = list(islice(output, old_count + new_count))
    if old_count < len(lines) and lines[old_count].startswith(b"\\"):
        # "\ No newline at end of file" behind the removed lines; behind the added ones it ends the hunk.
        del lines[old_count]
        lines += islice(output, 1)
    removed, added = lines[:old_count], lines[old_count:]
    if len(added) != new_count or (removed and removed[-1][:1] != b"-") or (added and added[-1][:1] != b"+"):
        raise _unexpected(None, line)
    heading = match.group(5).strip().decode("utf-8", "replace")
    return HunkLines(old_start, old_count, new_start, new_count, heading or None, removed, added)


def _hunk(line: bytes, output: IO[bytes], change: PathChange, digests_left: int) -> Hunk:
    old_start, old_count, new_start, new_count, heading, removed, added = lines_of(line, output)
    if new_start <= generated_files.HEADER_LINES and generated_files.is_stated(change.path, new_start, added):
        change.is_generated = True
    return Hunk(
        old_start,
        old_count,
        new_start,
        new_count,
        [_digest(content) for content in removed] if digests_left > 0 else [0] * old_count,
        [_digest(content) for content in added] if digests_left > 0 else [0] * new_count,
        heading,
        _tokens(removed + added),
    )


def _digest(content: bytes) -> int:
    """64 bits of the stripped line; 0 for a line too short to be told from any other (a brace, a blank)."""
    text = content[1:].strip()
    if _WORDS(text) is None:
        return 0
    return _number(blake2b(text, digest_size=8).digest(), "big") or 1


def _tokens(lines: list[bytes]) -> list[str]:
    """Distinct words of a hunk, sorted, at most :data:`TOKENS_PER_HUNK_MAX`.

    Literals (routes, keys, messages) go before identifiers, but leave half of the room to them.
    """
    text = b"".join(lines[:TOKEN_LINES_PER_HUNK_MAX])[:TOKEN_BYTES_PER_HUNK_MAX].decode("utf-8", "replace")
    distinct = dict.fromkeys(_TOKEN.findall(text))
    literals = [token[1:-1] for token in distinct if token[0] in _QUOTES]
    identifiers = [token for token in distinct if token not in _KEYWORDS and token[0] not in _QUOTES]
    room = max(LITERALS_PER_HUNK_MAX, TOKENS_PER_HUNK_MAX - len(identifiers))
    chosen = dict.fromkeys([*literals[:room], *identifiers])
    return sorted(islice(chosen, TOKENS_PER_HUNK_MAX))


def _settled(paths: list[PathChange], retyped: list[PathChange]) -> list[PathChange]:
    """Binary paths without hunks; the two diffs of a change of type as one replacement of the whole file."""
    for path in paths:
        if path.is_binary:
            path.hunks = []
    for path in retyped:
        if len(path.hunks) == 2:
            gone, born = path.hunks
            path.hunks = [
                Hunk(
                    old_start=gone.old_start,
                    old_count=gone.old_count,
                    new_start=born.new_start,
                    new_count=born.new_count,
                    removed_digests=gone.removed_digests,
                    added_digests=born.added_digests,
                    tokens=sorted({*gone.tokens, *born.tokens})[:TOKENS_PER_HUNK_MAX],
                )
            ]
    return paths


def _unexpected(sha: CommitSha | None, line: bytes) -> SourceUnavailable:
    return SourceUnavailable(
        f"git log printed a line that is no diff: {line[:80]!r}",
        hint="report it with the version of git; this repository's lines are not followed until then",
        reason="failed",
        sha=sha,
    )


class Batch:
    """Rows of CHANGE_PATHS and HUNKS, gathered column by column until they are worth an append."""

    def __init__(self, repository: RepositoryName) -> None:
        self._repository = repository
        self._paths: dict[str, list[Any]] = {c: [] for c in tables.CHANGE_PATHS.column_names[1:]}
        self._hunks: dict[str, list[Any]] = {c: [] for c in tables.HUNKS.column_names[1:]}
        self.weight = 0

    def add(self, sha: CommitSha, paths: Sequence[PathChange]) -> None:
        """``weight`` grows by one per path and hunk and by one per sixteen lines."""
        for change in paths:
            row: tuple[object, ...] = (
                sha,
                change.path,
                change.old_path,
                change.status,
                change.is_binary,
                change.is_generated,
                sum(hunk.new_count for hunk in change.hunks),
                sum(hunk.old_count for hunk in change.hunks),
            )
            for column, value in zip(self._paths.values(), row, strict=True):
                column.append(value)
            self.weight += 1
            for position, hunk in enumerate(change.hunks):
                values: tuple[object, ...] = (
                    sha,
                    change.path,
                    position,
                    hunk.old_start,
                    hunk.old_count,
                    hunk.new_start,
                    hunk.new_count,
                    hunk.heading,
                    hunk.removed_digests,
                    hunk.added_digests,
                    hunk.tokens,
                )
                for column, value in zip(self._hunks.values(), values, strict=True):
                    column.append(value)
                self.weight += 1 + (hunk.old_count + hunk.new_count) // 16

    def taken(self) -> tuple[pa.Table, pa.Table]:
        """The gathered rows (CHANGE_PATHS, HUNKS); the batch is empty afterwards."""
        paths = _table(tables.CHANGE_PATHS, self._repository, self._paths)
        hunks = _table(tables.HUNKS, self._repository, self._hunks)
        for column in (*self._paths.values(), *self._hunks.values()):
            column.clear()
        self.weight = 0
        return paths, hunks


def _table(table: tables.Table, repository: RepositoryName, columns: dict[str, list[Any]]) -> pa.Table:
    count = len(columns["sha"])
    arrays = [pa.array([repository] * count, type=pa.string())]
    arrays += [
        pa.array(columns[column.name], type=column.type.arrow)
        for column in table.columns
        if column.name != "repository"
    ]
    return pa.table(arrays, names=list(table.column_names))
