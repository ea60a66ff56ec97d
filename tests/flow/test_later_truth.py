"""Later truth re-weights an answer and keeps the one before; the way by which facts came does not change the last one."""

import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flow.company import Company, build

from api import queries
from schemas import tables
from schemas.records import IncidentId
from schemas.store import Row, arrow
from schemas.vocabulary import EvidenceKind

INCIDENT = IncidentId("generic:INC-1")


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    built = build(tmp_path)
    built.installation.count(is_thorough=True)
    yield built
    built.installation.close()


def correlate(company: Company, name: str, hours: float) -> None:
    company.installation.correlator.correlate(as_of=company.at(name, hours))


def said(company: Company, incident: str = INCIDENT) -> list[Row]:
    return queries.said(company.installation.store, "incident", incident)


def kinds(version: Row) -> set[str]:
    return {reason["kind"] for reason in version["reasons"]}


def test_a_fix_a_post_mortem_and_a_verdict_add_versions_and_rewrite_none(company: Company) -> None:
    store = company.installation.store
    correlate(company, "docs", 3)
    before = said(company)[-1]
    assert before["version"] == 1
    assert before["candidates"][0]["sha"] == company.shas["coupons"]
    correlate(company, "fix", 30)
    assert EvidenceKind.NAMED_BY_FIX in kinds(said(company)[0])
    late = company.at("fix", 31)
    event = {
        "source": "generic",
        "external_id": "INC-1",
        "event": "updated",
        "occurred_at": late,
        "received_at": late,
    }
    store.append_rows(
        tables.INCIDENT_EVENTS, [event | {"postmortem": f"{company.shas['config'][:12]} did it."}]
    )
    correlate(company, "fix", 32)
    assert EvidenceKind.NAMED_BY_INCIDENT in kinds(said(company)[0])
    verdict = {
        "incident_id": INCIDENT,
        "decided_at": company.at("fix", 33),
        "candidate": "change",
        "sha": company.shas["docs"],
        "token_id": "local",
        "reason": "read the runbook",
    }
    store.append_rows(tables.VERDICTS, [verdict])
    correlate(company, "fix", 34)
    versions = said(company)
    assert versions[0]["candidates"][0]["sha"] == company.shas["docs"]
    assert {"kind": "human_verdict", "sha": company.shas["docs"], "text": "read the runbook"} in versions[0][
        "reasons"
    ]
    assert [v["version"] for v in versions] == list(range(len(versions), 0, -1))
    assert versions[-1] == before
    correlate(company, "fix", 34)
    company.installation.rebuilt()
    assert said(company) == versions
    with company.installation.as_of(company.at("docs", 3)):
        assert said(company) == versions


def test_a_false_alarm_that_is_reopened_and_a_duplicate_that_is_stated_are_told(company: Company) -> None:
    correlate(company, "fix", 30)
    assert said(company, "generic:INC-4")[0]["is_false_alarm"]
    late = company.at("fix", 31)
    event = {
        "source": "generic",
        "external_id": "INC-4",
        "event": "updated",
        "occurred_at": late,
        "received_at": late,
    }
    company.installation.store.append_rows(
        tables.INCIDENT_EVENTS, [event | {"commit_sha": company.shas["fix"], "duplicate_of": "INC-3"}]
    )
    correlate(company, "fix", 32)
    newest = said(company, "generic:INC-4")[0]
    assert not newest["is_false_alarm"]
    assert newest["duplicate_of"] == "generic:INC-3"
    assert {"false_alarm", "duplicate"} <= kinds(newest)


FACTS = (tables.SPANS, tables.EXCEPTIONS, tables.DEPLOYMENTS, tables.INCIDENT_EVENTS)


@pytest.mark.parametrize("seed", range(2))
def test_facts_late_doubled_and_in_another_order_give_the_same_last_answers(
    company: Company, seed: int
) -> None:
    """Everything at once, against the same facts in random thirds with a correlation after each."""
    installation, store = company.installation, company.installation.store
    as_of = company.at("fix", 24 * 10)
    installation.correlator.correlate(as_of=as_of)
    expected = answers(store)
    facts: dict[Any, list[Row]] = {t: store.arrow(f"SELECT * FROM {t.name}").to_pylist() for t in FACTS}
    for table in (*FACTS, tables.OPERATION_HOURS, tables.SIGNAL_HOURS):
        store.replace_all(table, arrow(table, []))
    chosen = random.Random(seed)
    for table in FACTS:
        chosen.shuffle(facts[table])
    for third in range(3):
        for table in FACTS:
            part = facts[table][third::3]
            doubled = [] if table.key else part[:5]
            store.append_rows(table, [*part, *doubled], replace=bool(table.key))
        installation.count(is_thorough=True)
        installation.correlator.correlate(as_of=as_of - timedelta(hours=2 - third))
    assert answers(store) == expected


def answers(store: Any) -> dict[str, list[Row]]:
    names = (
        "incident_attributions",
        "incident_states",
        "incident_links",
        "group_suspects",
        "change_outcomes",
    )
    return {name: store.rows(f"SELECT * FROM {name} ORDER BY ALL") for name in names}
