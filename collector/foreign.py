"""Commits of a repository that is not ours, read in place and without a store.

Its folder lends its objects only. The refs that its own git tells stand in a bare repository of ours, in a temporary
folder, which alone is opened: its configuration, hooks, attributes and work tree are never read.
"""

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from collector import history, mirror
from collector.git import HEX, Git, clean
from schemas.errors import MalformedInput, SourceUnavailable
from schemas.records import Commit, CommitSha, RepositoryName
from schemas.settings import Settings

REFS_BYTES_MAX = 256 * 1024 * 1024
_GITDIR_BYTES_MAX = 4096


@contextlib.contextmanager
def borrowed(path: Path, settings: Settings) -> Iterator[Git]:
    """git on the objects and refs of the repository at ``path`` (a work tree, a linked one, or bare).

    Raises:
        MalformedInput: ``path`` is no git repository.
        SourceUnavailable: git does not read it.
    """
    stated = path.expanduser().resolve()
    common = _common_directory(stated)
    with tempfile.TemporaryDirectory(prefix="aftermerge-") as folder:
        where = Path(folder) / "borrowed.git"
        config = Path(folder) / "gitconfig"
        safe = "".join(
            f"\tdirectory = {mirror.quoted(p)}\n" for p in (where, stated, stated / ".git", common)
        )
        config.write_text(f"[safe]\n{safe}", encoding="utf-8")
        refs = _refs(Git(None, config), common, settings)
        digits = max((len(sha) for sha in refs.values()), default=40)
        form = "sha256" if digits == 64 else "sha1"
        git = Git(where, config)
        git.run(
            *("init", "--quiet", "--bare", "--template=", f"--object-format={form}", str(where)),
            timeout_s=settings.git_timeout_s,
        )
        (where / "objects" / "info").mkdir(exist_ok=True)
        (where / "objects" / "info" / "alternates").write_text(f"{common / 'objects'}\n", encoding="utf-8")
        head = refs.pop("HEAD", None)
        (where / "packed-refs").write_text(
            "".join(f"{sha} {name}\n" for name, sha in sorted(refs.items())), encoding="utf-8"
        )
        if head:
            (where / "HEAD").write_text(f"{head}\n", encoding="ascii")
        yield git


def commits(git: Git, name: RepositoryName, names: Sequence[str], settings: Settings) -> Iterator[Commit]:
    """The commits that ``names`` mean, with their git-ai notes: one per revision, all of a range ``A..B``.

    Raises:
        MalformedInput: a name that names no commit here; told before anything is read.
    """
    asked = [_asked(git, text) for text in names]
    notes = git.commit(mirror.NOTES_REF)
    for revisions in asked:
        rows = list(
            history.read_commits(
                git, name, revisions, is_walk=len(revisions) > 1, timeout_s=settings.git_timeout_s
            )
        )
        texts = (
            history.read_notes(
                git,
                notes,
                {row["sha"] for row in rows},
                note_bytes_max=settings.note_bytes_max,
                timeout_s=settings.git_timeout_s,
            )
            if notes
            else {}
        )
        for row in rows:
            yield _commit(row, texts.get(row["sha"]))


def _asked(git: Git, text: str) -> tuple[str, ...]:
    """One hex id, or two for a range: the newer, and the older with ``^``."""
    older, dots, newer = text.partition("..")
    if dots and not newer.startswith("."):
        return _resolved(git, newer or "HEAD", text), f"^{_resolved(git, older or 'HEAD', text)}"
    return (_resolved(git, text, text),)


def _resolved(git: Git, revision: str, stated: str) -> CommitSha:
    found = git.commit(revision)
    if found is None:
        raise MalformedInput(
            f"{stated!r} names no commit of this repository",
            hint="give a commit id, a branch, a tag, HEAD~2, or a range such as v1.0..HEAD",
        )
    return found


def _common_directory(path: Path) -> Path:
    """The folder that holds ``objects``: of a work tree, of one that ``git worktree add`` made, or of a bare one."""
    for place in (path / ".git", path):
        found = _named_in(place, "gitdir:", path) if place.is_file() else place
        if (found / "commondir").is_file():
            found = _named_in(found / "commondir", "", found)
        if (found / "objects").is_dir() and (found / "HEAD").exists():
            return found.resolve()
    raise MalformedInput(
        f"{path} is no git repository", hint="give the folder that holds .git, or a bare repository"
    )


def _named_in(file: Path, key: str, base: Path) -> Path:
    with file.open("rb") as opened:
        text = opened.read(_GITDIR_BYTES_MAX).decode("utf-8", "surrogateescape")
    return base / text.strip().removeprefix(key).strip()


def _refs(git: Git, source: Path, settings: Settings) -> dict[str, str]:
    try:
        answer = git.run(
            *("ls-remote", "--quiet", "--end-of-options", str(source)),
            timeout_s=settings.git_timeout_s,
            bytes_max=REFS_BYTES_MAX,
            protocols=mirror.LOCAL_PROTOCOLS,
        )
    except SourceUnavailable as error:
        if error.facts.get("reason") != "failed":
            raise
        raise SourceUnavailable(
            f"cannot read {source}: {clean(str(error.facts.get('stderr') or error)).splitlines()[0]}",
            hint="check that it is a git repository that this user may read",
        ) from error
    refs = {}
    for line in answer.decode("utf-8", "surrogateescape").splitlines():
        sha, _, name = line.partition("\t")
        # A peeled tag stands for no ref of its own.
        is_ref = name == "HEAD" or (name.startswith("refs/") and not name.endswith("^{}"))
        if HEX.fullmatch(sha) and is_ref and not any(c.isspace() for c in name):
            refs[name] = sha
    return refs


def _commit(row: dict[str, object], note: str | None) -> Commit:
    fields = {name: row[name] for name in Commit.__dataclass_fields__ if name in row}
    return Commit(**(fields | {"parents": tuple(row["parents"]), "note": note}))  # type: ignore[arg-type]
