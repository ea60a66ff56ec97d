from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from correlator import rework_cohorts
from correlator.rework import Death, Fate
from schemas.vocabulary import Origin

START = datetime(2026, 1, 1, tzinfo=UTC)
END = START + timedelta(days=120)


def fate(day: float, *, origin: str = "unknown", lines: int = 100, dead: int = 0, **stated: Any) -> Fate:
    """A change that lost ``dead`` of its lines a day after it landed."""
    change = {
        "origin": origin,
        "is_code": True,
        "landed_at": START + timedelta(days=day),
        "size_band": "medium",
    }
    death = Death(timedelta(days=1), dead, is_test=False, is_same_author=True, is_mended=False)
    return Fate({**change, **stated}, lines, 0, [death] if dead else [], None)


def test_cohorts_are_compared_from_the_first_marked_change_on() -> None:
    fates = [
        fate(0, dead=100),
        fate(10, origin="ai", dead=30),
        fate(11, dead=10),
        fate(12, origin="automation"),
    ]
    found = rework_cohorts.compare(fates, END, days=30)
    marked, unknown = found.cohorts
    assert found.since == START + timedelta(days=10)
    assert (marked.origin, marked.changes, marked.lines) == (Origin.AI, 1, 100)
    assert marked.reworked is not None
    assert unknown.reworked is not None
    assert (marked.reworked.value, unknown.reworked.value, unknown.changes) == (0.3, 0.1, 1)
    assert found.others == 1


def test_changes_that_had_not_their_window_are_counted_and_left_out() -> None:
    found = rework_cohorts.compare([fate(0, origin="ai"), fate(100, dead=50)], END, days=30)
    assert (found.immature, found.cohorts[1].changes) == (1, 0)
    assert found.cohorts[1].reworked is None


def test_documents_and_changes_without_lines_are_left_out() -> None:
    fates = [fate(0, origin="ai"), fate(1, is_code=False), fate(2, lines=0)]
    assert rework_cohorts.compare(fates, END, days=30).cohorts[1].changes == 0


def test_no_change_weighs_more_than_the_cap() -> None:
    fates = [fate(0, origin="ai", lines=20_000, dead=20_000), fate(1, origin="ai", lines=2_000)]
    (marked, _) = rework_cohorts.compare(fates, END, days=30).cohorts
    assert marked.reworked is not None
    assert marked.reworked.value == pytest.approx(20_000 / 22_000)
    assert marked.capped == pytest.approx(0.5)


def test_a_ratio_needs_fifty_changes_a_side_and_compares_equal_size_and_quarter() -> None:
    def of(origin: str, count: int, dead: int, **stated: Any) -> list[Fate]:
        return [fate(n / 10, origin=origin, dead=dead + n % 3, **stated) for n in range(count)]

    few = rework_cohorts.compare([*of("ai", 60, 20), *of("unknown", 49, 10)], END, days=30)
    assert few.ratio is None
    # Marked changes are large ones, and large ones are reworked more whoever wrote them.
    fates = [
        *of("ai", 60, 40, size_band="large"),
        *of("ai", 20, 10),
        *of("unknown", 20, 40, size_band="large"),
        *of("unknown", 60, 10),
    ]
    found = rework_cohorts.compare(fates, END, days=30).ratio
    assert found is not None
    assert found.low <= 1 <= found.high
    assert found.value == pytest.approx(1, abs=0.05)


def test_the_same_seed_gives_the_same_intervals() -> None:
    fates = [fate(n, origin="ai", dead=n % 7 * 10) for n in range(40)]
    one, other = (rework_cohorts.compare(fates, END, days=30) for _ in range(2))
    assert one == other
    (marked, _) = one.cohorts
    assert marked.reworked is not None
    assert marked.reworked.low < marked.reworked.value < marked.reworked.high


def test_without_a_marked_change_there_is_nothing_to_compare() -> None:
    found = rework_cohorts.compare([fate(0), fate(1)], END, days=30)
    assert (found.since, found.ratio, [cohort.changes for cohort in found.cohorts]) == (None, None, [0, 0])
