"""Who wrote the lines of a file at a revision, and where a fix changed it; read in place, without a store.

A line that its last commit only moved or re-indented belongs to whoever wrote it before, whatever file that was in:
the diff of that commit removes the same text. Later commits can be looked through, as ``.git-blame-ignore-revs`` of
the revision asks for.
"""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from collector import blob_texts, hunks, ignored_revisions
from collector.git import Git, unquoted
from schemas.errors import MalformedInput, SourceUnavailable
from schemas.locations import Diff, OwnedFile, Owner, Stretch
from schemas.records import CommitSha, PathChange
from schemas.settings import Settings

MOVES_MAX = 3
"""Moves of one line that are followed; each costs a blame."""
SHAS_PER_CALL = 500
"""Commits named on one command line."""
STRETCHES_MAX = 400
"""Hunks of a fix that are looked at, largest files last: a fix of more is a rewrite."""


def diffs(git: Git, shas: Iterable[CommitSha], settings: Settings) -> dict[CommitSha, Diff]:
    """What each commit changed against its first parent; merges have the changes of all that they bring."""
    wanted = sorted(set(shas))
    found: dict[CommitSha, Diff] = {}
    for start in range(0, len(wanted), SHAS_PER_CALL):
        part = wanted[start : start + SHAS_PER_CALL]
        found |= headers(git, part, settings)
        try:
            for sha, paths in hunks.read(git, ("--no-walk", *part), timeout_s=settings.git_timeout_s):
                found[sha] = replace(found[sha], paths=tuple(paths))
        except SourceUnavailable as error:
            if error.facts.get("reason") == "timeout":
                raise
            # An object is missing: the commits behind it stay without a diff, which says nothing against them.
            continue
    return found


def headers(git: Git, shas: Sequence[CommitSha], settings: Settings) -> dict[CommitSha, Diff]:
    """Time and parents of each commit, without its diff."""
    answer = git.run(
        *("log", "--no-walk=unsorted", "--stdin", "--format=%H %ct %P"),
        stdin="".join(f"{sha}\n" for sha in shas).encode(),
        timeout_s=settings.git_timeout_s,
    )
    rows = (line.split() for line in answer.decode("ascii").splitlines())
    return {
        CommitSha(sha): Diff(CommitSha(sha), int(at), tuple(map(CommitSha, parents)))
        for sha, at, *parents in rows
    }


def stretches(fix: Diff) -> tuple[Stretch, ...]:
    """Where ``fix`` removed, replaced or inserted lines, numbered as in its parent. Its new lines are not looked at."""
    found = []
    for change in sorted(fix.paths, key=lambda c: (len(c.hunks), c.path)):
        if change.status == "A":
            continue
        path = change.old_path or change.path
        for hunk in change.hunks:
            # Of an insertion git names the line before.
            first = hunk.old_start + (hunk.old_count == 0)
            found.append(Stretch(path, first, first + hunk.old_count - 1))
    return tuple(found[:STRETCHES_MAX])


def texts(git: Git, revision: CommitSha, path: str, settings: Settings) -> tuple[str, ...]:
    """The lines of a file as git counts them; () when it is missing, binary or too large."""
    return blob_texts.alone(git, (revision, path), timeout_s=settings.blame_timeout_s)


def owners(
    git: Git,
    revision: CommitSha,
    path: str,
    settings: Settings,
    *,
    lines: Sequence[int] | None = None,
    looked_through: Iterable[CommitSha] | None = (),
) -> dict[int, Owner]:
    """Who wrote ``lines`` of ``path`` (1-based, existing ones; None for all); {} when git cannot tell in time.

    Args:
        looked_through: commits that pass on what they changed to who wrote it before, where git finds that, beside those
            that the revision states; None for plain blame, which looks through none.
    """
    if lines is not None and not lines:
        return {}
    ranges = [] if lines is None else [f"-L{first},{last}" for first, last in _ranges(sorted(set(lines)))]
    ignored = (
        [] if looked_through is None else sorted({*looked_through, *stated_ignored(git, revision, settings)})
    )
    with tempfile.NamedTemporaryFile(dir=git.config.parent, prefix="ignored-", suffix=".txt") as listed:
        listed.write("".join(f"{sha}\n" for sha in ignored).encode())
        listed.flush()
        options = ["--porcelain", *ranges, *(["--ignore-revs-file", listed.name] if ignored else [])]
        try:
            answer = git.run("blame", *options, revision, "--", path, timeout_s=settings.blame_timeout_s)
        except SourceUnavailable:
            return {}
    return _porcelain(answer)


