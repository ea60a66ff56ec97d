"""Our own bare mirror of one repository: made, fetched, pinned; the only git directory that we ever open.

It carries heads, tags and ``refs/notes/ai`` of the source, and refs of ours under ``refs/aftermerge/``: ``pins/SHA``
keeps a deployed revision, ``heads/SHA`` a mainline head that a force push took away, so that gc spares both.
"""

import base64
import contextlib
import re
import shutil
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from collector.git import BIG_FILE, HEX, Git, Secret, clean
from schemas.errors import MalformedInput, SourceUnavailable
from schemas.records import CommitSha, RepositoryName
from schemas.settings import Settings

NOTES_REF = "refs/notes/ai"
REMOTE_PROTOCOLS = "https:ssh"
LOCAL_PROTOCOLS = "file"
PROBE_TIMEOUT_S = 60.0
SHA256_DIGITS = 64

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9][A-Za-z0-9._-]*){1,5}")
_URL = re.compile(r"(?:https|ssh)://[^\s-][^\s]*|[A-Za-z0-9_.]+@[A-Za-z0-9.-]+:[^\s:-][^\s]*")
_BRANCHES_BY_HABIT = ("main", "master", "trunk", "develop")

# Faults of old commits and trees that change no content: cosmetic, and refusing them refuses whole kernels of history.
_COSMETIC_FAULTS = (
    "badDateOverflow",
    "badEmail",
    "badName",
    "badTagName",
    "badTimezone",
    "gitmodulesBlob",
    "gitmodulesLarge",
    "gitmodulesMissing",
    "gitmodulesName",
    "gitmodulesPath",
    "gitmodulesUrl",
    "missingEmail",
    "missingNameBeforeEmail",
    "missingSpaceBeforeDate",
    "missingSpaceBeforeEmail",
    "missingTaggerEntry",
    "multipleAuthors",
    "nulInCommit",
    "zeroPaddedDate",
    "zeroPaddedFilemode",
)

