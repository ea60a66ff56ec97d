"""What each body becomes: deployments, incidents, changes."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema
import pytest

from collector.intake import agent_traces, artifacts, changes, deployments, incidents, reports
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


# --- agent traces -------------------------------------------------------------------------------------


def _trace(**given: Any) -> dict[str, Any]:
    return {
        "version": "0.1.0",
        "id": "550e8400-e29b-41d4-a716-446655440000",
        "timestamp": "2026-03-02T10:00:00Z",
        "vcs": {"type": "git", "revision": "a" * 40},
        "tool": {"name": "cursor", "version": "2.4.0"},
        "files": [
            {
                "path": "./src/a.py",
                "conversations": [
                    {
                        "url": "https://example.org/private-chat",
                        "contributor": {"type": "ai", "model_id": "anthropic/claude-opus-4-5"},
                        "ranges": [
                            {"start_line": 1, "end_line": 9, "content_hash": "murmur3:9f2e8a1b"},
                            {"start_line": 12, "end_line": 12, "contributor": {"type": "human"}},
                            {"start_line": 14, "end_line": 15, "contributor": {"type": "unknown"}},
                        ],
                    },
                    {"contributor": {"type": "mixed"}, "ranges": [{"start_line": 20, "end_line": 21}]},
                ],
            }
        ],
        **given,
    }


def test_a_trace_attests_ranges_of_its_revision() -> None:
    rows = agent_traces.parse(_trace(), NOW)
    assert [
        (r["position"], r["path"], r["start_line"], r["end_line"], r["origin"], r["model"]) for r in rows
    ] == [
        (0, "src/a.py", 1, 9, "ai", "anthropic/claude-opus-4-5"),
        (1, "src/a.py", 12, 12, "human", None),
        (2, "src/a.py", 20, 21, "ai", None),
    ]
    assert {(r["sha"], r["tool"]) for r in rows} == {("a" * 40, "cursor")}
    assert "private-chat" not in json.dumps(rows, default=str)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"vcs": None}, "vcs"),
        ({"vcs": {"type": "jj", "revision": "a" * 40}}, "vcs"),
        ({"vcs": {"type": "git", "revision": "abc"}}, "vcs"),
        ({"id": ""}, "id"),
        ({"version": ""}, "version"),
        (
            {
                "files": [
                    {
                        "path": "a",
                        "conversations": [
                            {"contributor": {"type": "ai"}, "ranges": [{"start_line": 3, "end_line": 1}]}
                        ],
                    }
                ]
            },
            "files",
        ),
        ({"files": [{"path": "a", "conversations": [{"contributor": {"type": "robot"}}]}]}, "files"),
    ],
)
def test_a_trace_is_refused_by_field(change: dict[str, Any], field: str) -> None:
    facts = _refusal(agent_traces.parse, [_trace(), _trace() | change])
    assert (facts["index"], facts["field"].partition(".")[0]) == (1, field)


def test_json_lines_are_a_list_and_a_broken_line_is_named() -> None:
    assert reports.read(b'{"a": 1}\n\n{"a": 2}\r\n') == [{"a": 1}, {"a": 2}]
    assert reports.read(b'{"a":\n1}') == {"a": 1}
    with pytest.raises(MalformedInput, match="line 3"):
        reports.read(b'{"a": 1}\n{"a": 2}\n{"a": ')
    for body in (b'{"a": 1} {"a": 2}', b'{"a": 1}]\n'):
        with pytest.raises(MalformedInput, match="not JSON"):
            reports.read(body)


def test_a_request_keeps_its_own_commits() -> None:
    commits = [
        {"sha": "b" * 40, "message": "one", "author_email": "a@x.example", "lines_added": 3, "node_id": "x"},
        {"message": "two", "authored_at": "2026-03-01T10:00:00Z"},
    ]
    row = changes.parse({"repository": "acme/shop", "number": 7, "commits": commits}, NOW)[0]
    assert json.loads(row["commits"]) == [
        {"author_email": "a@x.example", "lines_added": 3, "message": "one", "sha": "b" * 40},
        {"authored_at": "2026-03-01T10:00:00Z", "message": "two"},
    ]
    told_again = changes.parse({"repository": "acme/shop", "number": 7, "title": "x"}, NOW)[0]
    assert told_again["commits"] is None
    assert changes.merge(row, told_again)["commits"] == row["commits"]
    facts = _refusal(changes.parse, {"repository": "a/b", "number": 1, "commits": [{"sha": "b" * 40}]})
    assert facts["field"] == "commits.0.message"


@pytest.mark.parametrize("noun", REPORTS)
def test_a_schema_is_a_schema(noun: str) -> None:
    jsonschema.Draft202012Validator.check_schema(REPORTS[noun].model_json_schema())


# --- artifacts --------------------------------------------------------------------------------------

DIGEST = "sha256:" + "4f" * 32


def test_a_build_says_which_commit_an_image_was_made_from() -> None:
    sent = {
        "artifact": f"registry.example:5000/shop:88@{DIGEST}",
        "revision": "a" * 40,
        "version": 88,
        "by": "ci",
    }
    (row,) = artifacts.parse(sent, NOW)
    assert (row["artifact"], row["revision"], row["version"]) == (DIGEST, "a" * 40, "88")
    assert json.loads(row["extra"]) == {"by": "ci"}


def test_a_cdevent_of_an_artifact_is_read_as_it_is_sent() -> None:
    sent = {
        "context": {"type": "dev.cdevents.artifact.packaged.0.2.0", "timestamp": "2026-03-02T11:00:00Z"},
        "subject": {
            "id": f"pkg:oci/shop@{DIGEST.replace(':', '%3A')}?repository_url=registry.example",
            "content": {"change": {"id": "b" * 40, "source": "git.example/acme/shop"}},
        },
    }
    (row,) = artifacts.parse(sent, NOW)
    assert (row["artifact"], row["revision"]) == (DIGEST, "b" * 40)
    assert row["built_at"] == datetime(2026, 3, 2, 11, 0, tzinfo=UTC)


def test_an_artifact_without_a_digest_is_refused() -> None:
    facts = _refusal(artifacts.parse, {"artifact": "registry.example/shop:latest", "revision": "a" * 40})
    assert facts["field"].partition(".")[0] == "artifact"
