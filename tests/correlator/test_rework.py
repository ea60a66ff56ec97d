from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from correlator import rework
from correlator.ownership import Lines
from schemas import store, tables

START = datetime(2026, 1, 1, tzinfo=UTC)
LATE = START + timedelta(days=365)


def _change(sha: str, day: float, **stated: Any) -> dict[str, Any]:
    return {
        "repository": "acme/shop",
        "sha": sha,
        "position": int(day * 100),
        "landed_at": START + timedelta(days=day),
        "kind": "feature",
        "commits": [sha],
        "reverts": [],
        **stated,
    }


def _measured(
    changes: list[dict[str, Any]],
    edges: Iterable[tuple[str, str, int]] = (),
    written: dict[str, int] | None = None,
    *,
    authors: dict[str, str] | None = None,
    as_of: datetime = LATE,
    path: str = "shop/rates.py",
    ignored: frozenset[str] = frozenset(),
    **options: Any,
) -> dict[str, dict[str, Any]]:
    common = {"repository": "acme/shop", "path": path}
    death_edges = store.arrow(
        tables.DEATH_EDGES, [{**common, "killer": k, "victim": v, "lines": n} for k, v, n in edges]
    )
    lines_written = store.arrow(
        tables.LINES_WRITTEN,
        [{**common, "sha": sha, "lines_added": n, "lines_moved": 0} for sha, n in (written or {}).items()],
    )
    lines = Lines(death_edges, lines_written, ignored)
    seen = [change for change in changes if change["landed_at"] <= as_of]
    rows = map(rework.row, rework.fates(seen, lines, authors or {}, **options))
    return {row["sha"]: row for row in rows}


def test_lines_removed_within_a_window_are_reworked_and_later_ones_are_not() -> None:
    changes = [_change("a", 0), _change("b", 14), _change("c", 21), _change("d", 30), _change("e", 30.01)]
    edges = [("b", "a", 1), ("c", "a", 2), ("d", "a", 3), ("e", "a", 4)]
    row = _measured(changes, edges, {"a": 20})["a"]
    assert [row[f"lines_reworked_{days}d"] for days in (14, 21, 30)] == [1, 3, 6]
    assert [row[f"lines_alive_{days}d"] for days in (7, 30, 90)] == [20, 14, 10]


def test_lines_are_split_by_author_and_by_what_the_later_change_is_for() -> None:
    changes = [_change("a", 0), _change("b", 1, kind="fix"), _change("c", 2, kind="revert"), _change("d", 3)]
    edges = [("b", "a", 1), ("c", "a", 2), ("d", "a", 4)]
    authors = {"a": "ada@x", "b": "ada@x", "c": "bo@x", "d": "ada@x"}
    row = _measured(changes, edges, {"a": 10}, authors=authors)["a"]
    assert row["lines_reworked_30d_same_author"] == 5
    assert row["lines_fixed_30d"] == 3


def test_a_merge_has_the_authors_of_its_side_commits() -> None:
    changes = [_change("m", 0, commits=["s1", "s2"]), _change("b", 1)]
    row = _measured(changes, [("b", "m", 1)], {"m": 2}, authors={"s2": "ada@x", "b": "ada@x", "m": "bot@x"})[
        "m"
    ]
    assert row["lines_reworked_30d_same_author"] == 1


def test_nothing_after_the_asked_time_counts() -> None:
    changes = [_change("a", 0), _change("b", 5)]
    rows = _measured(changes, [("b", "a", 3)], {"a": 10, "b": 3}, as_of=START + timedelta(days=4))
    assert list(rows) == ["a"]
    assert rows["a"]["lines_reworked_30d"] == 0
    assert rework.observed_days(changes[0], START + timedelta(days=4)) == 4


def test_a_quiet_repository_is_observed_until_its_last_sync() -> None:
    synced_at = START + timedelta(days=40)
    assert rework.observed_days(_change("a", 0), LATE, synced_at) == 40
    assert rework.observed_days(_change("a", 50), LATE, synced_at) == 0


