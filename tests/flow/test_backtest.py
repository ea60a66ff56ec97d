"""Attribution held against what the team said later, on a company whose truth is known."""

from collections.abc import Iterator
from datetime import datetime
from html import unescape
from io import StringIO
from math import fsum
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from flow.company import Company, build
from rich.console import Console

from api import backtest, pages
from correlator.blind import LATER
from schemas import tables
from schemas.responses import Backtest


def judged(company: Company) -> None:
    """A person clears INC-3, the pager takes INC-4 back, both long after."""
    late = company.at("fix", 30)
    verdict = {
        "incident_id": "generic:INC-3",
        "decided_at": late,
        "candidate": "no_change",
        "sha": None,
        "token_id": "local",
        "reason": "the bank was down",
    }
    company.installation.store.append_rows(tables.VERDICTS, [verdict])
    said(company, "INC-4", late, status="false_alarm")


def said(company: Company, incident: str, at: datetime, **fields: Any) -> None:
    event = {
        "source": "generic",
        "external_id": incident,
        "event": "updated",
        "occurred_at": at,
        "received_at": at,
    }
    company.installation.store.append_rows(tables.INCIDENT_EVENTS, [event | fields])


def told(company: Company, after: float = 1.0) -> dict[str, Any]:
    company.installation.count(is_thorough=True)
    company.installation.correlate()
    return company.installation.backtest(after)


def of(found: dict[str, Any], id_: str) -> dict[str, Any]:
    return next(case for case in found["cases"] if case["id"] == id_)


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    built = build(tmp_path_factory.mktemp("company"))
    judged(built)
    yield built
    built.installation.close()


@pytest.fixture(scope="module")
def found(company: Company) -> dict[str, Any]:
    return told(company)


def test_the_fix_that_names_the_change_labels_its_failure_and_its_incident(
    company: Company, found: dict[str, Any]
) -> None:
    labelled = [c for c in found["cases"] if c["label"]["kind"] == "fix"]
    assert {c["subject"] for c in labelled} == {"group", "incident"}
    for case in labelled:
        assert [c["sha"] for c in case["label"]["changes"]] == [company.shas["coupons"]]
        assert case["is_right"]
        assert case["mass"] > 0.8


def test_no_blind_answer_reads_what_was_said_later(found: dict[str, Any]) -> None:
    for case in found["cases"]:
        assert case["as_of"] <= found["as_of"]
        kinds = {piece["kind"] for suspect in case["said"] for piece in suspect["evidence"]}
        assert not kinds & {str(kind) for kind in LATER}


def test_a_blind_answer_is_what_a_correlation_of_then_said(company: Company, found: dict[str, Any]) -> None:
    case = of(found, "generic:INC-1")
    with company.installation.as_of(case["as_of"]) as past:
        rows = past.rows(
            "SELECT sha, weight FROM incident_attributions WHERE incident_id = 'generic:INC-1' AND sha IS NOT NULL"
        )
    then = {row["sha"]: row["weight"] for row in rows}
    now = {s["sha"]: s["weight"] for s in case["said"] if s["sha"]}
    assert now == pytest.approx(then, abs=0.02)


def test_verdicts_and_false_alarms_are_labels_of_no_change(found: dict[str, Any]) -> None:
    for incident, kind in (("generic:INC-3", "verdict"), ("generic:INC-4", "false_alarm")):
        case = of(found, incident)
        assert case["label"]["kind"] == kind
        assert case["label"]["changes"] == []
        assert case["top"] == "no_change"
    assert found["no_change"]["recall"]["numerator"] == found["no_change"]["recall"]["denominator"]


def test_what_nobody_explained_is_counted_and_repeats_are_no_cases(found: dict[str, Any]) -> None:
    assert found["failures"]["incidents"] == 3
    assert "generic:INC-2" not in {c["id"] for c in found["cases"]}
    assert found["failures"]["groups"] >= found["failures"]["groups_labelled"]


def test_the_peer_rules_are_asked_about_the_same_cases(company: Company, found: dict[str, Any]) -> None:
    peers = of(found, "generic:INC-1")["peers"]
    assert peers["newest_deployed"] == company.shas["docs"]
    assert peers["blamed_at_head"] == company.shas["coupons"]
    assert found["exact"]["peers"]["newest_deployed"]["top_1"]["numerator"] == 0


def test_a_blind_answer_does_not_change_with_what_comes_later(tmp_path: Path) -> None:
    built = build(tmp_path)
    before = told(built)
    judged(built)
    said(built, "INC-1", built.at("fix", 40), postmortem=f"It was {built.shas['docs']}.", title="Docs did it")
    after = told(built)
    changed = of(after, "generic:INC-1")
    assert changed["label"]["kind"] == "named"
    assert not changed["is_right"]
    assert changed["why"]
    for case in before["cases"]:
        assert of(after, case["id"])["said"] == case["said"]
        assert of(after, case["id"])["as_of"] == case["as_of"]
    built.installation.close()


def test_terminal_and_contract_tell_the_same(found: dict[str, Any]) -> None:
    assert Backtest.model_validate(found).failures.cases == len(found["cases"])
    written = StringIO()
    Console(file=written, width=200).print(backtest.summary(found))
    text = written.getvalue()
    assert "have a label" in text
    assert "The true change came first in" in text
    assert text.count("\nright  ") + text.count("\nWRONG  ") == len(found["cases"])
    for case in found["cases"]:
        assert fsum(s["weight"] for s in case["said"]) <= 1.000001


def test_the_page_lists_every_case(company: Company, found: dict[str, Any]) -> None:
    made = FastAPI()
    installation = company.installation
    made.include_router(
        pages.router(
            installation.store,
            installation.settings,
            guard=lambda: None,
            last_backtest=lambda: installation.last_backtest,
        )
    )
    text = TestClient(made).get("/backtest").text
    for case in found["cases"]:
        assert case["label"]["detail"] in unescape(text)
    assert "The true change came first in" in text


def test_a_rollback_before_the_answer_is_no_evidence(tmp_path: Path) -> None:
    """The revision before is put back twenty minutes after the first failure."""
    built = build(tmp_path)
    store = built.installation.store
    at = built.at("docs", 1.5)
    store.execute(
        "DELETE FROM spans WHERE start_time BETWEEN $since AND $until", since=at, until=built.at("fix", 1)
    )
    store.execute('DELETE FROM exceptions WHERE "time" > $since', since=at)
    row = store.row("SELECT * FROM deployments WHERE deployment_id = 'deploy-first'")
    assert row is not None
    again = {
        "deployment_id": "back",
        "type": "rollback",
        "started_at": at,
        "finished_at": at,
        "received_at": at,
    }
    store.append_rows(tables.DEPLOYMENTS, [row | again])
    found = told(built, after=24)
    case = next(c for c in found["cases"] if c["subject"] == "group")
    assert case["as_of"] > at
    with built.installation.as_of(case["as_of"]) as past:
        assert "rolled_back_after" in str(past.rows("SELECT evidence FROM group_suspects"))
    kinds = {piece["kind"] for suspect in case["said"] for piece in suspect["evidence"]}
    assert not kinds & {str(kind) for kind in LATER}
    assert case["said"][0]["sha"] == built.shas["coupons"]
    built.installation.close()
