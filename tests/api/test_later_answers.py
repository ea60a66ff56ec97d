"""What was said before, one incident's chain in words, and the backtest, as people and programs read them."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from inference_builders import GROUP, day, sha, share, told
from rest_client import Rest, rest

from api import chains, pages, queries
from correlator import backtest_figures, said
from schemas import tables
from schemas.settings import Settings
from schemas.store import Store

INCIDENT = "generic:INC-7"


def keep(store: Store) -> None:
    """Two versions of INC-7's answer and one of its failure's."""
    state = {"incident_id": INCIDENT, "is_false_alarm": False, "duplicate_of": None, "category": "unknown"}
    shares = [share(1, 0.9, 2), share(2, 0.1)]
    first = said.answers(
        attributions=shares,
        states=[state],
        links=[],
        suspects=[row | {"group_id": GROUP} for row in shares],
    )
    rows = said.versions(first, {}, said_at=day(3.5), facts_digest="f1")
    last = {(row["subject"], row["subject_id"]): row for row in rows}
    revert = {"kind": "reverted_after", "log_lr": 5.3, "detail": "reverted by 0123456789", "facts": {}}
    later = said.answers(
        attributions=[share(1, 0.98, 2, evidence=json.dumps([revert])), share(2, 0.02)],
        states=[state],
        links=[],
        suspects=[],
    )
    rows += said.versions(later, last, said_at=day(4), facts_digest="f2")
    store.append_rows(tables.SAID_ATTRIBUTIONS, rows)


@pytest.fixture(scope="module")
def store() -> Store:
    made = told(Store.open())
    keep(made)
    return made


@pytest.fixture(scope="module")
def port(store: Store) -> Rest:
    return rest(store, operations=Asked())


BACKTEST = {
    "as_of": datetime(2026, 3, 9, tzinfo=UTC),
    "after_s": 3600.0,
    "rules": {},
    **backtest_figures.figures(
        [], {"groups": 3, "incidents": 2, "groups_labelled": 0, "incidents_labelled": 0, "told_before": 0}
    ),
    "cases": [],
}


class Asked:
    """An installation that remembers for how long after the onset it was asked."""

    def __init__(self) -> None:
        self.after: list[float] = []

    def backtest(self, after_hours: float = 1.0) -> dict[str, Any]:
        self.after.append(after_hours)
        return BACKTEST


def page(store: Store, path: str, **given: Any) -> str:
    made = FastAPI()
    made.include_router(pages.router(store, Settings(data=Path("nowhere")), guard=lambda: None, **given))
    answered = TestClient(made).get(path)
    assert answered.status_code == 200
    return answered.text


def test_every_version_is_answered_the_newest_first(port: Rest) -> None:
    for incident in (INCIDENT, "INC-7"):
        items = port.get(f"/v1/incidents/{incident}/attributions/history").json()["items"]
        assert [item["version"] for item in items] == [2, 1]
    assert {"kind": "reverted_after", "sha": sha(2), "text": "reverted by 0123456789"} in items[0]["reasons"]
    assert items[1]["candidates"][0]["subject"] == "Change 2"
    group = port.get(f"/v1/failures/{GROUP}/attributions/history").json()["items"]
    assert [item["is_false_alarm"] for item in group] == [None]
    for path in ("/v1/incidents/none/attributions/history", "/v1/failures/none/attributions/history"):
        assert port.get(path).status_code == 404


def test_the_page_of_an_incident_shows_what_was_said(store: Store) -> None:
    text = page(store, f"/incidents/{INCIDENT}")
    assert "What was said, and when" in text
    assert "reverted by 0123456789" in text


def test_a_chain_leads_from_the_incident_to_the_evidence(store: Store) -> None:
    found = queries.attributions(store, INCIDENT)
    assert found is not None
    text = "\n".join(chains.lines(found, queries.said(store, "incident", INCIDENT)))
    for part in (
        "generic:INC-7  Checkout fails",
        "0.90  KeyError: <name>",
        "1. 0.71  0000000",
        "x 54.6  Wrote the failing line: it last wrote line 12",
        "-> services/checkout/orders.py:12 in price  (last written by this change)",
        "No change is to blame: 0.12",
        "version 2: 0.98",
        "reverted by 0123456789",
    ):
        assert part in text


def test_a_chain_of_an_incident_without_failures_says_so(store: Store) -> None:
    found = queries.attributions(store, INCIDENT)
    assert found is not None
    bare = found | {"groups": [], "candidates": [], "no_change": 0.0, "unattributed": 1.0}
    text = "\n".join(chains.lines(bare, []))
    assert "Failures that explain it: none" in text
    assert "Not attributed: 1.00" in text


def test_a_backtest_is_asked_for_with_its_delay(port: Rest, store: Store) -> None:
    answered = port.get("/v1/backtest", params={"after_hours": 2}).json()
    assert answered["failures"]["groups"] == 3
    assert answered["calibration"]["bins"][0]["from"] == 0.0
    assert port.client.app.state.operations.after == [2.0]  # type: ignore[attr-defined]
    assert port.get("/v1/backtest", params={"after_hours": -1}).status_code == 422
    assert rest(store).get("/v1/backtest").status_code == 501


def test_the_page_of_the_backtest_says_how_to_make_one(store: Store) -> None:
    assert "aftermerge backtest" in page(store, "/backtest")
    text = page(store, "/backtest", last_backtest=lambda: BACKTEST)
    assert "3 failure groups and 2 incidents, 0 have a label" in text
