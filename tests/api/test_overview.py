"""The overview document: the metrics' figures and nothing of its own, said in five sentences whatever there is."""

import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import page_builders as builders
import pytest
from rich.console import Console

from api import overview, queries, report, sentences, terminal
from api.overview import Scope
from correlator import metrics
from correlator.metrics import MetricQuery
from schemas.settings import Settings
from schemas.store import Store

SETTINGS = Settings(data=Path("nowhere"))
QUARTER = Scope(builders.END - timedelta(days=91), builders.END)


def _overview(store: Store, scope: Scope = QUARTER) -> dict[str, Any]:
    return overview.of(store, SETTINGS, scope, as_of=builders.END)


@pytest.fixture(scope="module")
def large_store() -> Store:
    return builders.company(1500, ratio=3.0)


@pytest.fixture(scope="module")
def large(large_store: Store) -> dict[str, Any]:
    return _overview(large_store)


@pytest.mark.parametrize("changes", [1, 4, 12, 60])
def test_there_are_always_five_sentences_and_they_blame_nobody(changes: int) -> None:
    said = [s["text"] for s in _overview(builders.company(changes))["sentences"]]
    assert len(said) == 5
    for text in said:
        assert text.count("**") >= 2
        assert text.count("**") % 2 == 0
        assert "caused" not in text
        assert text.endswith(".")


def test_figures_are_the_metrics_own(large: dict[str, Any], large_store: Store) -> None:
    data = queries.metric_data(large_store, SETTINGS, builders.END)
    asked = metrics.answer(MetricQuery("failure_rate", QUARTER.since, QUARTER.until, group_by=("arm",)), data)
    by_arm = {row["arm"]: row for row in (r.as_dict() for r in asked.rows)}
    for row in next(block for block in large["rates"] if block["id"] == "failures")["rows"]:
        assert (row["value"], row["low"], row["high"], row["n"]) == tuple(
            by_arm[row["key"]][name] for name in ("value", "low", "high", "n")
        )


def test_the_headline_says_what_the_adjusted_interval_says(large: dict[str, Any]) -> None:
    deciding = sentences.deciding(large["ratios"])
    assert deciding is not None
    assert deciding["key"] == "armaware_mh"
    assert (large["headline"]["verdict"] == "higher") == (deciding["low"] > 1)


def test_naive_ratios_stand_last_and_never_decide(large: dict[str, Any]) -> None:
    rows = large["ratios"]["rows"]
    assert [row["naive"] for row in rows] == sorted(row["naive"] for row in rows)
    assert not any(row["decides"] for row in rows if row["naive"])


def test_unknown_is_a_row_of_its_own(large: dict[str, Any]) -> None:
    for block in large["origins"]:
        assert [row["key"] for row in block["rows"]] == ["ai", "mixed", "human", "automation", "unknown"]


def test_a_withheld_figure_keeps_interval_and_says_how_much_would_be_enough() -> None:
    rows = _overview(builders.company(60))["rates"][0]["rows"]
    for row in rows:
        assert row["value"] is None
        assert row["low"] is not None
        assert row["high"] is not None
        assert row["needed"] == 30
        assert row["note"] == f"not enough data: {row['n']} of 30 changes"


def test_a_narrower_scope_counts_fewer_changes(large: dict[str, Any], large_store: Store) -> None:
    narrow = _overview(large_store, Scope(QUARTER.since, QUARTER.until, service="checkout"))
    assert 0 < narrow["rates"][0]["rows"][0]["n"] < large["rates"][0]["rows"][0]["n"]
    assert "of checkout" in narrow["scope_text"]


def test_the_document_is_json(large: dict[str, Any]) -> None:
    assert json.loads(json.dumps(large, allow_nan=False)) == large


@pytest.mark.parametrize("changes", [4, 60, 400])
def test_the_terminal_says_the_same(changes: int) -> None:
    document = report.document(builders.company(changes), SETTINGS, builders.WEEK, as_of=builders.END)
    out = io.StringIO()
    Console(file=out, width=110).print(terminal.summary(document))
    text = " ".join(out.getvalue().split())
    assert document["answer"]["headline"]["text"] in text
    assert "95% interval" in text
    assert "\x1b" not in text
    for found in document["incidents"][:3]:
        assert found["incident"]["external_id"] in text
