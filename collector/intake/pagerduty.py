"""PagerDuty v3 webhooks to rows of ``incident_events``, and their signature.

One event per call, at least once, ordered per incident only. An answer of 4xx makes PagerDuty drop the event and,
three times in a row, the subscription: what we do not know is stored and accepted. Names of people are left out.
Source: PagerDuty developer documentation, "Webhooks v3: overview, payload, verifying signatures".
"""

import hashlib
import hmac
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from collector.intake import reports
from schemas import tables, times
from schemas.errors import MalformedInput
from schemas.vocabulary import IncidentEvent

Row = dict[str, Any]

SOURCE = "pagerduty"
SIGNATURE_HEADER = "x-pagerduty-signature"
SIGNATURES_MAX = 16

_ABSENT = tuple(
    name for name in tables.INCIDENT_EVENTS.column_names if name not in tables.INCIDENT_EVENTS.key
)

# event_type -> what it does to the state. A re-opened incident opens once more, at its own time.
_EVENTS = {
    "incident.triggered": IncidentEvent.OPENED,
    "incident.reopened": IncidentEvent.OPENED,
    "incident.resolved": IncidentEvent.RESOLVED,
    "incident.acknowledged": IncidentEvent.UPDATED,
    "incident.unacknowledged": IncidentEvent.UPDATED,
    "incident.annotated": IncidentEvent.UPDATED,
    "incident.delegated": IncidentEvent.UPDATED,
    "incident.escalated": IncidentEvent.UPDATED,
    "incident.priority_updated": IncidentEvent.UPDATED,
    "incident.reassigned": IncidentEvent.UPDATED,
    "incident.service_updated": IncidentEvent.UPDATED,
    "incident.status_update_published": IncidentEvent.UPDATED,
    "incident.custom_field_values.updated": IncidentEvent.UPDATED,
}

# Fields of event.data that have a column, that repeat one, or that name people.
_KNOWN_FIELDS = frozenset(
    {
        *(
            "id",
            "type",
            "self",
            "html_url",
            "number",
            "status",
            "title",
            "service",
            "created_at",
            "resolved_at",
        ),
        *("urgency", "priority", "resolve_reason", "teams", "escalation_policy"),
        *("assignees", "acknowledgers", "agent", "responders", "last_status_change_by"),
    }
)


def is_signed(body: bytes, header: str | None, secrets: Iterable[str]) -> bool:
    """True when one ``v1=`` signature of ``header`` is the HMAC-SHA256 of the raw ``body`` under one of ``secrets``.

    A header carries several signatures and an installation several secrets while one is being rotated. Every pair
    is compared, in constant time, so that the time taken tells nothing of which one matched.
    """
    sent = [part.strip()[3:] for part in (header or "").split(",") if part.strip().startswith("v1=")]
    expected = [hmac.new(secret.encode(), body, hashlib.sha256).hexdigest() for secret in secrets]
    matched = False
    for signature in sent[:SIGNATURES_MAX]:
        for digest in expected:
            matched |= hmac.compare_digest(signature.encode(), digest.encode())
    return matched


def delivery_id(value: object) -> str | None:
    """``event.id`` of one envelope: equal in every retry and for every subscription; None when there is none."""
    if isinstance(value, dict) and isinstance(event := value.get("event"), dict):
        found = event.get("id")
        return found[:256] if isinstance(found, str) and found else None
    return None


def parse(value: object, received_at: datetime) -> list[Row]:
    """Rows of ``tables.INCIDENT_EVENTS`` for one envelope or an array; none for event types that we do not know.

    Raises:
        MalformedInput: not an envelope, or an incident event without an incident id; names the index.
    """
    found = [_row(index, item, received_at) for index, item in enumerate(reports.items(value))]
    return [row for row in found if row is not None]


def merge(old: Row, new: Row) -> Row:
    """Two tellings of one event: the later arrival corrects the earlier and keeps what it leaves out."""
    return old | {key: value for key, value in new.items() if value is not None}


def _row(index: int, item: dict[str, Any], received_at: datetime) -> Row | None:
    event = item.get("event")
    if not isinstance(event, dict) or not isinstance(event.get("event_type"), str):
        raise _refused(index, "event.event_type", "is missing: this is no PagerDuty v3 envelope")
    kind = _EVENTS.get(event["event_type"])
    if kind is None:
        return None
    occurred_at = _time(index, "event.occurred_at", event.get("occurred_at")) or received_at
    data = _mapping(event.get("data"))
    is_incident = data.get("type", "incident") == "incident"
    # Notes, status updates and field values are objects of their own that point at their incident.
    incident = data if is_incident else _mapping(data.get("incident"))
    external_id = incident.get("id")
    if not isinstance(external_id, str) or not external_id:
        raise _refused(index, "event.data.id", "is missing: which incident is this about?")
    told = _state(index, event["event_type"], data, occurred_at) if is_incident else {}
    return {
        **dict.fromkeys(_ABSENT),
        "source": SOURCE,
        "external_id": external_id,
        "event": kind.value,
        "occurred_at": occurred_at,
        "received_at": received_at,
        "url": _text(incident.get("html_url")),
        **told,
    }


def _state(index: int, event_type: str, data: dict[str, Any], occurred_at: datetime) -> Row:
    created_at = _time(index, "event.data.created_at", data.get("created_at"))
    priority = _text(_mapping(data.get("priority")).get("summary"))
    reason = _mapping(data.get("resolve_reason"))
    urgency = _text(data.get("urgency"))
    is_first = event_type == "incident.triggered"
    return {
        "title": _text(data.get("title")),
        "service": _text(_mapping(data.get("service")).get("summary")),
        "severity": (priority or urgency or "").lower() or None,
        "status": (_text(data.get("status")) or "").lower() or None,
        # Older payloads have no created_at; an incident that is triggered begins with that event.
        "opened_at": created_at or (occurred_at if is_first else None),
        "resolved_at": occurred_at if event_type == "incident.resolved" else None,
        "duplicate_of": _text(_mapping(reason.get("incident")).get("id")),
        "labels": reports.json_object({"urgency": urgency} if urgency else None),
        "extra": reports.json_object(
            {k: v for k, v in data.items() if k not in _KNOWN_FIELDS and v is not None}
        ),
    }


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _time(index: int, field: str, value: object) -> datetime | None:
    try:
        return times.parse_optional(value)
    except ValueError as error:
        raise _refused(index, field, str(error)) from error


def _refused(index: int, field: str, detail: str) -> MalformedInput:
    return MalformedInput(f"item {index}: {field} {detail}", index=index, field=field)
