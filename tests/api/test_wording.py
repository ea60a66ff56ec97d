"""Words and numbers: formatted once, never more certain than the interval."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import lexicon, wording
from schemas import vocabulary
from schemas.vocabulary import (
    Candidate,
    Caveat,
    ChangeKind,
    EvidenceKind,
    FailureCategory,
    MergeMethod,
    Origin,
    OutcomeKind,
    Role,
)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0684, "percent", "6.8%"),
        (0.0, "percent", "0.0%"),
        (12.34, "per_100", "12.3"),
        (0.456, "per_1000_lines", "0.46"),
        (1.7049, "ratio", "1.70×"),
        (36.2, "ratio", "36×"),
        (2.25, "hours", "2 h 15 min"),
        (None, "percent", "–"),
        (float("nan"), "percent", "–"),
    ],
)
def test_a_figure_is_printed_in_its_unit_and_a_missing_one_never_as_zero(
    value: float | None, unit: str, text: str
) -> None:
    assert wording.figure(value, unit) == text


@pytest.mark.parametrize(
    ("low", "high", "unit", "text"),
    [
        (0.046, 0.096, "percent", "4.6–9.6%"),
        (1.05, None, "ratio", "at least 1.05×"),
        (1.05, float("inf"), "ratio", "at least 1.05×"),
        (0.29, 2427.3, "ratio", "at least 0.29×"),
        (None, 0.8, "ratio", "at most 0.80×"),
        (None, None, "percent", "–"),
    ],
)
def test_an_open_end_of_an_interval_says_at_least_or_at_most(
    low: float | None, high: float | None, unit: str, text: str
) -> None:
    assert wording.interval(low, high, unit) == text


@given(st.floats(0.01, 20), st.floats(0.01, 20))
def test_a_direction_is_claimed_only_when_the_interval_leaves_one(a: float, b: float) -> None:
    low, high = sorted((a, b))
    said = wording.direction({"value": (low + high) / 2, "low": low, "high": high, "status": "ok"})
    assert said == ("higher" if low > 1 else "lower" if high < 1 else "no difference shown")


def test_a_withheld_ratio_has_no_direction_whatever_its_interval() -> None:
    row = {"value": None, "low": 1.4, "high": 3.0, "status": "insufficient", "suppressed": "small_n"}
    assert wording.direction(row) == "not enough data"


def test_not_enough_data_says_how_much_would_be() -> None:
    assert wording.not_enough(23, 30) == "not enough data: 23 of 30 changes"


def test_thousands_are_parted_by_a_narrow_space() -> None:
    assert wording.count(1020) == "1\u202f020"
    assert wording.count(28.44, 1) == "28.4"


@pytest.mark.parametrize(
    ("value", "text"), [(0.81, "81%"), (0.001, "<1%"), (0.999, ">99%"), (0, "0%"), (1, "100%")]
)
def test_a_share_never_rounds_to_none_or_all(value: float, text: str) -> None:
    assert wording.share(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(45, "45 s"), (720, "12 min"), (7980, "2 h 13 min"), (273_600, "3 d 4 h"), (-60, "−1 min")],
)
def test_a_duration_keeps_its_two_largest_units(seconds: int, text: str) -> None:
    assert wording.duration(seconds) == text


def test_an_open_incident_says_for_how_long() -> None:
    opened = datetime(2026, 11, 20, tzinfo=UTC)
    row = {"opened_at": opened, "resolved_at": None}
    assert wording.lasted(row, opened + timedelta(hours=2)) == "open for 2 h"


@pytest.mark.parametrize(
    ("names", "codes"),
    [
        (lexicon.ORIGINS, Origin),
        (lexicon.ORIGIN_PHRASES, Origin),
        (lexicon.CATEGORIES, FailureCategory),
        (lexicon.OUTCOMES, OutcomeKind),
        (lexicon.CANDIDATES, Candidate),
        (lexicon.MERGE_METHODS, MergeMethod),
        (lexicon.KINDS, ChangeKind),
        (lexicon.ROLES, Role),
        (lexicon.EVIDENCE, EvidenceKind),
        (lexicon.CAVEATS, Caveat),
    ],
    ids=lambda given: getattr(given, "__name__", ""),
)
def test_every_code_of_the_vocabulary_has_words(
    names: dict[str, str], codes: type[vocabulary.StrEnum]
) -> None:
    assert set(names) == {code.value for code in codes}


def test_a_code_without_words_is_still_readable() -> None:
    assert wording.label({}, "some_new_code") == "Some new code"


def _answer(first: float, none: float) -> dict[str, object]:
    shown = [{"weight": first, "origin": "ai", "change": "0" * 40}] if first else []
    return {
        "incident": {"is_false_alarm": False},
        "candidates": shown,
        "no_change": none,
        "unattributed": 1 - first - none,
    }


@pytest.mark.parametrize(
    ("first", "none", "text"),
    [
        (0.81, 0.1, "81% of the weight falls on one change, which is AI-marked."),
        (0.4, 0.3, "No clear answer: 40% of the weight falls on one change, which is AI-marked."),
        (0.1, 0.7, "Most likely no change is to blame: 70% of the weight."),
        (0.0, 0.0, "Too little connects this incident to any change: 100% of the weight stays unattributed."),
    ],
)
def test_an_attribution_claims_no_more_than_its_weights(first: float, none: float, text: str) -> None:
    assert wording.attribution(_answer(first, none)) == text
