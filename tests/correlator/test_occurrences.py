"""When a group failed, and on which revision, from points in time that stand for one failure or several."""

from datetime import timedelta

import numpy as np
from failure_builders import hours, moments, sha
from hypothesis import given
from hypothesis import strategies as st

from correlator.occurrences import Moments, Occurrences, merged, micros, moment

AT = st.integers(-(10**15), 4 * 10**15)


@st.composite
def counted(draw: st.DrawFn) -> Moments:
    at = sorted(draw(st.lists(AT, max_size=20)))
    counts = draw(st.lists(st.integers(1, 5), min_size=len(at), max_size=len(at)))
    return Moments(np.array(at, np.int64), np.array(counts, np.int64))


@given(st.dictionaries(st.sampled_from([None, sha(1), sha(2)]), counted()), AT)
def test_any_moment_parts_failures_without_loss(parts: dict[str | None, Moments], at: int) -> None:
    found = Occurrences(parts)
    listed = sorted(int(t) for part in parts.values() for t in np.repeat(part.at, part.counts))
    assert [found.at(n) for n in range(len(found))] == [moment(t) for t in listed]
    assert [found.at(n - len(found)) for n in range(len(found))] == [moment(t) for t in listed]
    assert sum(found.count(name) for name in parts) == len(found)
    assert found.before(moment(at)) == sum(t < at for t in listed)
    assert found.until(moment(at)) == sum(t <= at for t in listed)
    during = found.during(moment(at), moment(at) + timedelta(days=99))
    assert sum(during.values()) == found.before(moment(at) + timedelta(days=99)) - found.before(moment(at))


@given(AT)
def test_a_time_survives_as_microseconds(at: int) -> None:
    assert micros(moment(at)) == at
    assert moment(at).utcoffset() == timedelta(0)


@given(st.integers(1, 10_000), st.integers(1, 100))
def test_failures_spread_over_time_are_all_there(count: int, points_max: int) -> None:
    found = Moments.spread(10, 1_000_000, count, points_max)
    assert found.counts.sum() == count
    assert len(found.at) == min(count, points_max)
    assert found.counts.max() - found.counts.min() <= 1
    assert found.at[0] == 10


def test_a_revision_is_told_with_its_last_failure() -> None:
    found = Occurrences({sha(1): single(1, 3), sha(2): single(2), None: single()})
    assert found.revisions() == {sha(1): hours(3), sha(2): hours(2)}
    assert found.revisions(since=hours(2.5)) == {sha(1): hours(3)}
    assert found.revisions(since=hours(4)) == {}


def test_equal_failures_on_other_revisions_are_not_equal() -> None:
    assert Occurrences({sha(1): single(1)}) == Occurrences({sha(1): single(1), sha(2): single()})
    assert Occurrences({sha(1): single(1)}) != Occurrences({sha(2): single(1)})


def test_as_many_points_for_more_failures_are_not_equal() -> None:
    (at,) = single(1).at
    one, two = (Moments(np.array([at]), np.array([count])) for count in (1, 2))
    assert Occurrences({None: one}) != Occurrences({None: two})


def test_parts_are_merged_in_order() -> None:
    found = merged([single(1, 4), single(), Moments(single(2).at, np.array([7]))])
    assert found.at.tolist() == single(1, 2, 4).at.tolist()
    assert found.counts.tolist() == [1, 7, 1]
    assert merged([]).at.tolist() == []


def single(*at: float) -> Moments:
    return moments([micros(hours(one)) for one in at])
