"""METRICS.md holds to the catalogue: equal headings, equal fields, every code explained."""

import re
from pathlib import Path

import pytest

from correlator.metric_catalogue import DEFINITION_VERSION, METRICS, SUPPRESSIONS, Metric
from schemas.vocabulary import Caveat

PAGE = (Path(__file__).parent.parent / "METRICS.md").read_text(encoding="utf-8")


def section(title: str, level: int) -> str:
    """Text from one heading to the next of its level or above."""
    found = re.search(rf"^{'#' * level} {re.escape(title)}$(.*?)(?=^#{{1,{level}}} |\Z)", PAGE, re.S | re.M)
    assert found, f"METRICS.md has no heading {title!r}"
    return found.group(1)


def test_headings_are_the_metrics_in_the_order_of_the_catalogue():
    listed = re.findall(r"^### (\S+)$", section("The metrics", 2), re.M)
    assert listed == list(METRICS)


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda m: m.id)
def test_a_section_states_what_the_catalogue_states(metric: Metric):
    text = section(metric.id, 3)
    for line in (
        f"{metric.title}; unit: {metric.unit}.",
        f"- **Numerator**: {metric.numerator}",
        f"- **Denominator**: {metric.denominator}",
        f"- **Window**: {metric.window}",
        f"- **Interval**: {metric.interval}",
        f"- **Hidden below**: n = {metric.min_n}",
        "- **Grouped by**: " + ", ".join(f"`{name}`" for name in metric.group_bys),
        "- **Caveats**: " + ", ".join(f"`{code}`" for code in metric.caveats),
    ):
        assert line in text.splitlines(), f"METRICS.md, {metric.id}, lacks: {line}"


def test_every_caveat_code_is_explained():
    codes = re.findall(r"^\| `(\w+)` \| \w", section("Caveats", 2), re.M)
    assert codes == [code.value for code in Caveat]


def test_every_reason_to_hide_a_figure_is_explained():
    text = section("When a figure is hidden", 2)
    for code, meaning in SUPPRESSIONS.items():
        assert f"| `{code}` | {meaning} |" in text


def test_the_page_names_the_version_of_the_definitions():
    assert f"This is version {DEFINITION_VERSION}." in PAGE


def test_defaults_are_among_the_windows_that_can_be_selected():
    for metric in METRICS.values():
        assert metric.window_days is None or metric.window_days in metric.windows
