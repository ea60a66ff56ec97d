import os
import shutil
from pathlib import Path

import pytest
from repository_builder import NAME, RepositoryBuilder, settings, synced

from collector import mirror, repositories
from collector.git_answers import GitAnswers
from schemas.records import BlamedLine, CommitSha, RepositoryName
from schemas.store import Store

TEXT = "def rate(code):\n    return RATES[code]\n\n\ndef total(cart):\n    return sum(cart)\n"


class Shop:
    """A synced repository of three commits, with a store and its port."""

    def __init__(self, tmp_path: Path) -> None:
        self.tmp_path = tmp_path
        self.builder = RepositoryBuilder(tmp_path / "work")
        self.first = CommitSha(self.builder.commit("first", {"shop/rates.py": TEXT, "日本.py": "x = 1\n"}))
        self.builder.git("tag", "v1.2.3")
        self.second = CommitSha(
            self.builder.commit("second", {"shop/rates.py": TEXT.replace("RATES[code]", "RATES.get(code)")})
        )
        self.builder.git("tag", "-a", "2.0", "-m", "annotated")
        self.third = CommitSha(self.builder.commit("third", {"data.bin": b"\0\1\2"}))
        self.store = synced(tmp_path, self.builder)
        self.port = GitAnswers(self.store, settings(tmp_path))

    def without_git(self) -> GitAnswers:
        return GitAnswers(self.store, settings(self.tmp_path), is_replay=True)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_every_spelling_of_a_revision_names_its_commit(shop: Shop) -> None:
    second = shop.second
    for text in (
        second,
        second.upper(),
        second[:7],
        second[:12],
        f" {second} ",
        "2.0",
        "v2.0",
        f"1.2.3+g{second[:7]}",
        f"1.2.3+{second[:10]}.dirty",
        f"v1.2.3-1-g{second[:8]}",
        f"git-{second[:7]}",
        f"sha-{second[:7]}",
        f"main-{second[:9]}",
        f"20260103-{second[:7]}",
        f"2026-01-03.{second[:7]}",
        f"registry.example.com/shop:{second[:7]}",
    ):
        assert shop.port.resolve(NAME, text) == second, text
    assert shop.port.resolve(NAME, "1.2.3") == shop.first
    assert shop.port.resolve(NAME, "v1.2.3") == shop.first


def test_a_version_is_the_tag_of_its_own_service(shop: Shop) -> None:
    for tag in ("cart/v1.0.0", "services/web/v1.1.0", "v1.1.0"):
        shop.builder.git("tag", tag, shop.first)
    for tag in ("web/2.0.0", "cart-1.1.0", "@acme/mail@1.0.0"):
        shop.builder.git("tag", tag, shop.second)
    repositories.sync(shop.store, settings(shop.tmp_path), NAME)

    def named(text: str, *names: str) -> str | None:
        return shop.port.resolve(NAME, text, names)

    assert named("1.1.0", "cart") == shop.second
    assert named("v1.0.0", "Cart") == shop.first
    assert named("1.1.0", "web", "services/web") == shop.first
    assert named("2.0.0", "web", "services/web") == shop.second
    assert named("1.0.0", "mail") == shop.second
    # Its tags have a name for the service, and none of this version: another service's v1.1.0 is not it.
    assert named("1.1.0", "mail") is None
    # No tag has a name for it: the tags are the repository's.
    assert named("1.1.0", "orders") == shop.first
    # As sent in full, or a commit: no question of whose.
    assert named("cart/v1.0.0", "web") == shop.first
    assert named(shop.second[:9], "web") == shop.second


def test_a_tag_of_the_service_is_found_after_a_later_sync(shop: Shop) -> None:
    shop.builder.git("tag", "cart/v1.0.0", shop.first)
    repositories.sync(shop.store, settings(shop.tmp_path), NAME)
    assert shop.port.resolve(NAME, "1.5.0", ("cart",)) is None
    shop.builder.git("tag", "cart/v1.5.0", shop.third)
    repositories.sync(shop.store, settings(shop.tmp_path), NAME)
    assert shop.port.resolve(NAME, "1.5.0", ("cart",)) == shop.third