# Built-in drivers only name functions better in hunk headings; they never change which lines differ.
_ATTRIBUTES = """\
*.c diff=cpp
*.cc diff=cpp
*.cpp diff=cpp
*.cs diff=csharp
*.css diff=css
*.ex diff=elixir
*.exs diff=elixir
*.go diff=golang
*.h diff=cpp
*.hpp diff=cpp
*.java diff=java
*.kt diff=kotlin
*.php diff=php
*.py diff=python
*.rb diff=ruby
*.rs diff=rust
*.sh diff=bash
"""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a fetch found. ``head_sha`` is None in a repository without commits."""

    default_branch: str | None
    head_sha: CommitSha | None
    notes_sha: CommitSha | None


def checked_name(repository: str) -> RepositoryName:
    """``owner/name``, or groups of names, as the operator wrote it.

    Raises:
        MalformedInput: it is not of that form.
    """
    if not _NAME.fullmatch(repository) or ".." in repository:
        raise MalformedInput(
            f"{repository!r} is no repository name",
            hint="write it as owner/name, e.g. acme/shop",
            repository=repository,
        )
    return RepositoryName(repository)


def checked_source(source: str) -> str:
    """An absolute path of a local repository, or an https or ssh URL.

    Raises:
        MalformedInput: it is neither.
    """
    stated = source.removeprefix("file://")
    if _URL.fullmatch(stated):
        return stated
    path = Path(stated).expanduser()
    if "://" not in stated and not stated.startswith("-") and path.is_dir():
        return str(path.resolve())
    raise MalformedInput(
        f"{clean(source)!r} is neither a folder on this machine nor an https or ssh URL",
        hint="give the path of a git repository, https://HOST/OWNER/NAME.git or git@HOST:OWNER/NAME.git",
        source=clean(source),
    )


def directory(settings: Settings, repository: RepositoryName) -> Path:
    """Where the mirror of ``repository`` lies. ``+`` is in no name, so two repositories never share a folder."""
    return settings.mirrors_path.absolute() / f"{repository.replace('/', '+')}.git"


def opened(settings: Settings, repository: RepositoryName) -> Git | None:
    """git on the mirror of ``repository``; None when it was never fetched."""
    where = directory(settings, repository)
    if not (where / "HEAD").exists():
        return None
    return Git(where, where.with_suffix(".gitconfig"), settings.git_memory_bytes_max)


def probe(settings: Settings, repository: RepositoryName, source: str) -> None:
    """Ask the source for its refs.

    Raises:
        SourceUnavailable: it does not answer, or is no git repository.
    """
    _advertised(_prepared(settings, repository, source), repository, source)


def fetch(
    settings: Settings, repository: RepositoryName, source: str, *, previous_branch: str | None = None
) -> Fetched:
    """Bring the mirror up to the source, made when absent. A forced update of a branch is followed.

    Args:
        previous_branch: The default branch so far. A local source keeps it while it exists, because the HEAD of a
            work tree is whatever its owner works on.

    Raises:
        SourceUnavailable: the source does not answer, is shallow, or holds broken objects.
    """
    git = _prepared(settings, repository, source)
    refs, heads_of = _advertised(git, repository, source)
    assert git.directory is not None
    _made(git, repository, refs)
    _remove_stale_locks(git.directory, older_than_s=settings.git_timeout_s)
    replaced = git.commit(f"refs/heads/{previous_branch}") if previous_branch else None

    wanted = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]
    if NOTES_REF in refs:
        wanted.append(f"+{NOTES_REF}:{NOTES_REF}")
    url, secret = _without_secret(source)
    with _explained(repository, source):
        git.run(
            *("-c", "fetch.fsckObjects=true"),
            *(part for fault in _COSMETIC_FAULTS for part in ("-c", f"fetch.fsck.{fault}=warn")),
            "fetch",
            "--quiet",
            "--prune",
            "--force",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-auto-maintenance",
            "--no-recurse-submodules",
            "--end-of-options",
            url,
            *wanted,
            timeout_s=settings.git_timeout_s,
            protocols=_protocols(source),
            secret=secret,
        )
    branch = _default_branch(refs, heads_of, is_local=_is_local(source), previous=previous_branch)
    head = None
    if branch is not None:
        head = git.commit(f"refs/heads/{branch}")
        if head is None:
            # git leaves out, without an error, what lies beyond the boundary of a shallow source.
            raise SourceUnavailable(
                f"cannot fetch {repository} from {clean(source)}: its branch {branch} came without its commits",
                hint=_hint("shallow", source),
                repository=repository,
                source=clean(source),
                reason="shallow",
            )
        git.run("symbolic-ref", "HEAD", f"refs/heads/{branch}", timeout_s=PROBE_TIMEOUT_S)
    if replaced is not None and (head is None or not _is_ancestor(git, replaced, head)):
        # A forced update must not take a revision that may still run somewhere.
        git.run("update-ref", f"refs/aftermerge/heads/{replaced}", replaced, timeout_s=PROBE_TIMEOUT_S)
    if head is not None:
        _tend(git, settings)
    return Fetched(branch, head, _object(git, NOTES_REF))


def pin(git: Git, sha: CommitSha) -> None:
    """Keep ``sha`` and its history, whatever becomes of the branches."""
    git.run("update-ref", f"refs/aftermerge/pins/{sha}", sha, timeout_s=PROBE_TIMEOUT_S)


def _prepared(settings: Settings, repository: RepositoryName, source: str) -> Git:
    """The wrapper for a mirror, its folder and configuration written; the mirror itself may not exist yet."""
    where = directory(settings, repository)
    where.parent.mkdir(parents=True, exist_ok=True)
    attributes = where.parent / "gitattributes"
    safe = [where]
    if _is_local(source):
        # The source may belong to another user: its own git serves it, from the folder or from .git inside.
        safe += [Path(source), Path(source) / ".git"]
    lines = [
        "[core]",
        f"\tattributesFile = {quoted(attributes)}",
        # Of the command line the git that serves a local source sees nothing; of this file it does.
        f"\tbigFileThreshold = {BIG_FILE}",
        "[safe]",
        *(f"\tdirectory = {quoted(path)}" for path in safe),
    ]
    _written(attributes, _ATTRIBUTES)
    config = where.with_suffix(".gitconfig")
    _written(config, "\n".join(lines) + "\n")
    return Git(where, config, settings.git_memory_bytes_max)


def _made(git: Git, repository: RepositoryName, refs: dict[str, str]) -> None:
    """Make the mirror when there is none, with the object ids of the source: SHA-1 or SHA-256."""
    where = git.directory
    assert where is not None
    digits = max(map(len, refs.values()), default=0)
    wanted = "sha256" if digits == SHA256_DIGITS else "sha1"
    if (where / "HEAD").exists():
        answer = git.run("rev-parse", "--show-object-format", timeout_s=PROBE_TIMEOUT_S)
        if not digits or answer.decode().strip() == wanted:
            return
        if git.run("for-each-ref", "--count=1", timeout_s=PROBE_TIMEOUT_S):
            raise SourceUnavailable(
                f"cannot fetch {repository}: its source has {wanted.upper()} ids now and had others before",
                hint=f"forget what was: aftermerge repo remove {repository}, then add it again",
                repository=repository,
                reason="failed",
            )
        shutil.rmtree(where)
    git.run(
        *("init", "--quiet", "--bare", "--template=", f"--object-format={wanted}", str(where)),
        timeout_s=PROBE_TIMEOUT_S,
    )


def _without_secret(source: str) -> tuple[str, Secret | None]:
    """``https://USER:PASSWORD@HOST/...`` without the credential, and it as a header for that host."""
    scheme, _, rest = source.partition("://")
    authority, _, path = rest.partition("/")
    credential, at, host = authority.rpartition("@")
    if scheme != "https" or not at:
        return source, None
    encoded = base64.b64encode(urllib.parse.unquote_to_bytes(credential)).decode("ascii")
    return f"https://{host}/{path}", Secret(f"https://{host}/", f"Authorization: Basic {encoded}")


def _written(path: Path, text: str) -> None:
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def quoted(path: Path) -> str:
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _is_local(source: str) -> bool:
    return source.startswith("/")


