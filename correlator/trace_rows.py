"""Spans and exceptions of the traces that show failure groups, kept from run to run until something of a trace arrives.

A group is shown by its first failing trace, for as long as it is known: to look for the rows of those traces is a scan of
all that is stored. Touches the store, as ``run.py`` does.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from schemas.store import Row, Store, sql

ROWS_MAX = 1_000
"""A longer trace is read anew each time: there are as many of them as groups."""


@dataclass(frozen=True, slots=True)
class _Read:
    """How far the facts were read."""

    until: datetime
    load_number: int
    unnumbered_count: int
    held_count: int


@dataclass(slots=True)
class _Kept:
    """Trace id -> its rows, as the statement ``name`` gives them."""

    name: str
    rows: dict[str, list[Row]] = field(default_factory=dict)


class TraceRows:
    """Rows of ``trace_services.sql`` and ``trace_exceptions.sql`` as of the time of the last :meth:`follow`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._read: _Read | None = None
        self._spans, self._exceptions = _Kept("trace_services"), _Kept("trace_exceptions")

    def follow(self, *, until: datetime) -> None:
        """Forget what arrived since the last call, or all of it when something was taken from the store since."""
        before = self._read
        held = self._store.row(
            sql("correlator", "held_facts"), load_number=before.load_number if before else 0
        )
        assert held is not None
        if before is None or until < before.until or _is_other(held, before):
            self._spans.rows.clear()
            self._exceptions.rows.clear()
        elif kept := self._spans.rows.keys() | self._exceptions.rows.keys():
            arrived = self._store.rows(
                sql("correlator", "arrived_traces"),
                trace_ids=sorted(kept),
                load_number=before.load_number,
                since=before.until,
                until=until,
            )
            for row in arrived:
                self._spans.rows.pop(row["trace_id"], None)
                self._exceptions.rows.pop(row["trace_id"], None)
        self._read = _Read(until, held["load_number"], held["unnumbered_count"], held["held_count"])

    def spans(self, trace_ids: Sequence[str]) -> list[Row]:
        """Of traces, 32 hex digits each; rows of others are not kept."""
        return self._of(self._spans, trace_ids)

    def exceptions(self, trace_ids: Sequence[str]) -> list[Row]:
        """Of traces, 32 hex digits each; rows of others are not kept."""
        return self._of(self._exceptions, trace_ids)

    def _of(self, kept: _Kept, trace_ids: Sequence[str]) -> list[Row]:
        assert self._read is not None, "follow first"
        missing = sorted(set(trace_ids) - kept.rows.keys())
        found: dict[str, list[Row]] = defaultdict(list)
        if missing:
            asked = {"trace_ids": missing, "until": self._read.until}
            for row in self._store.rows(sql("correlator", kept.name), **asked):
                found[row["trace_id"]].append(row)
        rows = {id_: kept.rows[id_] if id_ in kept.rows else found[id_] for id_ in sorted(set(trace_ids))}
        kept.rows = {id_: listed for id_, listed in rows.items() if len(listed) <= ROWS_MAX}
        return [row for listed in rows.values() for row in listed]


def _is_other(held: Row, before: _Read) -> bool:
    """True when the store holds not just what it held and what loads brought since."""
    return bool(
        held["unnumbered_count"] != before.unnumbered_count
        or held["held_count"] != before.held_count + held["new_count"]
    )
