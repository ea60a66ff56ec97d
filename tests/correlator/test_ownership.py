from pathlib import Path

import pytest
from repository_builder import NAME, RepositoryBuilder, random_repository, synced

from correlator import line_owners, ownership
from schemas.store import Store


def _replayed(
    store: Store, *, moves: bool = True, ignored: frozenset[str] = frozenset()
) -> ownership.Ownership:
    return line_owners.replay(store, NAME, moves=moves, ignored=ignored)


def _edges(owned: ownership.Ownership) -> set[tuple[str, str, str, int]]:
    return {(e["killer"], e["victim"], e["path"], e["lines"]) for e in owned.death_edges.to_pylist()}


def _written(owned: ownership.Ownership) -> set[tuple[str, str, int, int]]:
    return {
        (w["sha"], w["path"], w["lines_added"], w["lines_moved"]) for w in owned.lines_written.to_pylist()
    }


def _blamed(builder: RepositoryBuilder, path: str) -> list[str]:
    printed = builder.git("blame", "--porcelain", "--first-parent", "main", "--", path)
    owners, is_header = [], True
    for line in printed.split("\n")[:-1]:
        if line.startswith("\t"):
            is_header = True
        elif is_header:
            owners.append(line.split(" ")[0])
            is_header = False
    return owners


def _assert_conserved(owned: ownership.Ownership) -> None:
    born = sum(owned.lines_written["lines_added"].to_pylist())
    alive = sum(owner != ownership.UNKNOWN for lines in owned.files.values() for owner in lines)
    dead = sum(e["lines"] for e in owned.death_edges.to_pylist() if e["victim"])
    assert born == alive + dead


@pytest.mark.parametrize("seed", range(5))
def test_owners_are_those_of_git_blame_along_the_mainline(tmp_path: Path, seed: int) -> None:
    builder = random_repository(tmp_path / "work", seed=seed)
    owned = _replayed(synced(tmp_path, builder), moves=False)
    listed = [path for path in builder.git("ls-tree", "-r", "-z", "--name-only", "main").split("\0") if path]
    assert sorted(path for path in owned.files) == sorted(listed)
    for path in listed:
        assert owned.owners(path) == _blamed(builder, path), path


@pytest.mark.parametrize("moves", [True, False])
def test_lines_born_are_lines_alive_and_lines_dead(tmp_path: Path, moves: bool) -> None:
    builder = random_repository(tmp_path / "work", seed=11, commits=40, has_binaries=True)
    owned = _replayed(synced(tmp_path, builder), moves=moves)
    _assert_conserved(owned)
    for path in builder.git("ls-tree", "-r", "-z", "--name-only", "main").split("\0"):
        content = (builder.path / path).read_bytes() if path else b"\0"
        if b"\0" not in content:
            line_count = content.count(b"\n") + (not content.endswith(b"\n") and content != b"")
            assert len(owned.owners(path)) <= line_count


def test_a_replaced_line_dies_by_the_change_that_replaced_it(tmp_path: Path) -> None:
    builder = RepositoryBuilder(tmp_path / "work")
    first = builder.commit("first", {"a.py": "alpha = 1\nbeta = 2\ngamma = 3\n"})
    second = builder.commit("second", {"a.py": "alpha = 1\nbeta = 20\nextra = 4\ngamma = 3\n"})
    owned = _replayed(synced(tmp_path, builder))
    assert _edges(owned) == {(second, first, "a.py", 1)}
    assert _written(owned) == {(first, "a.py", 3, 0), (second, "a.py", 2, 0)}
    assert owned.owners("a.py") == [first, second, second, first]


