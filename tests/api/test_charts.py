"""Drawings: on one scale, clipped with arrows, readable by machines."""

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import charts

FINITE = st.floats(0, 1e6, allow_nan=False, allow_infinity=False)
SVG = "{http://www.w3.org/2000/svg}"


def _drawn(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text)  # noqa: S314 - our own text


def _arrows(drawing: ElementTree.Element) -> int:
    return sum(1 for path in drawing.iter(f"{SVG}path") if path.get("d", "").count("L") == 2)


@given(st.lists(FINITE, max_size=8))
def test_a_rate_axis_starts_at_zero_and_has_at_most_seven_ticks(values: list[float]) -> None:
    scale = charts.rate_scale(values, "per_100")
    assert scale.ticks[0] == 0
    assert 2 <= len(scale.ticks) <= 7
    assert list(scale.ticks) == sorted(scale.ticks)


def test_a_proportion_axis_never_passes_one() -> None:
    assert charts.rate_scale([0.9, 1.0, 1.0], "percent").high <= 1.0


def test_one_wide_interval_does_not_flatten_the_others() -> None:
    scale = charts.rate_scale([0.05, 0.06, 0.07, 0.9], "percent")
    assert scale.high <= 0.3


@given(st.lists(st.floats(0.001, 1000), max_size=6))
def test_a_ratio_axis_is_symmetric_around_one(values: list[float]) -> None:
    scale = charts.ratio_scale(values)
    assert scale.x(1.0) == pytest.approx(charts.WIDTH / 2)
    assert 1.0 in scale.ticks


@given(low=FINITE, mid=FINITE, high=FINITE)
def test_every_interval_is_well_formed_and_stays_inside_the_drawing(
    low: float, mid: float, high: float
) -> None:
    low, mid, high = sorted((low, mid, high))
    text = charts.interval(charts.rate_scale([1.0], "per_100"), low=low, value=mid, high=high, label="AI: 1")
    drawing = _drawn(text)
    for mark in drawing.iter(f"{SVG}line"):
        assert -1 <= float(mark.get("x1", "0")) <= charts.WIDTH + 1
        assert -1 <= float(mark.get("x2", "0")) <= charts.WIDTH + 1


@pytest.mark.parametrize(
    ("low", "high", "arrows"),
    [
        (0.6, 1.6, 0),
        (0.01, 1.6, 1),
        (0.6, 99.0, 1),
        (0.01, 99.0, 2),
        (0.6, None, 1),
        (None, None, 0),
        (0.6, float("inf"), 1),
    ],
)
def test_an_end_beyond_the_axis_is_an_arrow(low: float | None, high: float | None, arrows: int) -> None:
    scale = charts.ratio_scale([0.5, 2.0])
    assert _arrows(_drawn(charts.interval(scale, low=low, value=1.0, high=high))) == arrows


def test_an_interval_wholly_beyond_the_axis_points_outwards_and_shows_no_point() -> None:
    drawing = _drawn(charts.interval(charts.ratio_scale([2.0]), low=20.0, value=30.0, high=40.0, tone="ours"))
    assert _arrows(drawing) == 2
    assert not list(drawing.iter(f"{SVG}circle"))


def test_a_withheld_point_is_left_out_and_its_interval_dashed() -> None:
    scale = charts.rate_scale([0.2], "percent")
    text = charts.interval(scale, low=0.01, value=0.1, high=0.2, tone="ai_marked", shown=False)
    assert "stroke-dasharray" in text
    assert "circle" not in text


def test_a_drawing_says_its_figure_and_hides_its_axis_from_screen_readers() -> None:
    scale = charts.rate_scale([0.2], "percent")
    label = 'AI <"marked">: 5%'
    assert (
        _drawn(charts.interval(scale, low=0.1, value=0.1, high=0.2, label=label)).get("aria-label") == label
    )
    assert _drawn(charts.axis(scale)).get("aria-hidden") == "true"


def test_drawings_need_no_style_sheet_and_no_script() -> None:
    scale = charts.rate_scale([0.2], "percent")
    for text in (
        charts.axis(scale),
        charts.interval(scale, low=0.1, value=0.1, high=0.2, label="x"),
        charts.bar(0.5, label="half"),
        charts.signed(-1.2, reach=4, label="against"),
        charts.weights([("first", 0.7), ("no_change", 0.3)], label="masses"),
    ):
        assert not re.search(r"style=|class=|<script|on\w+=|href=", text)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_stacked_weights_never_leave_their_bar(parts: list[float]) -> None:
    total = sum(parts) or 1.0
    text = charts.weights([("other", p / max(total, 1.0)) for p in parts], label="masses")
    for rect in _drawn(text).iter(f"{SVG}rect"):
        assert float(rect.get("x", "0")) + float(rect.get("width", "0")) <= charts.WIDTH + 1
