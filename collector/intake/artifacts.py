"""What build pipelines tell of their builds to rows of ``artifacts``: which commit an image was made from."""

from datetime import datetime
from typing import Any

from collector.intake import reports
from schemas import artifact_names
from schemas.intake import ArtifactReport

Row = dict[str, Any]


def parse(value: object, received_at: datetime) -> list[Row]:
    """Rows of ``tables.ARTIFACTS`` for one report or an array; CDEvents of artifacts are read as they are sent.

    Raises:
        MalformedInput: an item does not fit; names its index and field.
    """
    found = reports.checked(ArtifactReport, [_flat(item) for item in reports.items(value)])
    return [_row(report, received_at) for report in found]


def merge(old: Row, new: Row) -> Row:
    """The later arrival corrects the earlier and keeps what it does not say."""
    return old | {key: value for key, value in new.items() if value is not None}


def _row(report: ArtifactReport, received_at: datetime) -> Row:
    return {
        "artifact": artifact_names.of_reference(report.artifact)[0],
        "revision": report.revision,
        "repository": report.repository,
        "service": report.service,
        "version": report.version,
        "built_at": report.built_at,
        "extra": reports.unknown_fields(report),
        "received_at": received_at,
    }


def _flat(item: dict[str, Any]) -> dict[str, Any]:
    """The fields of a CDEvent ``dev.cdevents.artifact.*`` by our names; anything else as it is.

    Source: CDEvents 0.4, "Artifact packaged": subject.id is a package URL, subject.content.change.id the commit.
    """
    context, subject = item.get("context"), item.get("subject")
    if not isinstance(context, dict) or not isinstance(subject, dict):
        return item
    if not str(context.get("type", "")).startswith("dev.cdevents.artifact."):
        return item
    content = subject.get("content")
    change = content.get("change") if isinstance(content, dict) else None
    return {
        "artifact": subject.get("id"),
        "revision": change.get("id") if isinstance(change, dict) else None,
        "built_at": context.get("timestamp"),
        "event": item,
    }