def _protocols(source: str) -> str:
    return LOCAL_PROTOCOLS if _is_local(source) else REMOTE_PROTOCOLS


def _advertised(git: Git, repository: RepositoryName, source: str) -> tuple[dict[str, str], dict[str, str]]:
    """The refs of the source: name -> object id, and symbolic name -> ref."""
    patterns = ("HEAD", "refs/heads/*", NOTES_REF)
    url, secret = _without_secret(source)
    with _explained(repository, source):
        answer = Git(None, git.config).run(
            *("ls-remote", "--quiet", "--symref", "--end-of-options", url, *patterns),
            timeout_s=PROBE_TIMEOUT_S,
            protocols=_protocols(source),
            secret=secret,
        )
    refs: dict[str, str] = {}
    symbolic: dict[str, str] = {}
    for line in answer.decode("utf-8", "replace").splitlines():
        value, _, name = line.partition("\t")
        if value.startswith("ref: "):
            symbolic[name] = value.removeprefix("ref: ")
        else:
            refs[name] = value
    return refs, symbolic


def _default_branch(
    refs: dict[str, str], symbolic: dict[str, str], *, is_local: bool, previous: str | None
) -> str | None:
    branches = sorted(name.removeprefix("refs/heads/") for name in refs if name.startswith("refs/heads/"))
    head = symbolic.get("HEAD", "").removeprefix("refs/heads/")
    upstream = symbolic.get("refs/remotes/origin/HEAD", "").removeprefix("refs/remotes/origin/")
    ranked = [previous, upstream, head] if is_local else [head, previous]
    known = set(branches)
    for name in (*ranked, *_BRANCHES_BY_HABIT):
        if name and name in known:
            return name
    return branches[0] if branches else None


def _is_ancestor(git: Git, older: CommitSha, newer: CommitSha) -> bool:
    try:
        git.run("merge-base", "--is-ancestor", older, newer, timeout_s=PROBE_TIMEOUT_S)
    except SourceUnavailable as error:
        if error.facts.get("returncode") == 1:
            return False
        raise
    return True


def _tend(git: Git, settings: Settings) -> None:
    """Changed-path Bloom filters make a blame 5 to 25 times faster; packs are joined when git finds it worth it."""
    git.run(
        *("commit-graph", "write", "--reachable", "--changed-paths", "--split", "--no-progress"),
        timeout_s=settings.git_timeout_s,
    )
    git.run("gc", "--auto", "--quiet", timeout_s=settings.git_timeout_s)


def _object(git: Git, ref: str) -> CommitSha | None:
    answer = git.run(
        "for-each-ref", "--format=%(objectname)", ref, timeout_s=PROBE_TIMEOUT_S, bytes_max=10_000
    )
    sha = answer.decode("ascii", "replace").strip()
    return CommitSha(sha) if HEX.fullmatch(sha) else None


def _remove_stale_locks(where: Path, *, older_than_s: float) -> None:
    """A crash in the middle of a fetch leaves lock files that would stop every later one; we are the only user."""
    oldest = time.time() - older_than_s
    for lock in where.rglob("*.lock"):
        with contextlib.suppress(FileNotFoundError):
            if lock.is_file() and lock.stat().st_mtime < oldest:
                lock.unlink()


@contextlib.contextmanager
def _explained(repository: RepositoryName, source: str) -> Iterator[None]:
    """Name the repository and the next step in whatever git says about its source."""
    try:
        yield
    except SourceUnavailable as error:
        if error.facts.get("reason") == "missing":
            raise
        said = str(error.facts.get("stderr") or error)
        raise SourceUnavailable(
            f"cannot fetch {repository} from {clean(source)}: {said.splitlines()[0]}",
            hint=_hint(said, source) or error.hint,
            repository=repository,
            source=clean(source),
            reason=error.facts.get("reason"),
        ) from error


def _hint(said: str, source: str) -> str:
    lowered = said.lower()
    if "shallow" in lowered:
        return "the source is a shallow clone: run `git fetch --unshallow` there, or give its upstream"
    if "promisor" in lowered or "lazy fetching" in lowered or "partial clone" in lowered:
        return (
            "the source is a partial clone: run `git fetch --refetch --no-filter` there, or give its upstream"
        )
    if "does not appear to be a git repository" in lowered or "not a git repository" in lowered:
        return "give the folder that holds .git, or a bare repository"
    if any(
        word in lowered for word in ("fsck", "index-pack", "pack-objects", "bad object", "missing", "corrupt")
    ):
        return "the source lacks an object or holds a broken one: run `git fsck` there, or give its upstream"
    if "out of memory" in lowered:
        return "raise git_memory_bytes_max"
    if _is_local(source):
        return "check that the folder exists and that this user may read it"
    if "could not resolve host" in lowered:
        return "check the host name and the network"
    if "authentication" in lowered or "terminal prompts" in lowered or "permission denied" in lowered:
        return "give a credential: an ssh agent, ~/.netrc, or user:token in the URL"
    return "check the URL; the next sync tries again"
