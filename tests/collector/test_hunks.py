from pathlib import Path

import pytest
from repository_builder import NAME, RepositoryBuilder, random_repository, synced

from collector import hunks
from schemas.records import CommitSha, Hunk, PathChange
from schemas.store import Store


def _paths(store: Store, sha: str) -> dict[str, tuple[str, str | None, bool, int, int]]:
    rows = store.rows("SELECT * FROM change_paths WHERE sha = $sha", sha=sha)
    return {
        r["path"]: (r["status"], r["old_path"], r["is_binary"], r["lines_added"], r["lines_deleted"])
        for r in rows
    }


def test_each_kind_of_path_change_is_told_apart(tmp_path: Path) -> None:
    builder = RepositoryBuilder(tmp_path / "work")
    text = "".join(f"line number {n}\n" for n in range(20))
    builder.commit("first", {"gone.py": "x\n", "old name.py": text, "flip": "text\n", "link": "target"})
    (builder.path / "link").unlink()
    (builder.path / "link").symlink_to("old name.py")
    sha = builder.commit(
        "second",
        {"gone.py": None, "old name.py": None, "new\tname.py": text + "more\n", "flip": b"\0\1", "empty": ""},
    )
    store = synced(tmp_path, builder)
    assert _paths(store, sha) == {
        "gone.py": ("D", None, False, 0, 1),
        "new\tname.py": ("R", "old name.py", False, 1, 0),
        "flip": ("M", None, True, 0, 0),
        "empty": ("A", None, False, 0, 0),
        "link": ("M", None, False, 1, 1),
    }


def test_messages_and_contents_that_look_like_diffs_are_not_read_as_diffs(tmp_path: Path) -> None:
    builder = RepositoryBuilder(tmp_path / "work")
    forged = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -0,0 +1,9 @@\n+forged\ncommit " + "0" * 40 + "\n"
    sha = builder.commit(forged, {"a.patch": forged, "-x": "@@ -1 +1 @@\n"})
    store = synced(tmp_path, builder)
    assert _paths(store, sha) == {"a.patch": ("A", None, False, 6, 0), "-x": ("A", None, False, 1, 0)}
    assert store.value("SELECT message FROM commits").startswith("diff --git")


def test_a_submodule_has_no_lines(tmp_path: Path) -> None:
    builder = RepositoryBuilder(tmp_path / "work")
    first = builder.commit("first", {"a.py": "a\n"})
    builder.git("update-index", "--add", "--cacheinfo", f"160000,{first},vendor/dep")
    builder.git("commit", "--quiet", "-m", "submodule")
    store = synced(tmp_path, builder)
    assert _paths(store, builder.head()) == {"vendor/dep": ("A", None, True, 0, 0)}


def test_the_heading_names_the_method_not_only_the_class(tmp_path: Path) -> None:
    builder = RepositoryBuilder(tmp_path / "work")
    body = "class Cart:\n    def total(self):\n        a = 1\n        b = 2\n        return a + b\n"
    builder.commit("first", {"cart.py": body})
    sha = builder.commit("second", {"cart.py": body.replace("b = 2", "b = 3")})
    store = synced(tmp_path, builder)
    assert store.value("SELECT heading FROM hunks WHERE sha = $sha", sha=sha) == "def total(self):"


def test_tokens_are_the_distinct_identifiers_and_literals_of_the_changed_lines(tmp_path: Path) -> None:
    builder = RepositoryBuilder(tmp_path / "work")
    sha = builder.commit("first", {"a.py": "return fetch_rate(\"USD/EUR\", 'x', retries)\nfetch_rate(id)\n"})
    store = synced(tmp_path, builder)
    assert store.value("SELECT tokens FROM hunks WHERE sha = $sha", sha=sha) == [
        "USD/EUR",
        "fetch_rate",
        "retries",
    ]


def test_a_hunk_of_many_words_keeps_literals_and_identifiers_within_the_bound(tmp_path: Path) -> None:
    builder = RepositoryBuilder(tmp_path / "work")
    builder.commit("first", {"a.py": "".join(f'name_{n} = "key {n}"\n' for n in range(500))})
    store = synced(tmp_path, builder)
    tokens = store.value("SELECT tokens FROM hunks")
    assert len(tokens) == hunks.TOKENS_PER_HUNK_MAX
    assert tokens == sorted(tokens)
    assert sum(token.startswith("key ") for token in tokens) == hunks.LITERALS_PER_HUNK_MAX


def test_an_indented_line_has_the_digest_of_the_line_and_a_brace_has_none(tmp_path: Path) -> None:
    builder = RepositoryBuilder(tmp_path / "work")
    builder.commit("first", {"a.c": "run(x);\n}\n"})
    builder.commit("second", {"a.c": "  run(x);\n  }\n"})
    store = synced(tmp_path, builder)
    rows = store.rows("SELECT added_digests, removed_digests FROM hunks ORDER BY ALL")
    digests = [row["added_digests"] for row in rows]
    assert digests[0] == digests[1]
    assert digests[0][0] != 0
    assert digests[0][1] == 0


def test_counts_of_paths_are_the_sums_of_their_hunks(tmp_path: Path) -> None:
    store = synced(tmp_path, random_repository(tmp_path / "work", seed=3, has_binaries=True))
    wrong = store.rows(
        """
        SELECT p.sha, p.path FROM change_paths AS p
        LEFT JOIN (SELECT sha, path, sum(new_count) AS a, sum(old_count) AS d FROM hunks GROUP BY ALL) AS h
          ON h.sha = p.sha AND h.path = p.path
        WHERE p.lines_added <> coalesce(h.a, 0) OR p.lines_deleted <> coalesce(h.d, 0)
        """
    )
    assert wrong == []


@pytest.mark.parametrize("seed", [1, 2])
def test_every_path_and_count_agrees_with_numstat(tmp_path: Path, seed: int) -> None:
    builder = random_repository(tmp_path / "work", seed=seed, has_binaries=True)
    store = synced(tmp_path, builder)
    for row in store.rows("SELECT sha FROM mainline"):
        printed = builder.git(
            "show", "-z", "--format=", "--numstat", "-M", "--diff-merges=first-parent", "--root", row["sha"]
        )
        fields = iter(printed.split("\0"))
        expected = {}
        for head in fields:
            if not head.strip():
                continue
            added, deleted, path = head.split("\t", 2)
            if not path:
                next(fields)
                path = next(fields)
            expected[path] = (0 if added == "-" else int(added), 0 if deleted == "-" else int(deleted))
        assert {path: (a, d) for path, (_, _, _, a, d) in _paths(store, row["sha"]).items()} == expected


def test_a_batch_is_empty_after_it_was_taken() -> None:
    batch = hunks.Batch(NAME)
    hunk = Hunk(0, 0, 1, 1, [], [7])
    batch.add(CommitSha("0" * 40), [PathChange("a.py", None, "A", hunks=[hunk])])
    assert batch.weight > 0
    paths, rows = batch.taken()
    assert (paths.num_rows, rows.num_rows, batch.weight) == (1, 1, 0)
    assert paths["repository"].to_pylist() == [NAME]
    assert batch.taken()[0].num_rows == 0
