"""Flat rows as files: CSV for spreadsheets, Parquet and Arrow for notebooks and warehouses.

One column list for all of them: the names in the order in which the rows first name them; a nested value is its JSON.
Sources: RFC 4180; Apache Parquet and Arrow IPC file format, written by Polars.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

Rows = Iterable[Mapping[str, Any]]


def as_csv(rows: Rows) -> str:
    """Rows as RFC 4180 text, safe to open in a spreadsheet."""
    columns, listed = _table(rows)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([_cell(row[name]) for name in columns] for row in listed)
    return text.getvalue()


def as_parquet(rows: Rows) -> bytes:
    """Rows as one Parquet file; times are microseconds UTC, a column of nothing but null has the type null."""
    written = io.BytesIO()
    _frame(rows).write_parquet(written)
    return written.getvalue()


def as_arrow(rows: Rows) -> bytes:
    """Rows as one Arrow IPC file (Feather v2), of the same types as :func:`as_parquet`."""
    written = io.BytesIO()
    _frame(rows).write_ipc(written)
    return written.getvalue()


@dataclass(frozen=True, slots=True)
class FileFormat:
    """One way to write flat rows. ``media_type`` is what an Accept header names, ``content_type`` what is answered."""

    media_type: str
    content_type: str
    write: Callable[[Rows], str | bytes]


FILES = {
    "csv": FileFormat("text/csv", "text/csv; charset=utf-8; header=present", as_csv),
    "parquet": FileFormat("application/vnd.apache.parquet", "application/vnd.apache.parquet", as_parquet),
    "arrow": FileFormat("application/vnd.apache.arrow.file", "application/vnd.apache.arrow.file", as_arrow),
}
"""By the value of the query parameter ``format``, which is also the name's ending; ``json`` is no file."""


def _frame(rows: Rows) -> "pl.DataFrame":
    # Only now: it takes 23 MB, and most servers are never asked for these files.
    import polars as pl  # noqa: PLC0415

    columns, listed = _table(rows)
    values = {name: [_nested(row[name]) for row in listed] for name in columns}
    return pl.DataFrame(values, strict=False)


def _table(rows: Rows) -> tuple[list[str], list[dict[str, Any]]]:
    """(columns, rows that have them all)"""
    listed = list(rows)
    columns = list(dict.fromkeys(name for row in listed for name in row))
    return columns, [{name: row.get(name) for name in columns} for row in listed]


def _nested(value: Any) -> Any:
    is_nested = isinstance(value, Mapping | list | tuple)
    return json.dumps(value, sort_keys=True, default=str) if is_nested else value


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        # A spreadsheet would run it as a formula, and names come from whoever sends telemetry.
        return "'" + value
    return _nested(value)
