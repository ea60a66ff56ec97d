"""What each body becomes: deployments, incidents, changes."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema
import pytest

from collector.intake import changes, deployments, incidents
from schemas.errors import MalformedInput
from schemas.intake import REPORTS

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def _refusal(parse: Any, value: Any) -> dict[str, Any]:
    with pytest.raises(MalformedInput) as caught:
        parse(value, NOW)
    return caught.value.facts


# --- deployments ------------------------------------------------------------------------------------


def test_a_deployment_keeps_what_it_does_not_know() -> None:
    sent = {
        "id": 12,
        "service": " checkout ",
        "environment": "",
        "finished_at": 1772449200123,
        "type": "Rollback",
        "canary_until": "0001-01-01T00:00:00Z",
        "pipeline": {"url": "https://ci.example.org/9"},
    }
    row = deployments.parse(sent, NOW)[0]
    assert (row["deployment_id"], row["service"], row["environment"]) == ("12", "checkout", None)
    assert row["type"] == "rollback"
    assert row["canary_until"] is None
    assert row["finished_at"] == datetime(2026, 3, 2, 11, 0, 0, 123000, tzinfo=UTC)
    assert json.loads(row["extra"]) == {"pipeline": {"url": "https://ci.example.org/9"}}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"id": ""}, "id"),
        ({"id": None}, "id"),
        ({"service": ""}, "service"),
        ({"finished_at": None}, "finished_at"),
        ({"finished_at": "2026-03-02T11:00:00"}, "finished_at"),
        ({"type": "party"}, "type"),
        ({"revision": 5}, "revision"),
    ],
)
def test_a_deployment_is_refused_by_field(change: dict[str, Any], field: str) -> None:
    good = {"id": "d", "service": "s", "finished_at": "2026-03-02T11:00:00Z"}
    facts = _refusal(deployments.parse, [good, good | change])
    assert (facts["index"], facts["field"].partition(".")[0]) == (1, field)


# --- incidents --------------------------------------------------------------------------------------


def test_an_opened_incident() -> None:
    sent = {
        "id": "INC-7",
        "event": "opened",
        "title": "Checkout fails",
        "service": "checkout",
        "severity": "SEV1",
        "opened_at": "2026-03-02T11:00:00.123456789+01:00",
        "links": {
            "trace_id": "01020304-0506-0708-090A-0B0C0D0E0F10",
            "commit": "https://git.example.org/acme/shop/commit/00112233445566778899aabbccddeeff00112233",
            "pull_request": 17,
            "runbook": "https://wiki.example.org/1",
        },
        "labels": {"team": "shop"},
        "commander": "on call",
    }
    row = incidents.parse(sent, NOW)[0]
    assert row["occurred_at"] == row["opened_at"] == datetime(2026, 3, 2, 10, 0, 0, 123456, tzinfo=UTC)
    assert row["trace_id"] == "0102030405060708090a0b0c0d0e0f10"
    assert row["commit_sha"] == "00112233445566778899aabbccddeeff00112233"
    assert (row["pull_request"], row["severity"]) == ("17", "sev1")
    assert json.loads(row["labels"]) == {"team": "shop"}
    assert json.loads(row["extra"]) == {
        "commander": "on call",
        "links": {"runbook": "https://wiki.example.org/1"},
    }


def test_an_event_happened_when_its_sender_says_else_when_it_came() -> None:
    later = NOW + timedelta(hours=1)
    resolved = incidents.parse({"id": 1, "event": "resolved", "resolved_at": later.isoformat()}, NOW)[0]
    assert resolved["occurred_at"] == resolved["resolved_at"] == later
    silent = incidents.parse({"id": 1, "event": "resolved"}, NOW)[0]
    assert silent["occurred_at"] == silent["resolved_at"] == NOW
    updated = incidents.parse({"id": 1, "event": "updated", "links": None, "labels": None}, NOW)[0]
    assert (updated["occurred_at"], updated["opened_at"], updated["resolved_at"]) == (NOW, None, None)
    dated = incidents.parse({"id": 1, "event": "updated", "occurred_at": later.isoformat()}, NOW)[0]
    assert dated["occurred_at"] == later


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"event": "exploded"}, "event"),
        ({"opened_at": None}, "opened_at"),
        ({"links": {"trace_id": "12"}}, "links.trace_id"),
        ({"links": {"commit": "main"}}, "links.commit"),
        ({"labels": ["a"]}, "labels"),
    ],
)
def test_an_incident_is_refused_by_field(change: dict[str, Any], field: str) -> None:
    good = {"id": "I", "event": "opened", "opened_at": "2026-03-02T11:00:00Z"}
    assert _refusal(incidents.parse, good | change)["field"] == field


# --- changes ----------------------------------------------------------------------------------------


def test_a_change_request() -> None:
    sha = "00112233445566778899AABBCCDDEEFF00112233"
    sent = {
        "repository": "acme/shop",
        "number": 17,
        "title": "Add zones",
        "merge_commit_sha": sha,
        "merge_method": "Squash",
        "merged_at": "2026-03-02T11:00:00Z",
        "user": {"login": "octo"},
        "labels": [{"name": "ai"}, "backend"],
        "draft": False,
    }
    row = changes.parse([sent], NOW)[0]
    assert (row["merge_commit_sha"], row["merge_method"], row["opened_by"]) == (sha.lower(), "squash", "octo")
    assert row["labels"] == ["ai", "backend"]
    assert json.loads(row["extra"]) == {"draft": False}


def test_a_merged_request_stays_merged() -> None:
    merged = changes.parse(
        {"repository": "a/b", "number": 1, "merged_at": "2026-03-02T11:00:00Z", "title": "New"}, NOW
    )[0]
    stale = changes.parse({"repository": "a/b", "number": 1, "title": "Old", "body": "text"}, NOW)[0]
    for folded in (changes.merge(merged, stale), changes.merge(stale, merged)):
        assert (folded["merged_at"], folded["title"], folded["body"]) == (merged["merged_at"], "New", "text")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"number": 0}, "number"),
        ({"number": 2**70}, "number"),
        ({"repository": " "}, "repository"),
        ({"merge_commit_sha": "abc1234"}, "merge_commit_sha"),
        ({"merge_method": "octopus"}, "merge_method"),
    ],
)
def test_a_change_request_is_refused_by_field(change: dict[str, Any], field: str) -> None:
    assert _refusal(changes.parse, {"repository": "a/b", "number": 1} | change)["field"] == field


# --- schemas ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("noun", REPORTS)
def test_a_schema_is_a_schema(noun: str) -> None:
    jsonschema.Draft202012Validator.check_schema(REPORTS[noun].model_json_schema())
