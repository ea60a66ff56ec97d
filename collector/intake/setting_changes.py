"""Reports of flags that were flipped and configuration that was changed without a commit, to rows of ``setting_changes``."""

from datetime import datetime
from typing import Any

from collector.intake import reports
from schemas.intake import SettingReport

Row = dict[str, Any]


def parse(value: object, received_at: datetime) -> list[Row]:
    """Rows of ``tables.SETTING_CHANGES`` for one report or an array.

    Raises:
        MalformedInput: an item does not fit; names its index and field.
    """
    found = reports.checked(SettingReport, reports.items(value))
    return [
        {
            "change_id": report.id,
            "kind": report.kind,
            "key": report.key,
            "value": report.value,
            "service": report.service,
            "environment": report.environment,
            "occurred_at": report.occurred_at or received_at,
            "extra": reports.unknown_fields(report),
            "received_at": received_at,
        }
        for report in found
    ]


def merge(old: Row, new: Row) -> Row:
    """The later arrival corrects the earlier and keeps what it does not say."""
    return old | {key: value for key, value in new.items() if value is not None}