NO_REVISIONS = (
    "main",
    "HEAD",
    "refs/heads/main",
    "latest",
    "",
    "20260103",
    "v1.2.3^{tree}",
    "v1.2.3~0",
    ":/second",
    "@{-1}",
    "--output=x",
    "-x",
    "x" * 5000,
    "a\0b",
    "@" * 190 + "~",
    "deadbee",
    "sha256:" + "0" * 64,
)


def test_what_is_no_commit_and_no_tag_names_nothing(shop: Shop) -> None:
    for text in NO_REVISIONS:
        assert shop.port.resolve(NAME, text) is None, text
    assert not Path("x").exists()


def test_a_revision_that_named_nothing_is_asked_again_after_a_sync(shop: Shop) -> None:
    assert shop.port.resolve(NAME, "v3.0") is None
    shop.builder.git("tag", "v3.0")
    assert shop.port.resolve(NAME, "v3.0") is None
    report = repositories.sync(shop.store, settings(shop.tmp_path), NAME)
    assert report.revisions_resolved == 1
    assert shop.port.resolve(NAME, "v3.0") == shop.third


def test_nothing_is_remembered_of_a_repository_that_was_never_synced(tmp_path: Path) -> None:
    store = Store.open()
    port = GitAnswers(store, settings(tmp_path))
    assert port.resolve(RepositoryName("acme/other"), "v1") is None
    assert store.value("SELECT count(*) AS n FROM git_revisions") == 0


def test_answers_are_replayed_without_git(shop: Shop) -> None:
    asked = [
        shop.port.resolve(NAME, "2.0"),
        shop.port.tree(NAME, shop.third),
        shop.port.blame(NAME, shop.third, "shop/rates.py", (1, 2, 99)),
        shop.port.excerpt(NAME, shop.third, "shop/rates.py", 2, 1),
        shop.port.search(NAME, shop.third, "RATES"),
    ]
    mirror.directory(settings(shop.tmp_path), NAME).rename(shop.tmp_path / "gone.git")
    replay = shop.without_git()
    assert asked == [
        replay.resolve(NAME, "2.0"),
        replay.tree(NAME, shop.third),
        replay.blame(NAME, shop.third, "shop/rates.py", (1, 2, 99)),
        replay.excerpt(NAME, shop.third, "shop/rates.py", 2, 1),
        replay.search(NAME, shop.third, "RATES"),
    ]


def test_a_question_about_a_commit_that_is_not_there_is_not_stored(shop: Shop) -> None:
    missing = CommitSha("0" * 40)
    assert shop.port.tree(NAME, missing) == ()
    assert shop.port.blame(NAME, missing, "shop/rates.py", (1,)) == {}
    assert shop.port.excerpt(NAME, missing, "shop/rates.py", 1) == ()
    assert shop.port.search(NAME, missing, "RATES") == ()
    for table in ("git_trees", "git_blames", "git_answers"):
        assert shop.store.value(f"SELECT count(*) AS n FROM {table}") == 0


def test_a_tree_lists_files_sorted_with_their_real_names(shop: Shop) -> None:
    assert shop.port.tree(NAME, shop.first) == ("shop/rates.py", "日本.py")
    assert shop.port.tree(NAME, shop.third) == ("data.bin", "shop/rates.py", "日本.py")


def test_a_blame_names_the_commit_the_path_and_the_line_of_birth(shop: Shop) -> None:
    shop.builder.git("mv", "shop/rates.py", "shop/prices.py")
    moved = CommitSha(shop.builder.commit("move", {"extra.py": "1\n"}))
    repositories.sync(shop.store, settings(shop.tmp_path), NAME)
    assert shop.port.blame(NAME, moved, "shop/prices.py", (2, 6)) == {
        2: BlamedLine(2, shop.second, "shop/rates.py", 2),
        6: BlamedLine(6, shop.first, "shop/rates.py", 6),
    }


def test_one_blame_answers_many_lines_and_leaves_out_those_that_are_not_there(shop: Shop) -> None:
    answer = shop.port.blame(NAME, shop.third, "shop/rates.py", (0, -3, 1, 2, 5, 6, 7, 4000))
    assert sorted(answer) == [1, 2, 5, 6]
    assert shop.port.blame(NAME, shop.third, "no/such.py", (1,)) == {}
    assert shop.port.blame(NAME, shop.third, "data.bin", (1,)) == {}
    assert shop.port.blame(NAME, shop.third, "--output=x", (1,)) == {}
    assert sorted(shop.port.blame(NAME, shop.third, "日本.py", (1,))) == [1]


