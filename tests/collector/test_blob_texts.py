from pathlib import Path
from typing import IO

import pytest
from repository_builder import NAME, RepositoryBuilder, settings, synced

from collector import blob_texts, mirror
from collector.blob_texts import BlobTexts, Lines
from collector.git import Git
from schemas.records import CommitSha

FILES: dict[str, str | bytes] = {
    "a.py": "x = 1\n\n  y = 2",
    "windows.txt": b"one\r\ntwo\r\n",
    "empty": "",
    "日本.py": "x = 1\n",
    "folder/b.py": "missing\nabc blob 3\n",
    "data.bin": b"\0\1\2\n\n",
    "latin.txt": b"caf\xe9\n",
    "large.txt": "line\n" * 2_000_000,
    "a space: colon.py": "z = 3\n",
    "new\nline.py": "w = 4\n",
}
EXPECTED = {
    "a.py": ("x = 1", "", "  y = 2"),
    "windows.txt": ("one", "two"),
    "empty": (),
    "日本.py": ("x = 1",),
    "folder/b.py": ("missing", "abc blob 3"),
    "data.bin": (),
    "latin.txt": ("caf\ufffd",),
    "large.txt": (),
    "a space: colon.py": ("z = 3",),
    "new\nline.py": ("w = 4",),
    "folder": (),
    "no/such.py": (),
    "nul\0": (),
    "": (),
}


@pytest.fixture
def git_at(tmp_path: Path) -> tuple[Git, CommitSha]:
    builder = RepositoryBuilder(tmp_path / "work")
    head = CommitSha(builder.commit("all", FILES))
    synced(tmp_path, builder)
    git = mirror.opened(settings(tmp_path), NAME)
    assert git is not None
    return git, head


def texts() -> BlobTexts:
    return BlobTexts(one_s=10, many_s=60)


def test_files_read_together_have_the_lines_that_each_has_alone(git_at: tuple[Git, CommitSha]) -> None:
    git, head = git_at
    places = [(head, path) for path in EXPECTED]
    together = dict(texts().each(git, NAME, places))
    assert {path: lines for (_, path), lines in together.items()} == EXPECTED
    alone = texts()
    assert {path: alone.of(git, NAME, (head, path)) for path in EXPECTED} == EXPECTED


def test_any_number_of_files_are_one_process_and_what_was_read_is_none(
    git_at: tuple[Git, CommitSha], monkeypatch: pytest.MonkeyPatch
) -> None:
    git, head = git_at
    started: list[str] = []
    start = Git._start
    monkeypatch.setattr(
        Git,
        "_start",
        lambda self, arguments, *rest: started.append(arguments[0]) or start(self, arguments, *rest),
    )
    found = texts()
    places = [(head, path) for path in EXPECTED if "\n" not in path]
    first = dict(found.each(git, NAME, [*places, *places]))
    assert started == ["cat-file"]
    assert dict(found.each(git, NAME, reversed(places))) == first
    assert started == ["cat-file"]


def test_what_git_did_not_get_to_is_read_file_by_file(
    git_at: tuple[Git, CommitSha], monkeypatch: pytest.MonkeyPatch
) -> None:
    git, head = git_at
    read, calls = blob_texts._object, 0

    def cut(output: IO[bytes]) -> Lines | None:
        nonlocal calls
        calls += 1
        return read(output) if calls <= 2 else None

    monkeypatch.setattr(blob_texts, "_object", cut)
    together = dict(texts().each(git, NAME, [(head, path) for path in EXPECTED]))
    assert {path: lines for (_, path), lines in together.items()} == EXPECTED
