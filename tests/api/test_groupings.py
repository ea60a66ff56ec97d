"""Failures are merged and split by hand: what is accepted, what is refused, and what the audit says."""

import json
from typing import Any

import pytest
from inference_builders import GROUP, failure_group
from rest_client import Rest, rest

from schemas import tables
from schemas.store import Store
from schemas.vocabulary import TokenScope

OTHER, ELSEWHERE = "0" * 15 + "2", "0" * 15 + "3"
PATH = f"/v1/failures/{GROUP}/groupings"


@pytest.fixture
def port() -> Rest:
    store = Store.open()
    parts = json.dumps({"rule": "stack", "merged_from": ["a" * 16], "split": {"of": "b" * 16}})
    rows = [
        failure_group(fingerprint_parts=parts),
        failure_group(group_id=OTHER, fingerprint="c" * 16),
        failure_group(group_id=ELSEWHERE, fingerprint="d" * 16, service="stock"),
    ]
    store.append_rows(tables.FAILURE_GROUPS, rows)
    return rest(store)


def state(port: Rest, scope: TokenScope = TokenScope.ADMIN, **body: Any) -> Any:
    return port.post(PATH, scope, json=body)


def test_a_group_says_what_contributed_to_its_fingerprint(port: Rest) -> None:
    found = port.get(f"/v1/failures/{GROUP}").json()
    assert found["fingerprint_parts"]["rule"] == "stack"
    assert port.get("/v1/failures/none").status_code == 404


def test_a_merge_is_kept_with_its_author_and_its_reason(port: Rest) -> None:
    answer = state(port, decision="merge", into=OTHER, reason="the same bug")
    assert answer.status_code == 201
    (found,) = port.get(PATH).json()["items"]
    assert (found["decision"], found["into_fingerprint"], found["reason"]) == (
        "merge",
        "c" * 16,
        "the same bug",
    )
    (audited,) = port.store.rows("SELECT action, object FROM audit WHERE action LIKE 'grouping.%'")
    assert audited == {"action": "grouping.merge", "object": f"checkout 00000000000000fe -> {'c' * 16}"}


def test_a_decision_about_a_part_is_undone_by_its_fingerprint(port: Rest) -> None:
    for part in ("a" * 16, "b" * 16):
        assert state(port, decision="undo", fingerprint=part).json()["fingerprint"] == part
    assert state(port, decision="split", by="message").json()["split_by"] == "message"
    assert [row["decision"] for row in port.get(PATH).json()["items"]] == ["split", "undo", "undo"]


@pytest.mark.parametrize(
    "body",
    [
        {"decision": "merge"},
        {"decision": "merge", "into": GROUP},
        {"decision": "merge", "into": ELSEWHERE},
        {"decision": "merge", "into": OTHER, "by": "message"},
        {"decision": "split"},
        {"decision": "split", "by": "weather"},
        {"decision": "undo", "fingerprint": "e" * 16},
        {"decision": "split", "by": "message", "fingerprint": "a" * 16},
        {"decision": "forget"},
    ],
)
def test_a_decision_that_makes_no_sense_is_refused(port: Rest, body: dict[str, str]) -> None:
    assert state(port, **body).status_code == 422
    assert port.store.value("SELECT count(*) FROM groupings") == 0


def test_only_an_administrator_decides(port: Rest) -> None:
    assert state(port, TokenScope.READ, decision="split", by="message").status_code == 403
