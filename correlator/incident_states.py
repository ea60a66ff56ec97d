"""The state of each incident as of a time: its events folded by when they occurred, not by when they arrived.

Re-opening keeps one incident. A repeated delivery changes nothing. Source: DESIGN "Incidents".
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from schemas.records import IncidentId
from schemas.vocabulary import IncidentEvent

Row = Mapping[str, Any]

FALSE_STATUSES = frozenset({"false_alarm", "false-positive", "false_positive", "not_an_incident", "declined"})
_KEPT = (
    "title",
    "service",
    "environment",
    "severity",
    "trace_id",
    "commit_sha",
    "pull_request",
    "url",
    "duplicate_of",
    "postmortem",
)


def incident_id(source: str, external_id: str) -> IncidentId:
    """``source:external_id``."""
    return IncidentId(f"{source}:{external_id}")


def fold(events: Iterable[Row]) -> list[dict[str, Any]]:
    """One row per incident, ordered by opening time and id; later statements of a field win.

    Args:
        events: rows of ``incident_events``.
    """
    grouped: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for event in events:
        grouped[(event["source"], event["external_id"])].append(event)
    states = []
    for (source, external_id), listed in grouped.items():
        listed.sort(
            key=lambda e: (
                e["occurred_at"],
                _rank(e["event"]),
                e["received_at"],
                json.dumps(dict(e), sort_keys=True, default=str),
            )
        )
        states.append(_state(source, external_id, listed))
    return sorted(states, key=lambda s: (s["opened_at"], s["incident_id"]))


def _rank(event: str) -> int:
    return {IncidentEvent.OPENED: 0, IncidentEvent.UPDATED: 1, IncidentEvent.RESOLVED: 2}[
        IncidentEvent(event)
    ]


def _state(source: str, external_id: str, events: list[Row]) -> dict[str, Any]:
    state: dict[str, Any] = dict.fromkeys(_KEPT)
    labels: dict[str, Any] = {}
    opened_at: datetime | None = None
    resolved_at: datetime | None = None
    status = "open"
    is_declared_false = False
    for event in events:
        for field in _KEPT:
            if event[field] not in (None, ""):
                state[field] = event[field]
        labels.update(json.loads(event["labels"]) if event["labels"] else {})
        if event["opened_at"] is not None:
            opened_at = event["opened_at"] if opened_at is None else min(opened_at, event["opened_at"])
        elif event["event"] == IncidentEvent.OPENED and opened_at is None:
            opened_at = event["occurred_at"]
        if event["event"] == IncidentEvent.RESOLVED or event["resolved_at"] is not None:
            resolved_at, status = event["resolved_at"] or event["occurred_at"], "resolved"
        elif event["event"] == IncidentEvent.OPENED:
            resolved_at, status = None, "open"
            is_declared_false = False
        if event["status"] in FALSE_STATUSES:
            is_declared_false = True
    parent = state["duplicate_of"]
    began_at = opened_at or events[0]["occurred_at"]
    return {
        **state,
        "incident_id": incident_id(source, external_id),
        "source": source,
        "external_id": external_id,
        "title": state["title"] or external_id,
        "opened_at": began_at,
        # Two clocks may disagree; nothing ends before it begins.
        "resolved_at": max(resolved_at, began_at) if resolved_at is not None else None,
        "status": status,
        "duplicate_of": incident_id(source, parent) if parent and parent != external_id else None,
        "is_declared_false": is_declared_false,
        "labels": json.dumps(labels, sort_keys=True, ensure_ascii=False) if labels else None,
    }
