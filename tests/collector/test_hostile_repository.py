"""A repository that means harm is read like any other: nothing of it runs, nothing is written beside the data folder."""

import shutil
import subprocess
from pathlib import Path

import pytest
from repository_builder import NAME, RepositoryBuilder, settings, synced

from collector import mirror, repositories
from collector.git_answers import GitAnswers
from correlator import line_owners
from schemas.errors import SourceUnavailable
from schemas.records import CommitSha
from schemas.settings import MIB
from schemas.store import Store

HOOKS = (
    "post-checkout",
    "post-update",
    "pre-auto-gc",
    "pre-receive",
    "proc-receive",
    "reference-transaction",
    "update",
    "fsmonitor-watchman",
)
WHO = b"Eve <eve@example.com> 1767225600 +0000"


class Trap:
    """A repository at ``work`` whose every program leaves a mark when it runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = folder / "it-ran"
        self.program = folder / "program"
        self.program.write_text(f"#!/bin/sh\necho ran >> {self.mark}\ncat\n")
        self.program.chmod(0o755)
        self.builder = RepositoryBuilder(folder / "work")

    def set(self) -> None:
        program = str(self.program)
        for name, value in {
            "core.fsmonitor": program,
            "core.hooksPath": str(self.folder / "work" / ".git" / "hooks"),
            "core.sshCommand": program,
            "core.pager": program,
            "core.askPass": program,
            "core.alternateRefsCommand": program,
            "core.gitProxy": program,
            "credential.helper": f"!{program}",
            "diff.external": program,
            "diff.evil.textconv": program,
            "diff.evil.command": program,
            "filter.evil.clean": program,
            "filter.evil.smudge": program,
            "filter.evil.process": program,
            "merge.evil.driver": program,
            "gpg.program": program,
            "uploadpack.packObjectsHook": program,
            "alias.log": f"!{program}",
            "protocol.ext.allow": "always",
            "url.ext::sh -c true.insteadOf": "https://",
            "log.showSignature": "true",
        }.items():
            self.builder.git("config", name, value)
        for name in HOOKS:
            hook = self.folder / "work" / ".git" / "hooks" / name
            hook.parent.mkdir(exist_ok=True)
            shutil.copy(self.program, hook)

    def written(self) -> dict[str, float]:
        """Every file beside the data folder, with the time of its last change."""
        return {
            str(path): path.lstat().st_mtime
            for path in self.folder.rglob("*")
            if "data" not in path.relative_to(self.folder).parts[:1]
        }


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trap:
    for name in ("home", "temporary"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    return Trap(tmp_path)


def imported(builder: RepositoryBuilder, stream: bytes) -> None:
    subprocess.run(
        ["git", "fast-import", "--quiet"], cwd=builder.path, input=stream, check=True, capture_output=True
    )


def one_file(path: bytes, content: bytes = b"x = 1\n", *, branch: bytes = b"main") -> bytes:
    """A commit of one file, for ``git fast-import``."""
    return b"commit refs/heads/%s\ncommitter %s\ndata 3\none\nM 100644 inline %s\ndata %d\n%s\n" % (
        branch,
        WHO,
        path,
        len(content),
        content,
    )


def test_no_program_of_a_repository_runs_and_nothing_is_written_beside_the_data_folder(trap: Trap) -> None:
    target = trap.folder / "written"
    evil = "* diff=evil filter=evil merge=evil\n"
    modules = (
        '[submodule "x"]\n\tpath = x\n\turl = ext::sh -c "touch it-ran"\n'
        '[submodule "y"]\n\tpath = y\n\turl = --upload-pack=touch\n'
    )
    first = trap.builder.commit("first", {"a.py": "x = 1\n", ".gitattributes": evil, ".gitmodules": modules})
    trap.builder.git("update-index", "--add", "--cacheinfo", f"160000,{first},x")
    names = (f"--output={target}", "-O", "--ext-diff", ":(exclude)a.py", "--", "$(touch it-ran)", "a;b|c.py")
    (trap.builder.path / f"--output={trap.folder}").mkdir(parents=True)
    for name in names:
        trap.builder.write({name: "y = 2\n"})
    trap.builder.git("add", "--all")
    trap.builder.git("commit", "--quiet", "-m", f"--output={target}")
    trap.builder.git("update-ref", f"refs/tags/--output={target.name}", first)
    trap.builder.git("update-ref", "refs/heads/--upload-pack=touch", first)
    ignored = trap.builder.commit("format", {"a.py": "x  =  1\n"})
    head = CommitSha(trap.builder.commit("ignore", {".git-blame-ignore-revs": f"{ignored}\n--output=x\n"}))
    trap.builder.git("checkout", "--quiet", "-b", "later")
    later = trap.builder.commit("more", {"a.py": "x = 2\n"})
    trap.builder.git("checkout", "--quiet", "main")
    trap.set()
    before = trap.written()

    store = synced(trap.folder, trap.builder)
    port = GitAnswers(store, settings(trap.folder))
    for revision in (
        f"--output={target}",
        f"--output={target.name}",
        "--exec=touch",
        "ext::sh -c true",
        "-h",
    ):
        port.resolve(NAME, revision)
    for path in (*names, "a.py", "x", f"../../{target.name}", "\0", "a.py\nb"):
        port.blame(NAME, head, path, (1, 2**31 - 1))
        port.excerpt(NAME, head, path, 1)
    for text in (*names, "-O touch", "--open-files-in-pager=touch", "x = 1"):
        port.search(NAME, head, text)
    assert port.blame(NAME, head, "a.py", (1,))[1].sha == first
    assert port.blame(NAME, head, names[0], (1,)) != {}
    assert line_owners.follow(store, NAME) == 4
    assert trap.written() == before
    # By hand: git itself would run the hooks of this work tree.
    (trap.builder.path / ".git" / "refs" / "heads" / "main").write_text(f"{later}\n")
    before = trap.written()
    assert repositories.sync(store, settings(trap.folder), NAME).changes_added == 1
    assert trap.written() == before
    assert not trap.mark.exists()
    # The trap works: whoever opens the work tree runs it.
    trap.builder.git("status")
    assert trap.mark.exists()


def test_a_source_that_lacks_objects_cannot_make_git_fetch_them_by_a_program(trap: Trap) -> None:
    trap.builder.commit("first", {"a.py": "x = 1\n"})
    trap.builder.git("config", "uploadpack.allowFilter", "true")
    partial = trap.folder / "partial"
    clone = ["git", "clone", "--quiet", "--bare", "--filter=blob:none", f"file://{trap.builder.path}"]
    subprocess.run([*clone, str(partial)], check=True, timeout=30)
    for name, value in (("uploadpack", str(trap.program)), ("url", f"ext::{trap.program}")):
        subprocess.run(["git", "config", f"remote.origin.{name}", value], cwd=partial, check=True)
    store = Store.open()
    repositories.add(store, settings(trap.folder), repository=NAME, source=str(partial))
    with pytest.raises(SourceUnavailable, match=NAME):
        repositories.sync(store, settings(trap.folder), NAME)
    assert not trap.mark.exists()


def test_a_huge_line_is_no_text_and_is_held_once_at_most(tmp_path: Path) -> None:
    builder = RepositoryBuilder(tmp_path / "work")
    with (builder.path / "one-line.js").open("wb") as file:
        for _ in range(64):
            file.write(b"x" * MIB)
    head = CommitSha(builder.commit("huge", {"a.py": "x = 1\n"}))
    # git reads a binary file that is new; whoever made lines of it or held it twice would fail here.
    own = settings(tmp_path).model_copy(update={"git_memory_bytes_max": 96 * MIB})
    store = Store.open()
    repositories.add(store, own, repository=NAME, source=str(builder.path))
    repositories.sync(store, own, NAME)
    rows = {r["path"]: r["is_binary"] for r in store.rows("SELECT path, is_binary FROM change_paths")}
    assert rows == {"a.py": False, "one-line.js": True}
    port = GitAnswers(store, own)
    assert port.blame(NAME, head, "one-line.js", (1,)) == {}
    assert port.excerpt(NAME, head, "one-line.js", 1) == ()
    assert port.search(NAME, head, "xxxx") == ()
    assert port.blame(NAME, head, "a.py", (1,))[1].sha == head


def test_a_blob_that_does_not_fit_costs_the_lines_of_its_change_only(tmp_path: Path) -> None:
    builder = RepositoryBuilder(tmp_path / "work")
    (builder.path / "one-line.js").write_bytes(b"x" * (40 * MIB))
    huge = builder.commit("huge", {"a.py": "x = 1\n"})
    next_ = builder.commit("next", {"b.py": "y = 1\n"})
    own = settings(tmp_path).model_copy(update={"git_memory_bytes_max": 32 * MIB})
    store = Store.open()
    repositories.add(store, own, repository=NAME, source=str(builder.path))
    assert repositories.sync(store, own, NAME).changes_unread == (huge,)
    rows = store.rows("SELECT sha, path FROM change_paths WHERE NOT is_binary")
    assert [(row["sha"], row["path"]) for row in rows] == [(next_, "b.py")]


def test_a_tree_that_unfolds_endlessly_is_refused_by_name_with_the_next_step(tmp_path: Path) -> None:
    builder = RepositoryBuilder(tmp_path / "work")
    first = builder.commit("first", {"a.py": "x = 1\n"})

    def made(command: str, told: bytes) -> bytes:
        done = subprocess.run(
            ["git", *command.split()], cwd=builder.path, input=told, check=True, capture_output=True
        )
        return done.stdout.strip()

    blob = made("hash-object -w --stdin", b"x\n")
    entries = b"".join(b"100644 blob %s\tf%d\n" % (blob, n) for n in range(10))
    for _ in range(10):
        tree = made("mktree", entries)
        entries = b"".join(b"040000 tree %s\td%d\n" % (tree, n) for n in range(10))
    bomb = builder.git("commit-tree", "-p", first, "-m", "bomb", tree.decode()).strip()
    builder.git("update-ref", "refs/heads/main", bomb)
    store = Store.open()
    own = settings(tmp_path).model_copy(update={"git_memory_bytes_max": 128 * MIB})
    repositories.add(store, own, repository=NAME, source=str(builder.path))
    with pytest.raises(SourceUnavailable, match=NAME) as caught:
        repositories.sync(store, own, NAME)
    assert bomb in str(caught.value)
    assert "git_memory_bytes_max" in caught.value.hint
    assert [row["sha"] for row in store.rows("SELECT sha FROM mainline")] == [first]


def test_an_octopus_and_a_deep_tree_are_commits_like_others(tmp_path: Path) -> None:
    builder = RepositoryBuilder(tmp_path / "work")
    parents = 10_000
    stream = [
        b"commit refs/heads/p\nmark :%d\ncommitter %s\ndata 1\np\ndeleteall\nM 100644 inline f%d\ndata 2\nx\n\n"
        % (n, WHO, n)
        for n in range(1, parents + 1)
    ]
    merged = b"".join(b"merge :%d\n" % n for n in range(2, parents + 1))
    stream += [b"commit refs/heads/main\ncommitter %s\ndata 1\nm\nfrom :1\n%s\n" % (WHO, merged)]
    stream += [
        b"commit refs/heads/main\ncommitter %s\ndata 1\nd\nM 100644 inline %sf\ndata 2\nx\n\n"
        % (WHO, b"d/" * 2000)
    ]
    imported(builder, b"".join(stream))
    store = synced(tmp_path, builder)
    assert store.value("SELECT max(len(parents)) AS n FROM commits") == parents
    assert store.value("SELECT count(*) AS n FROM mainline") == 3
    assert store.value("SELECT max(length(path)) AS n FROM change_paths") == 4001
    assert line_owners.follow(store, NAME) == 3


def test_a_huge_message_is_cut(tmp_path: Path) -> None:
    builder = RepositoryBuilder(tmp_path / "work")
    size = 20 * MIB
    stream = b"commit refs/heads/main\ncommitter %s\ndata %d\n%s\nM 100644 inline f\ndata 2\nx\n\n"
    imported(builder, stream % (WHO, size, b"m" * size))
    builder.git("reset", "--quiet", "--hard", "main")
    builder.commit("next", {"g": "y\n"})
    store = synced(tmp_path, builder)
    lengths = store.rows("SELECT length(message) AS n FROM commits ORDER BY n")
    assert [row["n"] for row in lengths] == [len("next\n"), MIB]


def test_git_and_its_children_are_held_to_their_memory(tmp_path: Path) -> None:
    synced(tmp_path, RepositoryBuilder(tmp_path / "work"))
    own = settings(tmp_path).model_copy(update={"git_memory_bytes_max": 256 * MIB})
    git = mirror.opened(own, NAME)
    assert git is not None
    limit = git.run("-c", "alias.limit=!ulimit -d", "limit", timeout_s=10)
    assert int(limit) == 256 * 1024