def test_a_moved_or_indented_line_keeps_its_owner(tmp_path: Path) -> None:
    builder = RepositoryBuilder(tmp_path / "work")
    body = "".join(f"statement_{n}()\n" for n in range(6))
    first = builder.commit("first", {"a.py": body})
    split = builder.commit(
        "split",
        {
            "a.py": "statement_0()\n",
            "b.py": "def run():\n" + "".join(f"    statement_{n}()\n" for n in range(1, 6)),
        },
    )
    owned = _replayed(synced(tmp_path, builder))
    assert _edges(owned) == set()
    assert owned.owners("b.py") == [split, *[first] * 5]
    assert _written(owned) == {(first, "a.py", 6, 0), (split, "b.py", 1, 5)}
    plain = _replayed(synced(tmp_path / "again", builder), moves=False)
    assert _edges(plain) == {(split, first, "a.py", 5)}


def test_a_moved_line_is_taken_from_its_own_file_first(tmp_path: Path) -> None:
    builder = RepositoryBuilder(tmp_path / "work")
    one = builder.commit("one", {"a.py": "shared_line()\nkeep_a()\n"})
    two = builder.commit("two", {"b.py": "shared_line()\nkeep_b()\n"})
    builder.commit("indent b, drop from a", {"a.py": "keep_a()\n", "b.py": "  shared_line()\nkeep_b()\n"})
    owned = _replayed(synced(tmp_path, builder))
    assert owned.owners("b.py") == [two, two]
    assert {(victim, path) for _, victim, path, _ in _edges(owned)} == {(one, "a.py")}


def test_a_brace_or_a_blank_never_counts_as_moved(tmp_path: Path) -> None:
    builder = RepositoryBuilder(tmp_path / "work")
    first = builder.commit("first", {"a.c": "}\n\n", "b.c": "keep_it();\n"})
    second = builder.commit("second", {"a.c": "", "b.c": "keep_it();\n}\n\n"})
    owned = _replayed(synced(tmp_path, builder))
    assert _edges(owned) == {(second, first, "a.c", 2)}


def test_a_renamed_file_keeps_its_owners_and_a_deleted_one_loses_all(tmp_path: Path) -> None:
    builder = RepositoryBuilder(tmp_path / "work")
    text = "".join(f"line number {n}\n" for n in range(10))
    first = builder.commit("first", {"old.py": text, "gone.py": "unique text here\n"})
    second = builder.commit("second", {"old.py": None, "new name.py": text + "one more\n", "gone.py": None})
    owned = _replayed(synced(tmp_path, builder))
    assert owned.owners("new name.py") == [first] * 10 + [second]
    assert _edges(owned) == {(second, first, "gone.py", 1)}


def test_two_files_can_swap_their_names(tmp_path: Path) -> None:
    builder = RepositoryBuilder(tmp_path / "work")
    a, b = ("".join(f"{name} {n}\n" for n in range(20)) for name in ("apple", "banana"))
    one = builder.commit("one", {"a.py": a})
    two = builder.commit("two", {"b.py": b})
    three = builder.commit("a moves away, b comes in its place", {"a.py": b, "c.py": a, "b.py": None})
    owned = _replayed(synced(tmp_path, builder))
    assert set(owned.owners("c.py")) == {one}
    assert set(owned.owners("a.py")) == {two}
    assert three not in {killer for killer, _, _, _ in _edges(owned)}


def test_a_file_that_is_binary_for_a_while_has_unknown_lines_and_no_wrong_ones(tmp_path: Path) -> None:
    builder = RepositoryBuilder(tmp_path / "work")
    first = builder.commit("first", {"a.dat": "one line\nanother line\n"})
    flip = builder.commit("binary", {"a.dat": b"\0\1"})
    builder.commit("text again", {"a.dat": "one line\nanother line\nthird line\n"})
    last = builder.commit("edit", {"a.dat": "one line\nanother line\n3rd line\n"})
    owned = _replayed(synced(tmp_path, builder))
    assert _edges(owned) == {(flip, first, "a.dat", 2), (last, "", "a.dat", 1)}
    assert owned.owners("a.dat") == ["", "", last]
    _assert_conserved(owned)


