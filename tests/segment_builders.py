"""Spans that arrive in numbered segments, as the loader stores them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import pyarrow as pa
from builders import START, Row

from schemas import tables
from schemas.store import Store, arrow


def deliver(store: Store, segment: int, spans: Iterable[Row], *, loaded_at: datetime = START) -> None:
    """One segment in one transaction, with its number in ``spool_done``."""
    batch = arrow(tables.SPANS, spans)
    done: dict[str, Any] = {
        "segment": segment,
        "loaded_at": loaded_at,
        "span_count": batch.num_rows,
        "exception_count": 0,
    }
    with store.transaction():
        number = pa.repeat(pa.scalar(segment, pa.int64()), batch.num_rows)
        store.append(tables.SPANS, batch.append_column("segment", number))
        store.append_rows(tables.SPOOL_DONE, [done])
