"""Lines of files at revisions: one git process reads any number of them, and the last ones stay in memory."""

import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import IO

from collector.git import Git
from schemas.errors import SourceUnavailable
from schemas.records import CommitSha, RepositoryName

BLOB_BYTES_MAX = 8 * 1024 * 1024
"""Larger files are not read: they have no lines."""
HELD = 256
"""Files whose lines stay in memory."""

Place = tuple[CommitSha, str]
"""A path at a revision."""
Lines = tuple[str, ...]

# What stands before each object; of a name that git does not know it repeats the name, which holds a colon.
_HEADER = re.compile(rb"[0-9a-f]{40,64} (\w+) (\d+)\n")
_SKIPPED_AT_ONCE = 1 << 16


class BlobTexts:
    """Lines as git counts them (split at LF only); () of what is missing, binary or too large. Any thread may ask.

    Args:
        one_s: seconds that one file may take.
        many_s: the same for many together; those that are left then are read one by one.
    """

    def __init__(self, *, one_s: float, many_s: float) -> None:
        self._one_s, self._many_s = one_s, many_s
        self._held: OrderedDict[tuple[RepositoryName, Place], Lines] = OrderedDict()
        self._guard = threading.Lock()

    def of(self, git: Git, repository: RepositoryName, place: Place) -> Lines:
        """The lines of one file."""
        ((_, lines),) = self.each(git, repository, [place])
        return lines

    def each(
        self, git: Git, repository: RepositoryName, places: Iterable[Place]
    ) -> Iterator[tuple[Place, Lines]]:
        """(place, lines) of each of ``places``, in any order; only one file is held at a time."""
        unread = []
        for place in dict.fromkeys(places):
            with self._guard:
                lines = self._held.get((repository, place))
                if lines is not None:
                    self._held.move_to_end((repository, place))
            if lines is not None:
                yield place, lines
            elif "\0" in place[1]:
                yield place, ()
            else:
                unread.append(place)
        # A name ends with its line.
        together = [p for p in unread if "\n" not in p[1]] if len(unread) > 1 else []
        read = set()
        for place, lines in self._together(git, together):
            read.add(place)
            yield place, self._hold(repository, place, lines)
        for place in unread:
            if place not in read:
                yield place, self._hold(repository, place, alone(git, place, timeout_s=self._one_s))

    def _hold(self, repository: RepositoryName, place: Place, lines: Lines) -> Lines:
        with self._guard:
            self._held[repository, place] = lines
            while len(self._held) > HELD:
                self._held.popitem(last=False)
        return lines

    def _together(self, git: Git, places: list[Place]) -> Iterator[tuple[Place, Lines]]:
        """As many of ``places``, from the first on, as git gave."""
        if not places:
            return
        names = b"".join(
            f"{sha}:".encode() + path.encode("utf-8", "surrogateescape") + b"\n" for sha, path in places
        )
        try:
            with git.stream("cat-file", "--batch", stdin=names, timeout_s=self._many_s) as output:
                for place in places:
                    lines = _object(output)
                    if lines is None:
                        return
                    yield place, lines
        except SourceUnavailable:
            return


def alone(git: Git, place: Place, *, timeout_s: float) -> Lines:
    """The lines of one file, from a process of its own."""
    sha, path = place
    try:
        content = git.run("cat-file", "blob", f"{sha}:{path}", timeout_s=timeout_s, bytes_max=BLOB_BYTES_MAX)
    except SourceUnavailable:
        return ()
    return _lines(content)


def _object(output: IO[bytes]) -> Lines | None:
    """The lines of the next object; None when there is none left."""
    header = output.readline()
    if not header:
        return None
    told = _HEADER.fullmatch(header)
    if told is None:
        return ()
    size = int(told[2])
    if told[1] != b"blob" or size > BLOB_BYTES_MAX:
        left = size + 1
        while left and (skipped := output.read(min(left, _SKIPPED_AT_ONCE))):
            left -= len(skipped)
        return () if not left else None
    content = output.read(size + 1)
    return _lines(content[:-1]) if len(content) == size + 1 else None


def _lines(content: bytes) -> Lines:
    if b"\0" in content[:8000]:
        return ()
    lines = content.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return tuple(line.rstrip(b"\r").decode("utf-8", "replace") for line in lines)
