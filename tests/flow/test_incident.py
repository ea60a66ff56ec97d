"""One incident, from facts to the commit's trailer, in one process with a real repository and a real store."""

import random
from collections.abc import Iterator
from math import fsum
from pathlib import Path
from typing import Any

import pytest
from flow.company import Company, build

from api import queries
from schemas import tables
from schemas.store import arrow
from schemas.tables import Schema


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    built = build(tmp_path_factory.mktemp("company"))
    built.installation.correlate()
    yield built
    built.installation.close()


def answer(company: Company, incident: str) -> dict[str, Any]:
    found = queries.attributions(company.installation.store, incident)
    assert found is not None
    return found


def test_the_change_that_broke_orders_is_named_with_its_whole_chain(company: Company) -> None:
    found = answer(company, "INC-1")
    first = found["candidates"][0]
    assert first["change"] == company.shas["coupons"]
    assert first["weight"] > 0.8
    assert first["origin"] == "ai"
    assert found["category"] == "logic_unhandled"
    kinds = {piece["kind"] for piece in first["evidence"]}
    assert {"blamed_line", "named_by_fix", "change_point"} <= kinds
    frame = first["chain"]["frames"][0]
    assert (frame["path"], frame["blamed_sha"]) == ("services/checkout/app.py", company.shas["coupons"])
    assert any("noreply@anthropic.com" in piece["matched_text"] for piece in first["provenance"])


@pytest.mark.parametrize("incident", ["INC-1", "INC-2", "INC-3", "INC-4"])
def test_masses_of_every_incident_sum_to_one(company: Company, incident: str) -> None:
    found = answer(company, incident)
    total = fsum([*(c["weight"] for c in found["candidates"]), found["no_change"], found["unattributed"]])
    assert total == pytest.approx(1, abs=1e-9)


def test_a_second_alert_for_the_same_failure_is_a_duplicate(company: Company) -> None:
    assert answer(company, "INC-2")["incident"]["duplicate_of"] == "generic:INC-1"


def test_a_bank_that_cannot_be_reached_is_no_change_of_ours(company: Company) -> None:
    found = answer(company, "INC-3")
    assert found["no_change"] > 0.5
    assert found["category"] == "dependency_infrastructure"
    assert {piece["kind"] for piece in found["no_change_evidence"]} >= {"dependency_down"}


def test_an_alert_while_nothing_failed_is_a_false_alarm(company: Company) -> None:
    found = answer(company, "INC-4")
    assert found["incident"]["is_false_alarm"]
    assert found["candidates"] == []


def test_a_rebuild_gives_the_same_bytes(company: Company) -> None:
    told = company.installation.rebuilt()
    assert told["is_same"]
    assert len(told["digest"]) == 64


def test_the_past_is_answered_without_what_came_later(company: Company) -> None:
    before = company.installation.store.value("SELECT inferences_digest FROM correlation_runs")
    with company.installation.as_of(company.at("docs", 12)) as past:
        found = queries.attributions(past, "INC-1")
        assert found is not None
        first = found["candidates"][0]
        assert first["change"] == company.shas["coupons"]
        assert "named_by_fix" not in {piece["kind"] for piece in first["evidence"]}
        assert past.value("SELECT count(*) FROM changes") == 5
    assert company.installation.store.value("SELECT inferences_digest FROM correlation_runs") == before


def test_facts_in_another_order_and_twice_give_the_same_answers(company: Company) -> None:
    store = company.installation.store
    before = store.value("SELECT inferences_digest FROM correlation_runs")
    for table in (tables.SPANS, tables.EXCEPTIONS):
        rows = store.arrow(f"SELECT * FROM {table.name}").to_pylist()
        random.Random(7).shuffle(rows)
        store.replace_all(table, arrow(table, [*rows, *rows[:20]]))
    assert company.installation.rebuilt()["digest"] == before


def test_who_wrote_a_change_is_no_input_of_blame(company: Company, tmp_path: Path) -> None:
    unmarked = build(tmp_path, marked=False)
    unmarked.installation.correlate()
    for incident in ("INC-1", "INC-3"):
        with_tag, without = answer(company, incident), answer(unmarked, incident)
        assert [c["weight"] for c in with_tag["candidates"]] == [c["weight"] for c in without["candidates"]]
        assert with_tag["no_change"] == without["no_change"]
    assert answer(unmarked, "INC-1")["candidates"][0]["origin"] == "unknown"
    unmarked.installation.close()


def test_a_person_may_decide_and_the_machine_keeps_its_evidence(tmp_path: Path) -> None:
    built = build(tmp_path)
    store = built.installation.store
    verdict = {
        "incident_id": "generic:INC-3",
        "decided_at": built.at("fix", 24),
        "candidate": "change",
        "sha": built.shas["base"],
        "token_id": "local",
        "reason": "the retry was never there",
    }
    store.append_rows(tables.VERDICTS, [verdict])
    built.installation.correlate()
    first = answer(built, "INC-3")["candidates"][0]
    assert (first["change"], first["weight"]) == (built.shas["base"], 1.0)
    built.installation.close()


def test_every_inference_row_says_which_rules_made_it(company: Company) -> None:
    rules = company.installation.store.value("SELECT rules FROM correlation_runs")
    assert all(name in rules for name in ("catalogue", "categories", "fingerprint", "weights"))
    assert all(t.schema is Schema.INFERENCES for t in tables.of(Schema.INFERENCES))
