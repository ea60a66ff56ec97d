"""The figures of a backtest."""

from typing import Any

import pytest
from failure_builders import sha

from correlator import backtest_figures
from correlator.backtest import Case
from correlator.hindsight import Label, LabelKind

COUNTS = {"groups": 9, "incidents": 5, "groups_labelled": 3, "incidents_labelled": 2, "told_before": 0}


def case(
    cause: int | None = 1,
    *,
    rank: int | None = 1,
    mass: float = 0.9,
    confidence: float = 0.9,
    top: str | None = None,
    **overrides: Any,
) -> Case:
    """A case whose truth is change ``cause``, or no change."""
    changes = frozenset({str(sha(cause))}) if cause is not None else frozenset[str]()
    label = Label(
        LabelKind.REVERT if changes else LabelKind.VERDICT, changes, "", overrides.pop("is_range", False)
    )
    row = {
        "id": f"case of {cause}",
        "subject": "group",
        "service": "checkout",
        "label": {"kind": str(label.kind)},
        "led_by": "blamed_line",
        "peers": {"newest_deployed": None, "blamed_at_head": None},
        **overrides,
    }
    truth = next(iter(changes), "")
    return Case(
        label, row, rank, mass, top if top is not None else truth if rank == 1 else str(sha(99)), confidence
    )


def test_cases_of_one_cause_are_one_witness() -> None:
    ten_of_one = backtest_figures.share([case(1)] * 10, lambda c: c.is_right)
    of_ten = backtest_figures.share([case(n) for n in range(10)], lambda c: c.is_right)
    assert ten_of_one["value"] == of_ten["value"] == 1.0
    assert ten_of_one["low"] < 0.3
    assert of_ten["low"] > 0.7


def test_ranges_and_no_change_are_not_mixed_with_known_changes() -> None:
    listed = [case(1), case(2, rank=2), case(3, is_range=True), case(None, top="")]
    found = backtest_figures.figures(listed, COUNTS)
    assert found["exact"]["n"] == 2
    assert found["exact"]["top_1"]["numerator"] == 1
    assert found["exact"]["top_3"]["numerator"] == 2
    assert found["range"]["n"] == 1
    assert found["no_change"]["recall"]["numerator"] == 1
    assert found["failures"]["cases"] == 4


def test_saying_no_change_of_a_change_costs_precision() -> None:
    found = backtest_figures.figures([case(None, top=""), case(1, rank=2, top="")], COUNTS)
    assert found["no_change"]["precision"]["value"] == 0.5
    assert found["no_change"]["recall"]["value"] == 1.0


def test_the_calibration_error_is_what_was_said_less_what_was_right() -> None:
    honest = [case(n, confidence=0.75, rank=1 if n % 4 else 2) for n in range(8)]
    sure = [case(n, confidence=0.95, rank=1 if n % 2 else 2) for n in range(8)]
    assert backtest_figures.expected_error(honest) == pytest.approx(0.0)
    assert backtest_figures.expected_error(sure) == pytest.approx(0.45)
    ece = backtest_figures.figures(sure, COUNTS)["calibration"]["ece"]
    assert ece["low"] < ece["value"] < ece["high"]


def test_without_cases_there_are_no_figures() -> None:
    found = backtest_figures.figures([], COUNTS)
    assert found["exact"]["top_1"]["value"] is None
    assert found["calibration"]["ece"] == {"value": None, "low": None, "high": None}


def test_the_order_of_cases_does_not_matter() -> None:
    listed = [case(n, mass=n / 10, rank=1 if n % 2 else None) for n in range(9)]
    assert backtest_figures.figures(listed, COUNTS) == backtest_figures.figures(listed[::-1], COUNTS)
