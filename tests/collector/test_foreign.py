"""Foreign repositories are read in place, and nothing of theirs runs."""

from pathlib import Path

import pytest
from repository_builder import RepositoryBuilder, settings

from collector import foreign
from schemas.errors import MalformedInput, SourceUnavailable
from schemas.records import Commit, RepositoryName

NAME = RepositoryName("work")
NOTE = "a.py\n  s_0123456789abcd::t_0123456789abcd 1-2\n---\n{}"


@pytest.fixture
def builder(tmp_path: Path) -> RepositoryBuilder:
    made = RepositoryBuilder(tmp_path / "work")
    made.commit("first", {"a.py": "one\n"})
    made.commit("second\n\nCo-authored-by: Claude <noreply@anthropic.com>\n", {"a.py": "one\n2\n"})
    made.commit("third", {"b.py": "three\n"})
    return made


def read(tmp_path: Path, where: Path, *names: str) -> list[Commit]:
    chosen = settings(tmp_path)
    with foreign.borrowed(where, chosen) as git:
        return list(foreign.commits(git, NAME, names, chosen))


def test_revisions_and_ranges_name_commits(tmp_path: Path, builder: RepositoryBuilder) -> None:
    builder.git("tag", "-a", "v1", "-m", "one", "HEAD~1")
    subjects = [
        c.message.splitlines()[0]
        for c in read(tmp_path, builder.path, "HEAD", "v1", "HEAD~2..main", "main~2")
    ]
    assert subjects == ["third", "second", "third", "second", "first"]
    assert [c.sha for c in read(tmp_path, builder.path, builder.head()[:9])] == [builder.head()]


def test_a_work_tree_a_linked_one_and_a_bare_one_are_repositories(
    tmp_path: Path, builder: RepositoryBuilder
) -> None:
    builder.git("worktree", "add", "--quiet", str(tmp_path / "linked"), "-b", "other")
    builder.git("clone", "--quiet", "--bare", str(builder.path), str(tmp_path / "bare.git"))
    for where in (builder.path, tmp_path / "linked", tmp_path / "bare.git"):
        assert [c.sha for c in read(tmp_path, where, "HEAD")] == [builder.head()]


def test_notes_come_with_their_commits(tmp_path: Path, builder: RepositoryBuilder) -> None:
    builder.git("notes", "--ref=ai", "add", "-m", NOTE, "HEAD~1")
    first, second = read(tmp_path, builder.path, "HEAD", "HEAD~1")
    assert first.note is None
    assert second.note is not None
    assert second.note.strip() == NOTE


def test_a_hostile_repository_runs_nothing(tmp_path: Path, builder: RepositoryBuilder) -> None:
    trap = tmp_path / "ran"
    program = tmp_path / "trap.sh"
    program.write_text(f"#!/bin/sh\ntouch {trap}\nexit 1\n")
    program.chmod(0o755)
    for name in (
        "core.fsmonitor",
        "core.sshCommand",
        "core.pager",
        "diff.external",
        "uploadpack.packObjectsHook",
    ):
        builder.git("config", name, str(program))
    builder.git("config", "core.alternateRefsCommand", str(program))
    for hook in ("pre-auto-gc", "post-checkout", "reference-transaction"):
        target = builder.path / ".git" / "hooks" / hook
        target.parent.mkdir(exist_ok=True)
        target.write_text(program.read_text())
        target.chmod(0o755)
    assert len(read(tmp_path, builder.path, "HEAD~2..HEAD")) == 2
    assert not trap.exists()


@pytest.mark.parametrize(
    "name", ["--output=evil", "-p", "nothing", "HEAD..nothing", "", "a b", "HEAD...main"]
)
def test_what_names_no_commit_is_refused(tmp_path: Path, builder: RepositoryBuilder, name: str) -> None:
    with pytest.raises(MalformedInput, match="names no commit"):
        read(tmp_path, builder.path, name)
    assert not (tmp_path / "evil").exists()
    assert not (builder.path / "evil").exists()


def test_a_folder_without_a_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MalformedInput, match="is no git repository"):
        read(tmp_path, tmp_path, "HEAD")
    broken = tmp_path / "broken"
    (broken / ".git" / "objects").mkdir(parents=True)
    (broken / ".git" / "HEAD").write_text("nonsense")
    with pytest.raises(SourceUnavailable, match="cannot read"):
        read(tmp_path, broken, "HEAD")


def test_nothing_is_left_behind(tmp_path: Path, builder: RepositoryBuilder) -> None:
    before = sorted(p for p in builder.path.rglob("*"))
    with foreign.borrowed(builder.path, settings(tmp_path)) as git:
        assert git.directory is not None
        made = git.directory
        assert made.exists()
    assert not made.exists()
    assert sorted(p for p in builder.path.rglob("*")) == before
