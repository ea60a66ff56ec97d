"""Stretches of time in which a revision sent spans."""

from datetime import datetime
from typing import Any

from failure_builders import hours, sha

from correlator import islands
from correlator.islands import Island


def seen(n: int, first: float, last: float) -> dict[str, Any]:
    return {
        "service": "checkout",
        "environment": "production",
        "revision": sha(n),
        "first_seen_at": hours(first),
        "last_seen_at": hours(last),
    }


def of(*rows: dict[str, Any]) -> list[tuple[str | None, datetime, datetime]]:
    found = islands.of_spans(rows, lambda _, text: text, {})
    return [(i.sha, i.first, i.last) for i in found[("checkout", "production")]]


def test_silence_alone_does_not_part_a_stretch() -> None:
    assert of(seen(1, 0, 1), seen(1, 90, 91)) == [(sha(1), hours(0), hours(91))]


def test_silence_while_another_revision_began_parts_it() -> None:
    assert of(seen(1, 0, 1), seen(2, 40, 41), seen(1, 90, 91)) == [
        (sha(1), hours(0), hours(1)),
        (sha(2), hours(40), hours(41)),
        (sha(1), hours(90), hours(91)),
    ]


def island(n: int, first: float, last: float) -> Island:
    return Island(sha(n), sha(n), hours(first), hours(last))


def test_a_canary_that_was_given_up_puts_the_older_revision_back() -> None:
    ((back, at),) = islands.put_back([island(1, 0, 100), island(2, 10, 11)])
    assert (back.sha, at > hours(11)) == (sha(1), True)


def test_a_revision_that_was_succeeded_puts_none_back() -> None:
    assert list(islands.put_back([island(1, 0, 100), island(2, 10, 50), island(3, 50, 99)])) == []


def test_what_lingers_for_some_hours_was_not_put_back() -> None:
    assert list(islands.put_back([island(1, 0, 14), island(2, 10, 11)])) == []
