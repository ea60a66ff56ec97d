"""What is forgotten, and when: raw spans soon, the traces of failing spans, exceptions and rollups much later.

Counted from receipt, so that history can be replayed. A plain ``DELETE``: measured at 0.14 µs a span, and the next
checkpoint packs what is kept and gives the rest of the file to later spans
(docs/decisions/0004-retention-and-rollups.md).
"""

import contextlib
from datetime import datetime, timedelta

import duckdb

from schemas.settings import Settings
from schemas.store import Store, sql

LOADS_KEPT = timedelta(days=1)
"""How long the number of a counted load is kept, for whoever looks into what was counted when."""


def expire(store: Store, settings: Settings, *, now: datetime) -> None:
    """Forget what is older than ``spans_retention_days`` or ``failures_retention_days``; never what is not counted yet.

    Must not overlap a run of ``collector/rollups.py``.
    """
    spans_before = now - timedelta(days=settings.spans_retention_days)
    failures_before = now - timedelta(days=settings.failures_retention_days)
    with store.transaction():
        # Spans first: which of them belong to a failing trace, the exceptions say.
        store.execute(
            sql("collector", "expire_spans"), spans_before=spans_before, failures_before=failures_before
        )
        for name in ("expire_span_events", "expire_span_links"):
            store.execute(sql("collector", name), spans_before=spans_before)
        for name in ("expire_exceptions", "expire_stacks", "expire_operation_hours", "expire_signal_hours"):
            store.execute(sql("collector", name), failures_before=failures_before)
        store.execute(sql("collector", "expire_loads"), loaded_before=now - LOADS_KEPT)
        store.execute(sql("collector", "expire_folded_loads"))
    with contextlib.suppress(duckdb.TransactionException):
        # Loads that fill whole row groups leave nothing in the write-ahead log, so that DuckDB sees no reason for a
        # checkpoint of its own. Where another transaction forbids one now, the next run makes up for it.
        store.execute("CHECKPOINT aftermerge")
