"""Flat rows as CSV (RFC 4180), safe to open in a spreadsheet."""

import csv
import io
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any


def as_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as RFC 4180 text; columns in the order in which the rows name them, nested values as JSON."""
    listed = list(rows)
    columns = list(dict.fromkeys(name for row in listed for name in row))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([_cell(row.get(name)) for name in columns] for row in listed)
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        # A spreadsheet would run it as a formula, and names come from whoever sends telemetry.
        return "'" + value
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, sort_keys=True, default=str)
    return value