def test_a_merge_counts_as_one_change_and_its_side_commits_as_none(tmp_path: Path) -> None:
    builder = RepositoryBuilder(tmp_path / "work")
    builder.commit("first", {"a.py": "alpha\n"})
    builder.git("checkout", "--quiet", "-b", "side")
    builder.commit("draft", {"b.py": "draft_of_b()\n"})
    builder.commit("final", {"b.py": "final_of_b()\n"})
    builder.git("checkout", "--quiet", "main")
    merge = builder.merge("side", "Merge pull request #4 from acme/side")
    owned = _replayed(synced(tmp_path, builder))
    assert _edges(owned) == set()
    assert owned.owners("b.py") == [merge]


def test_an_ignored_change_hands_lines_on_one_by_one(tmp_path: Path) -> None:
    builder = RepositoryBuilder(tmp_path / "work")
    first = builder.commit("first", {"a.py": "x=1\nyy=2\nzzz=3\n"})
    style = builder.commit("format", {"a.py": "x = 1\nyy = 2\nzzz=3\n"})
    store = synced(tmp_path, builder)
    owned = _replayed(store, ignored=frozenset({style}))
    assert owned.owners("a.py") == [first] * 3
    assert _edges(owned) == set()
    _assert_conserved(owned)


def test_a_formatter_that_is_ignored_keeps_sorted_lines_by_text_and_the_others_by_order(
    tmp_path: Path,
) -> None:
    builder = RepositoryBuilder(tmp_path / "work")
    one = builder.commit("one", {"a.py": "import zlib\nvalue=run( zlib )\n"})
    two = builder.commit("two", {"a.py": "import zlib\nimport array\nvalue=run( zlib )\n"})
    style = builder.commit("format", {"a.py": "import array\nimport zlib\n\nvalue = run(\n    zlib,\n)\n"})
    owned = _replayed(synced(tmp_path, builder), ignored=frozenset({style}))
    assert owned.owners("a.py") == [two, one, style, one, style, style]
    _assert_conserved(owned)


def test_two_copies_of_one_deleted_file_own_its_lines_once(tmp_path: Path) -> None:
    builder = RepositoryBuilder(tmp_path / "work")
    text = "".join(f"statement_{n}()\n" for n in range(20))
    first = builder.commit("first", {"old.py": text})
    split = builder.commit("two of one", {"old.py": None, "one.py": text, "two.py": text})
    for moves in (True, False):
        owned = _replayed(synced(tmp_path / str(moves), builder), moves=moves)
        owners = [set(owned.owners(name)) for name in ("one.py", "two.py")]
        assert sorted(owners, key=lambda o: o == {split}) == [{first}, {split}]
        assert _edges(owned) == set()
        _assert_conserved(owned)


@pytest.mark.parametrize("seed", range(3))
def test_a_history_read_from_some_change_on_gives_the_same_edges_inside(tmp_path: Path, seed: int) -> None:
    """Lines older than the window are unknown; whatever was written inside of it dies by the same changes."""
    store = synced(tmp_path, random_repository(tmp_path / "work", seed=seed, commits=30))
    whole = _replayed(store, moves=False)
    start = 12
    window = frozenset(whole.shas[start:])
    store.execute("DELETE FROM hunks WHERE sha NOT IN (SELECT unnest($window))", window=sorted(window))
    store.execute("DELETE FROM change_paths WHERE sha NOT IN (SELECT unnest($window))", window=sorted(window))
    late = _replayed(store, moves=False)
    inside = {edge for edge in _edges(whole) if edge[1] in window}
    assert {edge for edge in _edges(late) if edge[1]} == inside
    assert _written(late) == {row for row in _written(whole) if row[0] in window}
    assert inside


def test_no_facts_give_empty_tables() -> None:
    owned = _replayed(Store.open())
    assert owned.death_edges.num_rows == 0
    assert owned.lines_written.column_names == ["repository", "sha", "path", "lines_added", "lines_moved"]
