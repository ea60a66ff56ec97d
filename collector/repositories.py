"""Repositories that the operator added: add, sync, list, remove. Writes every git fact table.

A sync is safe to repeat and to interrupt: commits go in whole, the mainline in chunks that each leave a true
beginning of it, and the next sync goes on from there.
"""

import contextlib
import shutil
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic

from collector import history, hunks, ignored_revisions, mirror, revisions, side_commits
from collector.git import Git, clean
from schemas import tables
from schemas.errors import MalformedInput, SourceUnavailable
from schemas.records import CommitSha, PathChange, Progress, RepositoryName
from schemas.settings import Settings
from schemas.store import Row, Store

CHUNK_WEIGHT = 60_000
"""Paths, hunks and sixteenths of lines per transaction: some tens of megabytes."""

TAKEN_BACK = "none"
"""What takes a policy back; leaving it out keeps what was stated before."""

TOLD_EVERY = 50
"""Changes between two words on how far a sync is."""
UNREAD_MAX = 100
"""Changes without lines that one sync puts up with; a source that lacks more is no source."""

_MIRRORED = (
    tables.COMMITS,
    tables.COMMIT_NOTES,
    tables.MAINLINE,
    tables.CHANGE_PATHS,
    tables.HUNKS,
    tables.SIDE_COMMIT_PATHS,
    tables.IGNORED_REVISIONS,
    tables.GIT_REVISIONS,
    tables.GIT_TREES,
    tables.GIT_BLAMES,
    tables.GIT_ANSWERS,
)
_locks: dict[str, threading.Lock] = {}
_locks_guard = threading.Lock()


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What one sync brought. ``changes_dropped`` counts changes that a force push took off the mainline,
    ``changes_unread`` names those of which git could read the paths but not the lines."""

    repository: RepositoryName
    default_branch: str | None
    head_sha: CommitSha | None
    commits_added: int
    notes_added: int
    changes_added: int
    changes_dropped: int
    changes_unread: tuple[CommitSha, ...]
    revisions_resolved: int
    duration_s: float


def add(
    store: Store,
    settings: Settings,
    *,
    repository: str,
    source: str,
    url: str | None = None,
    assume_unmarked: str | None = None,
    assume_unmarked_from: datetime | None = None,
) -> Row:
    """Make ``repository`` known, or restate what is known of it; the first :func:`sync` fills it.

    Args:
        repository: ``owner/name``.
        source: Path of a local repository, or an https or ssh URL.
        url: What its services send as ``vcs.repository.url.full``; an http(s) source by default.
        assume_unmarked: ``"human"`` when the operator states that unmarked commits are human work;
            :data:`TAKEN_BACK` takes that back.
        assume_unmarked_from: From when on (UTC); required with ``assume_unmarked``.

    Returns:
        The row of ``repositories``.

    Raises:
        MalformedInput: a name, source or statement that cannot be.
        SourceUnavailable: the source does not answer.
    """
    name = mirror.checked_name(repository)
    where = mirror.checked_source(source)
    if assume_unmarked not in {None, "human", TAKEN_BACK}:
        raise MalformedInput(
            f"assume_unmarked = {assume_unmarked!r} is not known",
            hint=f'write "human", "{TAKEN_BACK}" to take it back, or leave it out',
            repository=name,
        )
    is_taken_back = assume_unmarked == TAKEN_BACK
    if is_taken_back:
        assume_unmarked = None
    if (assume_unmarked is None) != (assume_unmarked_from is None):
        raise MalformedInput(
            f"{name}: assume_unmarked and assume_unmarked_from go together",
            hint="state from which date on unmarked commits are human work",
            repository=name,
        )
    mirror.probe(settings, name, where)
    before = store.row("SELECT * FROM repositories WHERE repository = $repository", repository=name) or {}
    row = {
        **{column: before.get(column) for column in tables.REPOSITORIES.column_names},
        "repository": name,
        "source": where,
        "url": url or before.get("url") or _url_of(where),
        "assume_unmarked": assume_unmarked or (None if is_taken_back else before.get("assume_unmarked")),
        "assume_unmarked_from": assume_unmarked_from
        or (None if is_taken_back else before.get("assume_unmarked_from")),
        "added_at": before.get("added_at") or datetime.now(UTC),
    }
    store.append_rows(tables.REPOSITORIES, [row], replace=True)
    return row


def listed(store: Store) -> list[Row]:
    """Every repository, by name, with its numbers of stored commits and mainline changes; no credential is told."""
    found = store.rows(
        """
        SELECT r.*,
               (SELECT count(*) FROM commits AS c WHERE c.repository = r.repository) AS commit_count,
               (SELECT count(*) FROM mainline AS m WHERE m.repository = r.repository) AS change_count
        FROM repositories AS r
        ORDER BY r.repository
        """
    )
    return [{**row, "source": clean(row["source"])} for row in found]


def remove(store: Store, settings: Settings, repository: str) -> None:
    """Forget ``repository``: its facts and its mirror. What was published about it stays in the ledger.

    Raises:
        MalformedInput: there is no such repository.
    """
    name = RepositoryName(_known(store, repository)["repository"])
    with _lock(name):
        with store.transaction():
            for table in (*_MIRRORED, tables.REPOSITORIES):
                _delete(store, table, name)
        where = mirror.directory(settings, name)
        shutil.rmtree(where, ignore_errors=True)
        where.with_suffix(".gitconfig").unlink(missing_ok=True)


def sync(store: Store, settings: Settings, repository: str, progress: Progress | None = None) -> SyncReport:
    """Fetch ``repository`` and store what is new: commits, notes, mainline, diffs.

    After a force push the changes that left the mainline are dropped from MAINLINE, CHANGE_PATHS and HUNKS; their
    commits stay. Revisions that named nothing so far are asked again.

    Raises:
        MalformedInput: there is no such repository.
        SourceUnavailable: the source or its history cannot be read; what was stored before stays.
    """
    row = _known(store, repository)
    name = RepositoryName(row["repository"])
    tell = progress or _tell_nobody
    started = monotonic()
    with _lock(name), _naming(name):
        tell("fetch", 0, 0)
        fetched = mirror.fetch(settings, name, row["source"], previous_branch=row["default_branch"])
        git = mirror.opened(settings, name)
        assert git is not None
        tell("commits", 0, 0)
        commits_added = history.append_commits(git, store, name, timeout_s=settings.git_timeout_s)
        tell("notes", 0, 0)
        notes_added = history.append_notes(
            git,
            store,
            name,
            previous=row["notes_sha"],
            current=fetched.notes_sha,
            note_bytes_max=settings.note_bytes_max,
            timeout_s=settings.git_timeout_s,
        )
        added, dropped = 0, 0
        unread: tuple[CommitSha, ...] = ()
        if fetched.head_sha is not None and fetched.head_sha != row["head_sha"]:
            added, dropped, unread = _sync_mainline(git, store, settings, name, fetched.head_sha, tell)
        tell("side commits", 0, 0)
        side_commits.append(git, store, name, timeout_s=settings.git_timeout_s)
        ignored_revisions.append(git, store, name, timeout_s=settings.git_timeout_s)
        with store.write_lock:
            store.execute(
                "UPDATE repositories SET default_branch = $branch, head_sha = $head, notes_sha = $notes, "
                "synced_at = $now WHERE repository = $repository",
                branch=fetched.default_branch,
                head=fetched.head_sha,
                notes=fetched.notes_sha,
                now=datetime.now(UTC),
                repository=name,
            )
            resolved = _ask_again(git, store, name)
        tell("done", 0, 0)
    return SyncReport(
        repository=name,
        default_branch=fetched.default_branch,
        head_sha=fetched.head_sha,
        commits_added=commits_added,
        notes_added=notes_added,
        changes_added=added,
        changes_dropped=dropped,
        changes_unread=unread,
        revisions_resolved=resolved,
        duration_s=monotonic() - started,
    )


def _sync_mainline(
    git: Git, store: Store, settings: Settings, name: RepositoryName, head: CommitSha, tell: Progress
) -> tuple[int, int, tuple[CommitSha, ...]]:
    """Store the mainline up to ``head``; returns how many changes were added and dropped, and which were unread."""
    since = settings.history_from
    changes, kept = history.mainline(
        git,
        store,
        name,
        head,
        since_unix_s=int(datetime(since.year, since.month, since.day, tzinfo=UTC).timestamp())
        if since
        else 0,
        timeout_s=settings.git_timeout_s,
    )
    dropped = _drop_after(store, name, kept)
    if not changes:
        return 0, dropped, ()
    batch = hunks.Batch(name)
    unread: list[CommitSha] = []
    done = stored = 0
    # Closed here, not by the garbage collector, so that git ends when a later step fails.
    with contextlib.closing(_diffs(git, changes, head, unread, timeout_s=settings.git_timeout_s)) as diffs:
        try:
            for change, (sha, paths) in zip(changes, diffs, strict=True):
                assert change.sha == sha
                batch.add(sha, paths)
                done += 1
                if batch.weight >= CHUNK_WEIGHT:
                    _store_chunk(store, name, changes[stored:done], batch)
                    stored = done
                if done % TOLD_EVERY == 0 or done == len(changes):
                    tell("changes", done, len(changes))
        finally:
            # Whatever was read whole is true, also when git then failed for good.
            _store_chunk(store, name, changes[stored:done], batch)
    return len(changes), dropped, tuple(unread)


def _diffs(
    git: Git,
    changes: list[history.MainlineChange],
    head: CommitSha,
    unread: list[CommitSha],
    *,
    timeout_s: float,
) -> Generator[tuple[CommitSha, list[PathChange]], None, None]:
    """The diff of each of ``changes``; one that git cannot read (a blob is missing) without its lines, in ``unread``."""
    done, last = 0, changes[0].parent
    while done < len(changes):
        since = (f"^{last}",) if last else ()
        try:
            with contextlib.closing(hunks.read(git, (head, *since), timeout_s=timeout_s)) as diffs:
                for sha, paths in diffs:
                    done += 1
                    yield sha, paths
        except SourceUnavailable as error:
            if error.facts.get("reason") != "failed" or len(unread) >= UNREAD_MAX:
                raise
            last = failed = changes[done].sha
            try:
                paths = hunks.names(git, failed, timeout_s=timeout_s)
            except SourceUnavailable:
                raise SourceUnavailable(
                    f"change {failed} cannot be read: {error}", hint=error.hint, reason="failed", sha=failed
                ) from error
            unread.append(failed)
            done += 1
            yield failed, paths
        else:
            return


def _store_chunk(
    store: Store, name: RepositoryName, changes: list[history.MainlineChange], batch: hunks.Batch
) -> None:
    path_rows, hunk_rows = batch.taken()
    with store.transaction():
        store.append(tables.MAINLINE, history.mainline_rows(name, changes))
        store.append(tables.CHANGE_PATHS, path_rows)
        store.append(tables.HUNKS, hunk_rows)


def _drop_after(store: Store, name: RepositoryName, kept: int) -> int:
    """Take the changes from position ``kept`` on off the mainline, with their diffs; returns how many."""
    gone = store.rows(
        "SELECT sha FROM mainline WHERE repository = $repository AND position >= $kept ORDER BY position",
        repository=name,
        kept=kept,
    )
    if gone:
        shas = [row["sha"] for row in gone]
        with store.transaction():
            for table in (tables.CHANGE_PATHS, tables.HUNKS, tables.IGNORED_REVISIONS, tables.MAINLINE):
                store.execute(
                    f"DELETE FROM {table.name} WHERE repository = $repository "  # noqa: S608 - a name of ours
                    "AND sha IN (SELECT unnest($shas))",
                    repository=name,
                    shas=shas,
                )
    return len(gone)


def _ask_again(git: Git, store: Store, name: RepositoryName) -> int:
    """Resolve the revisions that named nothing so far, and forget blames without an answer; returns how many."""
    store.execute("DELETE FROM git_blames WHERE repository = $name AND blamed_sha IS NULL", name=name)
    unknown = store.rows(
        "SELECT revision, service_names FROM git_revisions WHERE repository = $name AND sha IS NULL "
        "ORDER BY revision, service_names",
        name=name,
    )
    found = []
    for row in unknown:
        sha = revisions.resolve(git, store, name, row["revision"], tuple(row["service_names"].splitlines()))
        if sha is not None:
            mirror.pin(git, sha)
            found.append({**row, "repository": name, "sha": sha})
    store.append_rows(tables.GIT_REVISIONS, found, replace=True)
    return len(found)


def _tell_nobody(_step: str, _done: int, _total: int) -> None:
    """Progress without a listener."""


@contextlib.contextmanager
def _naming(name: RepositoryName) -> Iterator[None]:
    """Name the repository in an error of git that does not."""
    try:
        yield
    except SourceUnavailable as error:
        if "repository" in error.facts:
            raise
        raise SourceUnavailable(
            f"{name}: {error}",
            hint=error.hint or "its mirror may lack an object: run `git fsck` in the source, then sync again",
            repository=name,
            **error.facts,
        ) from error


def _known(store: Store, repository: str) -> Row:
    row = store.row("SELECT * FROM repositories WHERE repository = $repository", repository=repository)
    if row is None:
        names = ", ".join(
            r["repository"] for r in store.rows("SELECT repository FROM repositories ORDER BY 1")
        )
        raise MalformedInput(
            f"{repository} is not a known repository",
            hint=f"known are: {names}" if names else "add it: aftermerge repo add OWNER/NAME PATH_OR_URL",
            repository=repository,
        )
    return row


def _delete(store: Store, table: tables.Table, name: RepositoryName) -> None:
    store.execute(f"DELETE FROM {table.name} WHERE repository = $name", name=name)  # noqa: S608 - a name of ours


def _url_of(source: str) -> str | None:
    """A source on the web without its credential; None for a path or an ssh source."""
    scheme, _, rest = source.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if scheme == "https" else None


def _lock(name: str) -> threading.Lock:
    with _locks_guard:
        return _locks.setdefault(name, threading.Lock())