def test_more_lines_than_ranges_are_worth_are_answered_from_one_whole_blame(tmp_path: Path) -> None:
    builder = RepositoryBuilder(tmp_path / "work")
    builder.commit("first", {"a.py": "".join(f"{n}\n" for n in range(700))})
    store = synced(tmp_path, builder)
    lines = tuple(range(1, 700, 2))
    answer = GitAnswers(store, settings(tmp_path)).blame(NAME, CommitSha(builder.head()), "a.py", lines)
    assert tuple(answer) == lines


def test_a_blame_looks_through_the_revisions_that_the_repository_ignores(tmp_path: Path) -> None:
    builder = RepositoryBuilder(tmp_path / "work")
    first = builder.commit("first", {"a.py": "x=1\ny=2\n"})
    style = builder.commit("format", {"a.py": "x = 1\ny = 2\n"})
    listed = f"# formatter\n{style}  # black\nnot a sha\n{'1' * 40}\n"
    last = CommitSha(builder.commit("ignore", {".git-blame-ignore-revs": listed}))
    port = GitAnswers(synced(tmp_path, builder), settings(tmp_path))
    assert port.blame(NAME, last, "a.py", (1,))[1].sha == first
    assert port.blame(NAME, CommitSha(style), "a.py", (1,))[1].sha == style


def test_a_blame_that_takes_too_long_is_unknown_until_the_next_sync(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = shutil.which("git")
    slow = shop.tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text(f'#!/bin/sh\ncase "$*" in *" blame "*) exec sleep 20 ;; esac\nexec {git} "$@"\n')
    slow.chmod(0o755)
    hasty = settings(shop.tmp_path).model_copy(update={"blame_timeout_s": 0.5})
    with monkeypatch.context() as patched:
        patched.setenv("PATH", f"{slow.parent}:{os.environ['PATH']}")
        assert GitAnswers(shop.store, hasty).blame(NAME, shop.third, "shop/rates.py", (1,)) == {}
    assert shop.port.blame(NAME, shop.third, "shop/rates.py", (1,)) == {}
    repositories.sync(shop.store, settings(shop.tmp_path), NAME)
    assert sorted(shop.port.blame(NAME, shop.third, "shop/rates.py", (1,))) == [1]


def test_an_excerpt_shows_the_line_and_its_neighbours(shop: Shop) -> None:
    assert shop.port.excerpt(NAME, shop.first, "shop/rates.py", 2, 1) == (
        (1, "def rate(code):"),
        (2, "    return RATES[code]"),
        (3, ""),
    )
    assert [number for number, _ in shop.port.excerpt(NAME, shop.first, "shop/rates.py", 6)] == [3, 4, 5, 6]
    assert shop.port.excerpt(NAME, shop.first, "shop/rates.py", 7) == ()
    assert shop.port.excerpt(NAME, shop.first, "../../etc/passwd", 1) == ()


def test_a_search_is_literal_ordered_and_bounded(shop: Shop) -> None:
    assert shop.port.search(NAME, shop.first, "RATES[code]") == (("shop/rates.py", 2),)
    assert shop.port.search(NAME, shop.first, "r.te") == ()
    assert shop.port.search(NAME, shop.first, "return") == (("shop/rates.py", 2), ("shop/rates.py", 6))
    assert shop.port.search(NAME, shop.first, "return", 1) == (("shop/rates.py", 2),)
    assert shop.port.search(NAME, shop.first, "x = 1") == (("日本.py", 1),)
    for nothing in ("", " ", "\n", "--output=x", "-O"):
        assert shop.port.search(NAME, shop.first, nothing) == ()


def test_a_resolved_revision_survives_a_force_push_and_gc(shop: Shop) -> None:
    assert shop.port.resolve(NAME, shop.third) == shop.third
    shop.builder.git("reset", "--quiet", "--hard", shop.first)
    repositories.sync(shop.store, settings(shop.tmp_path), NAME)
    git = mirror.opened(settings(shop.tmp_path), NAME)
    assert git is not None
    git.run("gc", "--quiet", "--prune=now", timeout_s=30)
    assert "data.bin" in shop.port.tree(NAME, shop.third)
