"""Pull and merge request reports to rows of ``change_requests``."""

import json
from datetime import datetime
from typing import Any

from collector.intake import reports
from schemas.intake import ChangeReport, RequestCommit

Row = dict[str, Any]


def parse(value: object, received_at: datetime) -> list[Row]:
    """Rows of ``tables.CHANGE_REQUESTS`` for one report or an array.

    Raises:
        MalformedInput: an item does not fit; names its index and field.
    """
    found = reports.checked(ChangeReport, reports.items(value))
    return [_row(report, received_at) for report in found]


def merge(old: Row, new: Row) -> Row:
    """Two tellings of one request: the later arrival corrects the earlier, but a merged one stays merged."""
    is_stale = old["merged_at"] is not None and new["merged_at"] is None
    first, last = (new, old) if is_stale else (old, new)
    return first | {key: value for key, value in last.items() if value is not None}


def _row(report: ChangeReport, received_at: datetime) -> Row:
    return {
        "repository": report.repository,
        "number": report.number,
        "title": report.title,
        "body": report.body,
        "head_ref": report.head_ref,
        "merge_commit_sha": report.merge_commit_sha,
        "merge_method": report.merge_method,
        "created_at": report.created_at,
        "merged_at": report.merged_at,
        "opened_by": report.user,
        "labels": report.labels,
        "extra": reports.unknown_fields(report),
        "received_at": received_at,
        "commits": _commits(report),
    }


def _commits(report: ChangeReport) -> str | None:
    """The request's own commits as a JSON array; None when they were not told."""
    if report.commits is None:
        return None
    known = RequestCommit.model_fields.keys()
    return json.dumps(
        [commit.model_dump(mode="json", include=set(known), exclude_none=True) for commit in report.commits],
        ensure_ascii=False,
        sort_keys=True,
    )