def test_lines_of_documents_and_lock_files_are_left_out() -> None:
    row = _measured([_change("a", 0), _change("b", 1)], [("b", "a", 3)], {"a": 10}, path="uv.lock")["a"]
    assert (row["lines_added"], row["lines_reworked_30d"]) == (0, 0)


def test_lines_of_generated_files_are_left_out() -> None:
    changes = [_change("a", 0), _change("b", 1)]
    options = {"path": "shop/rates.py", "generated": frozenset({"shop/rates.py"})}
    row = _measured(changes, [("b", "a", 3)], {"a": 10}, **options)["a"]
    assert (row["lines_added"], row["lines_reworked_30d"]) == (0, 0)


def test_test_code_is_counted_apart_as_a_part_of_all() -> None:
    changes = [_change("a", 0), _change("b", 16)]
    row = _measured(changes, [("b", "a", 3)], {"a": 10}, path="tests/test_rates.py")["a"]
    assert (row["lines_added"], row["lines_added_test"]) == (10, 10)
    assert [row[f"lines_reworked_{days}d_test"] for days in (14, 21, 30)] == [0, 3, 3]
    assert _measured(changes, [("b", "a", 3)], {"a": 10})["a"]["lines_reworked_30d_test"] == 0


def test_a_change_that_restyles_removes_nothing() -> None:
    changes = [_change("a", 0), _change("b", 1)]
    row = _measured(changes, [("b", "a", 3)], {"a": 10}, ignored=frozenset({"b"}))["a"]
    assert (row["lines_reworked_30d"], row["lines_alive_90d"]) == (0, 10)


def test_lines_older_than_the_history_have_no_change_to_count_for() -> None:
    assert _measured([_change("b", 1)], [("b", "", 3)], {"b": 3})["b"]["lines_reworked_30d"] == 0


def test_the_first_change_that_names_it_reverts_it() -> None:
    changes = [
        _change("a", 0),
        _change("b", 2, kind="revert", reverts=["a"]),
        _change("c", 3, kind="revert", reverts=["a"]),
    ]
    row = _measured(changes, (), {"a": 1})["a"]
    assert (row["reverted_by"], row["reverted_at"]) == ("b", START + timedelta(days=2))


def test_a_revert_without_a_name_reverts_what_it_removes_nearly_whole() -> None:
    changes = [
        _change("a", 0),
        _change("z", 0.5),
        _change("b", 1, kind="revert"),
        _change("c", 2, kind="feature"),
    ]
    rows = _measured(changes, [("b", "a", 9), ("b", "z", 5), ("c", "z", 5)], {"a": 10, "z": 10})
    assert rows["a"]["reverted_by"] == "b"
    assert rows["z"]["reverted_by"] is None


def test_a_named_revert_is_not_the_revert_of_its_neighbours() -> None:
    changes = [_change("a", 0), _change("z", 0.5), _change("b", 1, kind="revert", reverts=["a"])]
    rows = _measured(changes, [("b", "a", 10), ("b", "z", 10)], {"a": 10, "z": 10})
    assert rows["z"]["reverted_by"] is None


@given(
    st.lists(st.tuples(st.floats(0.01, 200), st.integers(1, 20)), max_size=20),
    st.integers(0, 30),
)
def test_counts_are_ordered_and_never_pass_the_lines_written(
    deaths: list[tuple[float, int]], extra: int
) -> None:
    written = sum(lines for _, lines in deaths) + extra
    changes = [_change("a", 0), *(_change(f"k{n}", day) for n, (day, _) in enumerate(deaths))]
    edges = [(f"k{n}", "a", lines) for n, (_, lines) in enumerate(deaths)]
    row = _measured(changes, edges, {"a": written})["a"]
    assert (
        0
        <= row["lines_reworked_14d"]
        <= row["lines_reworked_21d"]
        <= row["lines_reworked_30d"]
        <= row["lines_added"]
        == written
    )
    assert 0 <= row["lines_alive_90d"] <= row["lines_alive_30d"] <= row["lines_alive_7d"] <= written
    assert row["lines_fixed_30d"] <= row["lines_reworked_30d"]
