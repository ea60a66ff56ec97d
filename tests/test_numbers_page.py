"""docs/numbers.md quotes what the pictures were drawn from, and the pictures are those that the script draws."""

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from pictures import numbers

DOCS = Path(__file__).parent.parent / "docs"
PAGE = " ".join((DOCS / "numbers.md").read_text(encoding="utf-8").split())
FIGURES: dict[str, Any] = json.loads((DOCS / "images" / "numbers.json").read_text(encoding="utf-8"))


def test_every_picture_is_shown_and_is_an_image() -> None:
    for name in numbers.PICTURES:
        path = f"images/numbers-{name}.svg"
        assert f"]({path})" in PAGE
        drawn = ElementTree.parse(DOCS / path).getroot()  # noqa: S314 - our own file
        assert drawn.tag.endswith("svg")
        assert not re.search(r"<script|href=|style=", (DOCS / path).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["immature", "confounding"])
def test_a_picture_is_what_the_script_draws(name: str) -> None:
    """Near: a new order of draws moves the third digit, a new estimator or a new company more."""
    picture, figures = numbers.PICTURES[name]()
    assert re.sub(r"\d", "", picture.svg()) == re.sub(
        r"\d", "", (DOCS / "images" / f"numbers-{name}.svg").read_text(encoding="utf-8")
    )
    assert _flat(figures) == pytest.approx(_flat(FIGURES[name]), rel=0.02)


def test_the_page_quotes_the_figures_of_the_pictures() -> None:
    naive = [f"{FIGURES['dilution'][size]['last_deployment']['value']:.2f}" for size in ("1", "2", "5", "20")]
    assert (
        "right: {}. With two the same company reads {}, with five {}, with twenty {},".format(*naive) in PAGE
    )
    adjusted = [FIGURES["dilution"][size]["armaware_mh"]["value"] for size in FIGURES["dilution"]]
    blind = [FIGURES["dilution"][size]["armblind_crude"]["value"] for size in FIGURES["dilution"]]
    assert f"({min(blind):.2f} to {max(blind):.2f})" in PAGE
    assert f"that pull: {min(adjusted):.2f} to {max(adjusted):.2f}" in PAGE
    for row in (FIGURES["confounding"]["armblind_crude"], FIGURES["confounding"]["armaware_mh"]):
        assert f"{row['value']:.2f} ({row['low']:.2f} to {row['high']:.2f})" in PAGE
    marked = [
        f"{FIGURES['tag-errors'][share]['armaware_mh']['value']:.2f}"
        for share in ("0.95", "0.8", "0.5", "0.3")
    ]
    assert "1.70 reads {}; at 80 %, {}; at 50 %, {}; at 30 %, {}.".format(*marked) in PAGE
    corrected = [row["armaware_mh_tagcorrected"]["value"] for row in FIGURES["tag-errors"].values()]
    assert f"comes back to {min(corrected):.2f} to {max(corrected):.2f}" in PAGE
    last = [f"{value:.1f}" for _, value in FIGURES["immature"]["naive"][-3:]]
    assert f"about {last[0]} per 100 to {last[1]} and {last[2]}" in PAGE
    hundred = sorted(row["value"] for row in FIGURES["small-numbers"]["100"])
    assert [float(f"{value:.2g}") for value in hundred] == [0.3, 0.83, 1.0, 2.4, 3.3]
    assert "read 0.30, 0.83, 1.0, 2.4 and 3.3" in PAGE
    decided = [row["low"] > 1 for row in FIGURES["small-numbers"]["1000"]]
    assert sum(decided) == 4
    assert all(row["low"] > 1 for row in FIGURES["small-numbers"]["3000"])


def _flat(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [number for key in sorted(value) for number in _flat(value[key])]
    if isinstance(value, list | tuple):
        return [number for item in value for number in _flat(item)]
    return [value] if isinstance(value, int | float) else []
