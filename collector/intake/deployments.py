"""Deployment reports to rows of ``deployments``; a deployment is the sum of its reports, whatever order they came in."""

from datetime import datetime
from typing import Any

from collector.intake import reports
from schemas.intake import DeploymentReport
from schemas.vocabulary import DeploymentType

Row = dict[str, Any]


def parse(value: object, received_at: datetime) -> list[Row]:
    """Rows of ``tables.DEPLOYMENTS`` for one report or an array; ``type`` and ``status`` are None when not said.

    Raises:
        MalformedInput: an item does not fit; names its index and field.
    """
    found = reports.checked(DeploymentReport, reports.items(value))
    return [_row(report, received_at) for report in found]


def merge(old: Row, new: Row) -> Row:
    """Two tellings of one deployment: the one that speaks of the later moment wins, the other fills its gaps.

    Senders tell "started" and "succeeded" as two requests that may overtake each other; the order of arrival
    decides only between tellings of the same moment.
    """
    first, last = (new, old) if _moment(new) < _moment(old) else (old, new)
    return first | {key: value for key, value in last.items() if value is not None}


def complete(row: Row) -> Row:
    """The row with what an absent field means: a plain deployment that succeeded."""
    return row | {"type": row["type"] or DeploymentType.DEPLOY.value, "status": row["status"] or "succeeded"}


def _moment(row: Row) -> datetime:
    moment: datetime = row["finished_at"] or row["started_at"]
    return moment


def _row(report: DeploymentReport, received_at: datetime) -> Row:
    return {
        "deployment_id": report.id,
        "service": report.service,
        "environment": report.environment,
        "version": report.version,
        "revision": report.revision,
        "repository": report.repository,
        "artifact": report.artifact,
        "started_at": report.started_at,
        "finished_at": report.finished_at,
        "type": None if report.type is None else report.type.value,
        "status": report.status,
        "canary_until": report.canary_until,
        "extra": reports.unknown_fields(report),
        "received_at": received_at,
    }
