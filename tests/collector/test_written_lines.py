"""Who wrote a line: through moves, through commits that are looked through, and where a fix touched it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from repository_builder import RepositoryBuilder

from collector import foreign, written_lines
from collector.git import Git
from schemas.locations import OwnedFile, Stretch
from schemas.records import CommitSha
from schemas.settings import Settings

CART = "def total(items):\n    amount = sum(items)\n    return amount\n"


class Shop:
    def __init__(self, path: Path) -> None:
        self.builder = RepositoryBuilder(path)
        self.born = self.sha("Add a cart", {"cart.py": CART, "tax.py": "RATE = 0.2\n"})

    def sha(self, message: str, files: dict[str, str | bytes | None]) -> CommitSha:
        return CommitSha(self.builder.commit(message, files))


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "shop")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path / "data")


@pytest.fixture
def git(shop: Shop, settings: Settings) -> Iterator[Git]:
    # Objects are read in place: commits of later steps are found, too.
    with foreign.borrowed(shop.builder.path, settings) as opened:
        yield opened


def owned(git: Git, revision: CommitSha, path: str, settings: Settings) -> OwnedFile:
    texts = written_lines.texts(git, revision, path, settings)
    return OwnedFile(path, texts, written_lines.owners(git, revision, path, settings))


def test_a_fix_is_known_by_the_lines_that_it_removes_and_where_it_inserts(
    shop: Shop, git: Git, settings: Settings
) -> None:
    fixed = "def total(items):\n    amount = sum(items) or 0\n    check(amount)\n    return amount\n"
    fix = shop.sha("Mend", {"cart.py": fixed, "tax.py": "LOW = 0.1\nRATE = 0.2\n", "new.py": "x = 1\n"})
    diff = written_lines.diffs(git, [fix], settings)[fix]
    found = written_lines.stretches(diff)
    assert set(found) == {Stretch("cart.py", 2, 2), Stretch("tax.py", 1, 0)}
    assert [s.is_insertion for s in sorted(found, key=lambda s: s.path)] == [False, True]
    assert diff.parents == (shop.born,)


def test_a_line_belongs_to_whoever_wrote_it(shop: Shop, git: Git, settings: Settings) -> None:
    changed = shop.sha("Round", {"cart.py": CART.replace("sum(items)", "round(sum(items))")})
    file = owned(git, changed, "cart.py", settings)
    assert [file.owners[n].sha for n in (1, 2, 3)] == [shop.born, changed, shop.born]
    assert file.texts[1] == "    amount = round(sum(items))"


def test_a_moved_line_belongs_to_whoever_wrote_it_in_the_other_file(
    shop: Shop, git: Git, settings: Settings
) -> None:
    body = "".join(f"    {line}\n" for line in CART.splitlines())
    moved = shop.sha("Move", {"cart.py": None, "shop/prices.py": "class Cart:\n" + body})
    file = owned(git, moved, "shop/prices.py", settings)
    known = written_lines.diffs(git, [moved], settings)
    followed = written_lines.followed(git, file, [1, 3], known, settings)
    assert followed.owners[3].sha == shop.born
    assert followed.owners[3].mover == moved
    assert followed.owners[1].sha == moved, "a new line was not moved"


def test_a_line_of_a_commit_that_is_looked_through_belongs_to_whoever_wrote_it_before(
    shop: Shop, git: Git, settings: Settings
) -> None:
    later = shop.sha("Rename", {"cart.py": CART.replace("amount", "amounts")})
    plain = written_lines.owners(git, later, "cart.py", settings, lines=[2])
    through = written_lines.owners(git, later, "cart.py", settings, lines=[2], looked_through=[later])
    assert plain[2].sha == later
    assert through[2].sha == shop.born


def test_commits_that_the_repository_says_to_ignore_are_looked_through(
    shop: Shop, git: Git, settings: Settings
) -> None:
    formatted = shop.sha("Format", {"cart.py": CART.replace("sum(items)", "sum( items )")})
    head = shop.sha("Ignore", {".git-blame-ignore-revs": f"# formatter\n{formatted}\n"})
    assert written_lines.owners(git, head, "cart.py", settings, lines=[2])[2].sha == shop.born
    plain = written_lines.owners(git, head, "cart.py", settings, lines=[2], looked_through=None)
    assert plain[2].sha == formatted


def test_a_file_that_is_binary_or_missing_has_no_lines(shop: Shop, git: Git, settings: Settings) -> None:
    head = shop.sha("Picture", {"a.png": b"\x89PNG\0\0"})
    assert written_lines.texts(git, head, "a.png", settings) == ()
    assert written_lines.texts(git, head, "nowhere.py", settings) == ()
    assert written_lines.owners(git, head, "nowhere.py", settings) == {}
