"""How often an operation ran, by hour and revision."""

from datetime import timedelta

from evidence_builders import interval, requests
from failure_builders import hours, sha
from hypothesis import given
from hypothesis import strategies as st

from correlator.occurrences import micros
from correlator.revisions import Timeline
from correlator.traffic import Traffic, hour, of_operations

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


def test_hours_of_an_unknown_revision_are_told_apart_by_what_ran() -> None:
    timeline = Timeline([interval(1, 0, None), interval(3, 9, 1)])
    row = {
        "service": "checkout",
        "environment": "production",
        "operation": "POST /orders",
        "revision": "no such commit",
        "hours": [micros(hours(at)) for at in (-1, 8, 9, 10)],
        "first_seen": [micros(hours(at)) for at in (-0.5, 8.5, 9.5, 10.5)],
        "requests": [1, 10, 100, 1000],
    }
    stated = {**row, "revision": "abc", "requests": [5, 5, 5, 5]}
    names = {"abc": sha(7)}
    found = of_operations([row, stated], sha_of=lambda _, text: names.get(text or ""), timeline=timeline)
    (ran,) = found.values()
    assert [ran.count(sha=sha(n)) for n in (1, 3, 7)] == [10, 1100, 20]
    assert ran.count() == 1131
    assert ran.count(until=hours(0)) == 6
