"""How often an operation ran, by hour and revision."""

from datetime import timedelta

from evidence_builders import requests
from failure_builders import hours, sha
from hypothesis import given
from hypothesis import strategies as st

from correlator.traffic import Traffic, hour

HOURS = st.lists(st.tuples(st.integers(0, 48), st.integers(1, 3), st.integers(0, 1000)), max_size=20)


def test_an_hour_counts_from_its_beginning_and_not_at_its_end() -> None:
    ran = requests((1, 1, 10), (2, 1, 20), (3, 2, 40))
    assert ran.count(since=hours(2)) == 60
    assert ran.count(until=hours(2)) == 10
    assert ran.count(since=hours(2), until=hours(3)) == 20


def test_traffic_is_told_apart_by_revision() -> None:
    ran = requests((1, 1, 10), (1, 2, 5), (2, 2, 7))
    assert ran.count(sha=sha(2)) == 12
    assert ran.count(sha=sha(2), until=hours(2)) == 5
    assert ran.count(sha=sha(9)) == 0


def test_unknown_traffic_counts_nothing() -> None:
    assert Traffic().count() == 0


def test_the_hour_of_a_moment_is_where_it_began() -> None:
    assert hour(hours(3) + timedelta(minutes=59, seconds=59, microseconds=999)) == hours(3)
    assert hour(hours(3)) == hours(3)


@given(HOURS, st.integers(0, 49))
def test_any_moment_parts_traffic_without_loss(ran: list[tuple[int, int, int]], at: int) -> None:
    counted = requests(*ran)
    assert counted.count(until=hours(at)) + counted.count(since=hours(at)) == counted.count()
    assert sum(counted.count(sha=sha(n)) for n in (1, 2, 3)) == counted.count()
