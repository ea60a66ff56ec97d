import pytest

from demo import history

HEAD = "by: mara\nat: 1d 02:03\n\nSubject\n\nBody: with a colon\n\n"


def applied(text: str, tree: history.TREE) -> history.TREE:
    return history.apply(history.parse("07", HEAD + text), tree, {}, {"sha:01": "f" * 40})


def test_head_message_and_time_are_read() -> None:
    change = history.parse("07", HEAD + "=== new a.py\nx = 1\n")
    assert (change.by, change.committer, change.at_s) == ("mara", "mara", 86_400 + 2 * 3600 + 180)
    assert change.message == "Subject\n\nBody: with a colon\n"
    assert change.pull_request is None


def test_a_hunk_replaces_the_lines_that_it_shows() -> None:
    after = applied("=== a.py\n@@\n one\n-two\n+2\n three\n", {"a.py": "zero\none\ntwo\nthree\n"})
    assert after == {"a.py": "zero\none\n2\nthree\n"}


@pytest.mark.parametrize("text", ["zero\n", "one\ntwo\none\ntwo\n"])
def test_a_hunk_that_fits_nowhere_or_twice_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"07: in a\.py this occurs [02] times"):
        applied("=== a.py\n@@\n one\n-two\n", {"a.py": text})


def test_context_matches_whole_lines_only() -> None:
    with pytest.raises(ValueError, match="occurs 0 times"):
        applied("=== a.py\n@@\n-one\n", {"a.py": "someone\n"})


def test_new_files_may_name_earlier_commits_and_files_can_go() -> None:
    after = applied("=== new revs\n{sha:01}\n=== delete a.py\n", {"a.py": ""})
    assert after == {"revs": "f" * 40 + "\n"}


def test_a_revert_puts_the_files_of_that_change_back_and_no_others() -> None:
    change = history.parse("09", HEAD + "=== revert 08\n")
    before = {"08": ({"a": "1\n"}, {"a": "2\n", "b": "3\n"})}
    with pytest.raises(KeyError):
        history.apply(change, {"a": "2\n", "b": "3\n", "c": "4\n"}, before, {})
    before = {"08": ({"a": "1\n"}, {"a": "2\n"})}
    assert history.apply(change, {"a": "2\n", "c": "4\n"}, before, {}) == {"a": "1\n", "c": "4\n"}


def test_a_revert_of_what_moved_on_is_refused() -> None:
    change = history.parse("09", HEAD + "=== revert 08\n")
    with pytest.raises(ValueError, match="moved on"):
        history.apply(change, {"a": "3\n"}, {"08": ({"a": "1\n"}, {"a": "2\n"})}, {})


def test_what_is_no_point_in_time_is_refused() -> None:
    with pytest.raises(ValueError, match="not a point in time"):
        history.seconds("tomorrow")