def stated_ignored(git: Git, revision: CommitSha, settings: Settings) -> list[str]:
    """What ``.git-blame-ignore-revs`` names at ``revision``."""
    try:
        content = git.run(
            *("cat-file", "blob", f"{revision}:{ignored_revisions.PATH}"),
            timeout_s=settings.blame_timeout_s,
            bytes_max=ignored_revisions.BYTES_MAX,
        )
    except SourceUnavailable:
        return []
    return ignored_revisions.parse(content)


def followed(
    git: Git,
    file: OwnedFile,
    lines: Sequence[int],
    known: Mapping[CommitSha, Diff],
    settings: Settings,
) -> OwnedFile:
    """``file`` with ``lines`` that their last commits only moved given to who wrote them before.

    Args:
        known: diffs of commits, also of owners; a line of a commit that is not among them stays with it.
    """
    found = dict(file.owners)
    open_lines = [line for line in lines if line in found]
    for _ in range(MOVES_MAX):
        asked: dict[tuple[CommitSha, str], dict[int, list[int]]] = {}
        for line in open_lines:
            owner = found[line]
            source = _source(known.get(owner.sha), owner)
            if source is not None:
                path, number = source
                asked.setdefault((owner.sha, path), {}).setdefault(number, []).append(line)
        open_lines = []
        for (sha, path), numbers in asked.items():
            before = owners(git, known[sha].parents[0], path, settings, lines=list(numbers))
            for number, moved in numbers.items():
                for line in moved:
                    if number in before:
                        found[line] = replace(before[number], mover=found[line].mover or sha)
                        open_lines.append(line)
        if not open_lines:
            break
    return replace(file, owners=found)


def _source(diff: Diff | None, owner: Owner) -> tuple[str, int] | None:
    """(path, line) at the parent of a line that ``diff`` took from elsewhere; None for a line that it wrote."""
    if diff is None or len(diff.parents) != 1:
        return None
    change, digest = _added(diff.paths, owner)
    if change is None or not digest:
        return None
    places = [
        (
            source is not change,
            abs(hunk.old_start + index - owner.line),
            source.old_path or source.path,
            hunk.old_start + index,
        )
        for source in diff.paths
        for hunk in source.hunks
        for index, removed in enumerate(hunk.removed_digests)
        if removed == digest
    ]
    return min(places)[2:] if places else None


def _added(paths: Sequence[PathChange], owner: Owner) -> tuple[PathChange | None, int]:
    for change in paths:
        if change.path == owner.path:
            for hunk in change.hunks:
                if hunk.new_start <= owner.line < hunk.new_start + hunk.new_count:
                    return change, hunk.added_digests[owner.line - hunk.new_start]
    return None, 0


def side_commits(git: Git, merge: Diff, settings: Settings) -> list[CommitSha]:
    """The commits that a merge brought to its first parent, itself left out."""
    if len(merge.parents) < 2:
        return []
    return list_commits(git, (merge.sha, f"^{merge.parents[0]}"), settings)


def list_commits(git: Git, revisions: Sequence[str], settings: Settings, *options: str) -> list[CommitSha]:
    """Commits of ``revisions`` (full hex ids, ``^`` before those whose ancestors are left out), newest first."""
    answer = git.run(
        *("rev-list", *options, "--stdin"),
        stdin="".join(f"{revision}\n" for revision in revisions).encode(),
        timeout_s=settings.git_timeout_s,
    )
    return [CommitSha(line) for line in answer.decode("ascii").split()]


def resolved(git: Git, revision: object, what: str) -> CommitSha:
    """The commit that ``revision`` names.

    Raises:
        MalformedInput: it names none here.
    """
    sha = git.commit(revision) if isinstance(revision, str) else None
    if sha is None:
        raise MalformedInput(
            f"{what} {revision!r} names no commit of this repository", hint="give a full sha"
        )
    return sha


def _ranges(lines: Sequence[int]) -> list[tuple[int, int]]:
    ranges: list[tuple[int, int]] = []
    for line in lines:
        if ranges and ranges[-1][1] == line - 1:
            ranges[-1] = (ranges[-1][0], line)
        else:
            ranges.append((line, line))
    return ranges


def _porcelain(answer: bytes) -> dict[int, Owner]:
    """Lines of ``git blame --porcelain``: a header per line, a block per commit, the content behind a tab."""
    found: dict[int, Owner] = {}
    names: dict[bytes, str] = {}
    words: list[bytes] = []
    for line in answer.split(b"\n"):
        if not words:
            words = line.split(b" ")
            words = words if len(words) > 2 else []
        elif line.startswith(b"filename "):
            names[words[0]] = unquoted(line[9:])
        elif line.startswith(b"\t"):
            sha = CommitSha(words[0].decode("ascii"))
            found[int(words[2])] = Owner(sha, names.get(words[0], ""), int(words[1]))
            words = []
    return found
