import time
from pathlib import Path

import pytest
from repository_builder import RepositoryBuilder

from collector.git import Git, clean, unquoted
from schemas.errors import SourceUnavailable


@pytest.fixture
def git(tmp_path: Path) -> Git:
    builder = RepositoryBuilder(tmp_path / "work")
    builder.commit("first", {"a.py": "one\n"})
    builder.git("tag", "v1.0")
    config = tmp_path / "gitconfig"
    config.write_text(f'[safe]\n\tdirectory = "{tmp_path / "work" / ".git"}"\n')
    return Git(tmp_path / "work" / ".git", config)


def test_a_revision_that_looks_like_an_option_names_nothing_and_writes_nothing(
    git: Git, tmp_path: Path
) -> None:
    target = tmp_path / "written"
    for hostile in (f"--output={target}", "-h", "--help", "@{-1}", ":/first", "a\nb", "a\0b", "", " "):
        found = git.commit(hostile)
        assert found is None or len(found) == 40
    assert not target.exists()


def test_a_tag_and_a_short_sha_become_the_full_id(git: Git) -> None:
    full = git.commit("v1.0")
    assert full is not None
    assert len(full) == 40
    assert git.commit(full[:8]) == full


def test_an_answer_beyond_its_bound_is_an_error_and_no_silent_cut(git: Git) -> None:
    with pytest.raises(SourceUnavailable) as caught:
        git.run("log", "--format=%H", timeout_s=10, bytes_max=5)
    assert caught.value.facts["reason"] == "too_large"


def test_a_slow_git_is_killed_at_its_time_limit(git: Git) -> None:
    started = time.monotonic()
    with pytest.raises(SourceUnavailable) as caught:
        # An alias of a shell command stands for any slow work; aliases come from our own configuration only.
        git.run("-c", "alias.wait=!sleep 30", "wait", timeout_s=0.3)
    assert caught.value.facts["reason"] == "timeout"
    assert time.monotonic() - started < 5


def test_a_failure_carries_what_git_said(git: Git) -> None:
    with pytest.raises(SourceUnavailable, match="git cat-file failed") as caught:
        git.run("cat-file", "blob", "0" * 40, timeout_s=10)
    assert caught.value.facts["returncode"] == 128


def test_a_reader_that_fails_ends_git(git: Git) -> None:
    def read_one_line() -> None:
        with git.stream("-c", "alias.wait=!yes", "wait", timeout_s=30) as output:
            output.readline()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        read_one_line()


def test_no_variable_of_our_own_reaches_git(git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "false")
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("SECRET", "x")
    seen = git.run("-c", "alias.show-env=!env", "show-env", timeout_s=10).decode()
    assert "SECRET" not in seen
    assert "GIT_EXTERNAL_DIFF" not in seen
    assert "HOME=" not in seen


def test_credentials_of_a_url_are_never_repeated() -> None:
    assert clean("fatal: https://me:token@host/x.git failed") == "fatal: https://***@host/x.git failed"


@pytest.mark.parametrize(
    ("printed", "name"),
    [
        (b"plain.py", "plain.py"),
        (b'"new\\nline\\t\\"q\\".py"', 'new\nline\t"q".py'),
        (b'"\\303\\274ber.py"', "über.py"),
        (b'"back\\\\slash"', "back\\slash"),
        ("grüße".encode(), "grüße"),
        (b"\xff.py", "\\xff.py"),
    ],
)
def test_a_quoted_path_is_read_back(printed: bytes, name: str) -> None:
    assert unquoted(printed) == name
