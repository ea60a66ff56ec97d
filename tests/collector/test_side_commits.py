from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from repository_builder import RepositoryBuilder, random_repository, synced

from schemas.store import Store


def stored(store: Store) -> dict[str, dict[str, tuple[int, int]]]:
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for row in store.rows("SELECT * FROM side_commit_paths ORDER BY sha, path"):
        found.setdefault(row["sha"], {})[row["path"]] = (row["lines_added"], row["lines_deleted"])
    return found


@pytest.fixture
def builder(tmp_path: Path) -> RepositoryBuilder:
    made = RepositoryBuilder(tmp_path / "work")
    made.commit("first", {"a.py": "".join(f"a{n} = {n}\n" for n in range(40)), "data.bin": b"\0\1"})
    return made


def test_side_commits_are_measured_and_the_mainline_is_not(
    tmp_path: Path, builder: RepositoryBuilder
) -> None:
    builder.git("checkout", "--quiet", "-b", "side")
    added = builder.commit("add", {"b b.py": "x\ny\n", "grüße.py": "z\n", "data.bin": b"\0\2"})
    empty = builder.commit("nothing")
    moved = builder.commit("move", {"a.py": None, "c.py": (builder.path / "a.py").read_text() + "more\n"})
    builder.git("checkout", "--quiet", "main")
    builder.merge("side", "Merge side")
    store = synced(tmp_path, builder)
    assert stored(store) == {
        added: {"b b.py": (2, 0), "grüße.py": (1, 0), "data.bin": (0, 0)},
        empty: {"": (0, 0)},
        moved: {"c.py": (1, 0)},
    }


def test_a_second_sync_measures_what_is_new(tmp_path: Path, builder: RepositoryBuilder) -> None:
    store = synced(tmp_path, builder)
    assert stored(store) == {}
    builder.git("checkout", "--quiet", "-b", "side")
    sha = builder.commit("add", {"b.py": "x\n"})
    assert stored(synced(tmp_path, builder, store)) == {sha: {"b.py": (1, 0)}}
    before = stored(store)
    assert stored(synced(tmp_path, builder, store)) == before


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_counts_are_those_of_git_whatever_the_names(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    """Sums per commit against ``git show --shortstat``-like counts of the same options."""
    path = tmp_path_factory.mktemp("odd")
    builder = random_repository(path / "work", seed, commits=12, has_binaries=True)
    found = stored(synced(path, builder))
    mainline = set(builder.git("rev-list", "--first-parent", "HEAD").split())
    expected = set(builder.git("rev-list", "--no-merges", "--branches", "--tags").split()) - mainline
    assert set(found) == expected
    for sha, paths in found.items():
        told = builder.git("log", "-1", "-M", "--numstat", "--root", "--format=", sha).splitlines()
        pairs = [line.split("\t")[:2] for line in told if line]
        assert sum(a for a, _ in paths.values()) == sum(int(a) for a, _ in pairs if a != "-")
        assert sum(d for _, d in paths.values()) == sum(int(d) for _, d in pairs if d != "-")
