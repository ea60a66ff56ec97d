"""The replay in parts is the replay in one piece, whatever happens to the mainline between two runs."""

from datetime import timedelta
from pathlib import Path

import pytest
from repository_builder import NAME, START, RepositoryBuilder, random_repository, settings, synced

from collector import repositories
from correlator import line_owners, ownership
from schemas import tables
from schemas.store import Row, Store

KEPT = ("death_edges", "lines_written", "line_owners", "line_reads")


def kept(store: Store) -> dict[str, list[Row]]:
    return {name: store.rows(f"SELECT * FROM {name} ORDER BY ALL") for name in KEPT}


def cold(store: Store) -> dict[str, list[Row]]:
    line_owners.forget(store, NAME)
    line_owners.follow(store, NAME)
    return kept(store)


def edges(store: Store) -> set[tuple[str, str, int]]:
    return {(e["killer"], e["victim"], e["lines"]) for e in store.rows("SELECT * FROM death_edges")}


@pytest.mark.parametrize("seed", range(4))
def test_a_history_replayed_in_two_parts_is_the_history_replayed_at_once(tmp_path: Path, seed: int) -> None:
    """Every split of a random history with odd names, binary flips, merges, renames, copies and reverts."""
    store = synced(tmp_path, random_repository(tmp_path / "work", seed=seed, commits=30, has_binaries=True))
    whole = cold(store)
    mainline = store.arrow("SELECT * FROM mainline ORDER BY position")
    assert mainline.num_rows > 20
    for split in range(mainline.num_rows + 1):
        line_owners.forget(store, NAME)
        store.execute("DELETE FROM mainline WHERE position >= $split", split=split)
        assert line_owners.follow(store, NAME) == split
        store.append(tables.MAINLINE, mainline.slice(split))
        assert line_owners.follow(store, NAME) == mainline.num_rows - split
        assert kept(store) == whole


def test_a_push_replays_what_it_brings_and_nothing_else(tmp_path: Path) -> None:
    builder = random_repository(tmp_path / "work", seed=7)
    store = synced(tmp_path, builder)
    line_owners.follow(store, NAME)
    assert line_owners.follow(store, NAME) == 0
    builder.commit("one more", {"new.py": "alpha = 1\n"})
    builder.commit("and another", {"new.py": "beta = 1\n"})
    repositories.sync(store, settings(tmp_path), NAME)
    assert line_owners.follow(store, NAME) == 2
    assert kept(store) == cold(store)


def test_after_a_force_push_nothing_of_the_old_mainline_is_left(tmp_path: Path) -> None:
    builder = RepositoryBuilder(tmp_path / "work")
    first = builder.commit("first", {"a.py": "alpha = 1\nbeta = 2\n"})
    builder.commit("gone", {"a.py": "alpha = 1\nbeta = 3\n"})
    store = synced(tmp_path, builder)
    line_owners.follow(store, NAME)
    builder.git("reset", "--quiet", "--hard", first)
    other = builder.commit("other", {"a.py": "alpha = 9\nbeta = 2\n"})
    repositories.sync(store, settings(tmp_path), NAME)
    assert line_owners.follow(store, NAME) == 2
    assert edges(store) == {(other, first, 1)}
    assert kept(store) == cold(store)


def test_a_mainline_that_shrank_is_replayed_anew(tmp_path: Path) -> None:
    builder = RepositoryBuilder(tmp_path / "work")
    first = builder.commit("first", {"a.py": "alpha = 1\n"})
    builder.commit("second", {"a.py": "alpha = 2\n"})
    store = synced(tmp_path, builder)
    line_owners.follow(store, NAME)
    builder.git("reset", "--quiet", "--hard", first)
    repositories.sync(store, settings(tmp_path), NAME)
    line_owners.follow(store, NAME)
    assert edges(store) == set()
    assert kept(store) == cold(store)


def test_a_revision_named_later_restyles_what_was_counted_as_destruction(tmp_path: Path) -> None:
    builder = RepositoryBuilder(tmp_path / "work")
    first = builder.commit("first", {"a.py": "x=1\ny=2\n"})
    style = builder.commit("format", {"a.py": "x = 1\ny = 2\n"})
    store = synced(tmp_path, builder)
    line_owners.follow(store, NAME)
    assert edges(store) == {(style, first, 2)}
    builder.commit("ignore it", {".git-blame-ignore-revs": f"# formatter\n{style}\n"})
    repositories.sync(store, settings(tmp_path), NAME)
    line_owners.follow(store, NAME)
    assert edges(store) == set()
    assert style in line_owners.read(store, NAME, until=line_owners.END).ignored
    # As of the day before it was named, the formatter had destroyed them.
    before = line_owners.read(store, NAME, until=START + timedelta(hours=2, minutes=30))
    assert before.death_edges["killer"].to_pylist() == [style]
    assert before.ignored == frozenset()


def test_a_deleted_list_of_ignored_revisions_ignores_nothing(tmp_path: Path) -> None:
    builder = RepositoryBuilder(tmp_path / "work")
    builder.commit("first", {"a.py": "x=1\n"})
    style = builder.commit("format", {"a.py": "x = 1\n"})
    builder.commit("ignore it", {".git-blame-ignore-revs": f"{style}\n"})
    builder.commit("no longer", {".git-blame-ignore-revs": None})
    store = synced(tmp_path, builder)
    assert line_owners.read(store, NAME, until=line_owners.END).ignored == frozenset()


def test_a_merge_of_nothing_but_ignored_commits_restyles(tmp_path: Path) -> None:
    builder = RepositoryBuilder(tmp_path / "work")
    first = builder.commit("first", {"a.py": "x=1\ny=2\n"})
    builder.git("checkout", "--quiet", "-b", "style")
    style = builder.commit("format", {"a.py": "x = 1\ny = 2\n"})
    builder.git("checkout", "--quiet", "main")
    merge = builder.merge("style", "Merge pull request #2 from acme/style")
    builder.commit("ignore it", {".git-blame-ignore-revs": f"{style}\n"})
    store = synced(tmp_path, builder)
    line_owners.follow(store, NAME)
    assert merge in line_owners.read(store, NAME, until=line_owners.END).ignored
    assert edges(store) == set()
    assert line_owners.replay(store, NAME, ignored=frozenset({merge})).owners("a.py") == [first, first]


def test_a_repository_that_was_removed_leaves_nothing(tmp_path: Path) -> None:
    store = synced(tmp_path, random_repository(tmp_path / "work", seed=2))
    line_owners.follow(store, NAME)
    line_owners.forget_others(store, ["acme/other"])
    assert not any(kept(store).values())


def test_a_replay_that_fails_leaves_the_store_as_it_was_and_usable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = synced(tmp_path, random_repository(tmp_path / "work", seed=3))

    def fail(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(ownership, "_cut", fail)
        with pytest.raises(MemoryError) as caught:
            line_owners.follow(store, NAME)
    assert caught.traceback
    assert not any(kept(store).values())
    assert line_owners.follow(store, NAME) > 0


@pytest.mark.parametrize("owners", [[], [0], [ownership.UNKNOWN, 3, 3, 2_000_000]])
def test_a_list_of_owners_is_read_back_as_it_was_kept(owners: list[int]) -> None:
    assert ownership.unpacked(ownership.packed(owners)) == owners
