"""Incident reports to rows of ``incident_events``; the state of an incident is folded from them later, by time."""

from datetime import datetime
from typing import Any

from collector.intake import reports
from schemas.intake import IncidentReport
from schemas.vocabulary import IncidentEvent

Row = dict[str, Any]

SOURCE = "generic"


def parse(value: object, received_at: datetime) -> list[Row]:
    """Rows of ``tables.INCIDENT_EVENTS`` for one report or an array.

    Raises:
        MalformedInput: an item does not fit; names its index and field.
    """
    found = reports.checked(IncidentReport, reports.items(value))
    return [_row(report, received_at) for report in found]


def merge(old: Row, new: Row) -> Row:
    """Two tellings of one event: the later arrival corrects the earlier and keeps what it leaves out."""
    return old | {key: value for key, value in new.items() if value is not None}


def _occurred_at(report: IncidentReport, received_at: datetime) -> datetime:
    """When the event happened by its sender; the receipt only where the sender names no time at all."""
    stated = {
        IncidentEvent.OPENED: report.opened_at,
        IncidentEvent.RESOLVED: report.resolved_at,
        IncidentEvent.UPDATED: None,
    }[report.event]
    return report.occurred_at or stated or received_at


def _row(report: IncidentReport, received_at: datetime) -> Row:
    occurred_at = _occurred_at(report, received_at)
    is_opened, is_resolved = report.event is IncidentEvent.OPENED, report.event is IncidentEvent.RESOLVED
    return {
        "source": SOURCE,
        "external_id": report.id,
        "event": report.event.value,
        "occurred_at": occurred_at,
        "title": report.title,
        "service": report.service,
        "environment": report.environment,
        "severity": report.severity,
        "status": report.status,
        "opened_at": report.opened_at or (occurred_at if is_opened else None),
        "resolved_at": report.resolved_at or (occurred_at if is_resolved else None),
        "trace_id": report.links.trace_id,
        "commit_sha": report.links.commit,
        "pull_request": report.links.pull_request,
        "url": report.links.url,
        "duplicate_of": report.duplicate_of,
        "labels": reports.json_object(report.labels),
        "postmortem": report.postmortem,
        "extra": reports.unknown_fields(report, links=report.links),
        "received_at": received_at,
    }
