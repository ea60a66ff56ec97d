"""When a group failed, and on which revision, from sorted microseconds."""

from datetime import timedelta

import numpy as np
from failure_builders import hours, sha
from hypothesis import given
from hypothesis import strategies as st

from correlator.occurrences import Occurrences, Times, merged, micros, moment

TIMES = st.lists(st.integers(-(10**15), 4 * 10**15), max_size=20).map(
    lambda found: np.sort(np.array(found, np.int64))
)
PARTS = st.dictionaries(st.sampled_from([None, sha(1), sha(2)]), TIMES)


@given(PARTS, st.integers(-(10**15), 4 * 10**15))
def test_any_moment_parts_failures_without_loss(parts: dict[str | None, Times], at: int) -> None:
    found = Occurrences(parts)
    assert len(found) == sum(len(times) for times in parts.values())
    assert sum(found.count(name) for name in parts) == len(found)
    assert found.until(moment(at)) - found.before(moment(at)) == sum(
        (times == at).sum() for times in parts.values()
    )
    assert [found.at(n) for n in range(len(found))] == sorted(
        moment(int(t)) for times in parts.values() for t in times
    )


@given(st.integers(-(10**15), 4 * 10**15))
def test_a_time_survives_as_microseconds(at: int) -> None:
    assert micros(moment(at)) == at
    assert moment(at).utcoffset() == timedelta(0)


def test_a_revision_is_told_with_its_last_failure() -> None:
    found = Occurrences({sha(1): times(1, 3), sha(2): times(2), None: times()})
    assert found.revisions() == {sha(1): hours(3), sha(2): hours(2)}
    assert found.revisions(since=hours(2.5)) == {sha(1): hours(3)}
    assert found.revisions(since=hours(4)) == {}


def test_equal_failures_on_other_revisions_are_not_equal() -> None:
    assert Occurrences({sha(1): times(1)}) == Occurrences({sha(1): times(1), sha(2): times()})
    assert Occurrences({sha(1): times(1)}) != Occurrences({sha(2): times(1)})


def test_parts_are_merged_in_order() -> None:
    assert merged([times(1, 4), times(), times(2)]).tolist() == times(1, 2, 4).tolist()
    assert merged([]).tolist() == []


def times(*at: float) -> Times:
    return np.array([micros(hours(one)) for one in at], np.int64)
