"""A mainline answers by commit, by position and by the beginning of a sha."""

from failure_builders import REPOSITORY, change, hours, sha

from correlator import mainlines

SIDE = "f" * 40
LINE = mainlines.by_repository(
    [change(2, fixes=[sha(1)]), change(0), change(1, commits=[SIDE]), change(3, reverts=[sha(2)])]
)[REPOSITORY]


def test_positions_follow_the_history_whatever_order_the_rows_came_in() -> None:
    assert [LINE.position(sha(n)) for n in range(4)] == [0, 1, 2, 3]
    assert [c["sha"] for c in LINE.between(0, 2)] == [sha(1), sha(2)]
    assert list(LINE.between(2, 0)) == []


def test_a_side_commit_stands_where_its_change_landed() -> None:
    assert (LINE.landing(SIDE), LINE.position(SIDE), LINE.landed_at(SIDE)) == (sha(1), 1, hours(1))
    assert LINE.position("e" * 40) is None
    assert LINE.landed_at("e" * 40) is None


def test_the_beginning_of_one_sha_names_its_change() -> None:
    assert LINE.named("fffffff") == sha(1)
    assert LINE.named(sha(2)[:7]) == sha(2)


def test_the_beginning_of_several_shas_names_none() -> None:
    assert LINE.named("00") is None
    assert LINE.named("abc") is None


def test_menders_are_the_changes_that_revert_or_fix() -> None:
    assert [c["sha"] for c in LINE.menders()] == [sha(2), sha(3)]
