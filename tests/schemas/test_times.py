from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import times

MOMENT = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22T09:30:00Z",
        "2026-11-22t09:30:00z",
        "2026-11-22T09:30Z",
        "2026-11-22T11:30:00+02:00",
        "2026-11-22T11:30:00+0200",
        "2026-11-22 11:30:00 +0200",
        "2026-11-22 09:30:00 UTC",
        "2026-11-22T11:30:00 02:00",
        "2026-11-22T09:30:00.000000000Z",
        " 1795339800 ",
        "1795339800000",
    ],
)
def test_spellings_of_one_moment(text: str) -> None:
    assert times.parse(text) == MOMENT


@pytest.mark.parametrize("unit", [1, 1000, 1_000_000, 1_000_000_000])
def test_an_epoch_is_read_by_its_size(unit: int) -> None:
    assert times.parse(int(MOMENT.timestamp()) * unit) == MOMENT


def test_nine_fraction_digits_are_cut_to_microseconds() -> None:
    assert times.parse("2026-11-22T09:30:00.123456999Z").microsecond == 123456


def test_a_leap_second_is_the_next_instant() -> None:
    assert times.parse("2016-12-31T23:59:60Z") == datetime(2017, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-22T09:30:00",
        "2026-11-22",
        "2026-13-01T00:00:00Z",
        "2026-11-22T25:00:00Z",
        "2026-11-22T09:30:00+99:99",
        "9999-12-31T23:59:59-01:00",
        "2026-W47",
        "yesterday",
        "",
        True,
        [],
        float("nan"),
        float("inf"),
        -1e30,
        datetime(2026, 1, 1),  # noqa: DTZ001
    ],
)
def test_what_names_no_moment_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r".+"):
        times.parse(value)


@pytest.mark.parametrize("value", [None, "", "0001-01-01T00:00:00Z"])
def test_not_yet_is_none(value: object) -> None:
    assert times.parse_optional(value) is None


def test_a_bound_may_be_a_bare_date() -> None:
    assert times.parse_bound("2026-11-22") == datetime(2026, 11, 22, tzinfo=UTC)


@given(st.datetimes(min_value=datetime(1973, 6, 1), max_value=datetime(2200, 1, 1)))  # noqa: DTZ001
def test_a_moment_survives_every_way_of_writing_it(naive: datetime) -> None:
    moment = naive.replace(tzinfo=UTC)
    microseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert times.parse(moment.isoformat()) == moment
    assert times.parse(microseconds) == moment
    assert times.parse(microseconds * 1000) == moment
