import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from collector.intake import pagerduty
from collector.intake.door import Accepted, Door
from schemas.errors import MalformedInput
from schemas.settings import Settings
from schemas.store import Store

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def envelope(
    event_type: str = "incident.triggered", *, data: dict[str, Any] | None = None, **event: Any
) -> dict[str, Any]:
    """A webhook of our own making, of the shape that PagerDuty documents."""
    incident = {
        "id": "Q1TESTINCIDENT",
        "type": "incident",
        "html_url": "https://shop.example.org/incidents/Q1TESTINCIDENT",
        "number": 3,
        "status": event_type.rpartition(".")[2],
        "title": "Orders are failing",
        "service": {"id": "S1", "summary": "checkout", "type": "service_reference"},
        "assignees": [{"id": "U1", "summary": "Pat Person"}],
        "priority": {"summary": "P1"},
        "urgency": "high",
        "incident_key": "orders",
        "resolve_reason": None,
        **(data or {}),
    }
    return {
        "event": {
            "id": "01TESTEVENT",
            "event_type": event_type,
            "occurred_at": "2026-03-02T11:00:00.250Z",
            "agent": {"summary": "Pat Person"},
            "data": incident,
            **event,
        }
    }


def _signature(body: bytes, secret: str) -> str:
    return "v1=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def test_a_triggered_incident_opens() -> None:
    row = pagerduty.parse(envelope(), NOW)[0]
    assert (row["source"], row["external_id"], row["event"]) == ("pagerduty", "Q1TESTINCIDENT", "opened")
    assert row["occurred_at"] == row["opened_at"] == datetime(2026, 3, 2, 11, 0, 0, 250000, tzinfo=UTC)
    assert (row["title"], row["service"], row["severity"]) == ("Orders are failing", "checkout", "p1")
    assert (row["status"], row["resolved_at"]) == ("triggered", None)


def test_a_resolved_incident_began_when_it_was_created() -> None:
    sent = envelope("incident.resolved", data={"created_at": "2026-03-02T10:40:00Z", "priority": None})
    row = pagerduty.parse(sent, NOW)[0]
    assert row["event"] == "resolved"
    assert row["resolved_at"] == row["occurred_at"]
    assert row["opened_at"] == datetime(2026, 3, 2, 10, 40, tzinfo=UTC)
    assert row["severity"] == "high"


def test_a_merged_incident_is_a_duplicate() -> None:
    reason = {"type": "merge_resolve_reason", "incident": {"id": "Q2OTHER"}}
    row = pagerduty.parse(envelope("incident.resolved", data={"resolve_reason": reason}), NOW)[0]
    assert row["duplicate_of"] == "Q2OTHER"


def test_a_reopened_incident_opens_again_at_its_own_time() -> None:
    row = pagerduty.parse(envelope("incident.reopened"), NOW)[0]
    assert (row["event"], row["opened_at"]) == ("opened", None)


def test_a_note_updates_the_incident_that_it_points_at() -> None:
    note = {"id": "NOTE", "type": "incident_note", "content": "looking", "incident": {"id": "Q1TESTINCIDENT"}}
    sent = {"event": envelope("incident.annotated")["event"] | {"data": note}}
    row = pagerduty.parse(sent, NOW)[0]
    assert (row["external_id"], row["event"], row["title"]) == ("Q1TESTINCIDENT", "updated", None)


def test_no_person_reaches_a_fact() -> None:
    assert "Pat" not in repr(pagerduty.parse(envelope(), NOW))
    assert json.loads(pagerduty.parse(envelope(), NOW)[0]["extra"]) == {"incident_key": "orders"}


@pytest.mark.parametrize("event_type", ["pagey.ping", "service.updated", "incident.workflow.started"])
def test_an_unknown_event_type_is_stored_and_accepted(event_type: str) -> None:
    store = Store.open()
    body = json.dumps(envelope(event_type)).encode()
    assert Door(store, Settings()).accept("pagerduty", body, {}) == Accepted(0, 0)
    assert store.value("SELECT count(*) FROM deliveries WHERE refused IS NULL") == 1
    assert store.value("SELECT count(*) FROM incident_events") == 0


@pytest.mark.parametrize(
    "sent",
    [{}, {"event": 1}, {"event": {}}, envelope(data={"id": None}), envelope(occurred_at="soon")],
)
def test_what_is_no_envelope_is_refused(sent: dict[str, Any]) -> None:
    with pytest.raises(MalformedInput):
        pagerduty.parse(sent, NOW)


def test_one_event_to_two_subscriptions_is_one_delivery() -> None:
    store = Store.open()
    door = Door(store, Settings())
    assert door.accept("pagerduty", json.dumps(envelope()).encode(), {}) == Accepted(1, 0)
    spaced = json.dumps(envelope(), indent=1).encode()
    assert door.accept("pagerduty", spaced, {}) == Accepted(0, 1)
    assert store.value("SELECT count(*) FROM deliveries") == 1


def test_one_signature_of_one_secret_is_enough() -> None:
    body = b'{"event": 1}'
    good, bad = _signature(body, "new"), _signature(body, "unknown")
    assert pagerduty.is_signed(body, good, ["new"])
    assert pagerduty.is_signed(body, f"{bad}, {good}", ["old", "new"])
    assert not pagerduty.is_signed(body, bad, ["old", "new"])
    assert not pagerduty.is_signed(body + b" ", good, ["new"])
    for header in (None, "", good[3:], "v2=" + good[3:], "v1=", "v1=\u00e9"):
        assert not pagerduty.is_signed(body, header, ["new"])


def test_the_signature_is_the_published_one() -> None:
    """HMAC-SHA256 of the raw body: the vector is RFC 4231, test case 2."""
    digest = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert pagerduty.is_signed(b"what do ya want for nothing?", f"v1={digest}", ["Jefe"])


def test_an_unsigned_event_is_not_taken_where_a_secret_is_set() -> None:
    store = Store.open()
    door = Door(store, Settings(pagerduty_secrets=("s",)))  # type: ignore[arg-type]
    body = json.dumps(envelope()).encode()
    assert door.is_signed("pagerduty", body, {}) is False
    assert door.is_signed("incidents", body, {}) is None
    with pytest.raises(MalformedInput, match="signature"):
        door.accept("pagerduty", body, {})
    assert store.value("SELECT count(*) FROM deliveries") == 0
    assert door.accept("pagerduty", body, {"X-PagerDuty-Signature": _signature(body, "s")}) == Accepted(1, 0)
