"""Spans that arrive in numbered loads, as the loader stores them."""

from collections.abc import Iterable
from datetime import datetime

import pyarrow as pa
from builders import START, Row

from schemas import tables
from schemas.store import Store, arrow


def deliver(store: Store, number: int, spans: Iterable[Row], *, loaded_at: datetime = START) -> None:
    """One load in one transaction; unlike the loader's, numbers may come in any order."""
    batch = arrow(tables.SPANS, spans)
    with store.transaction():
        numbers = pa.repeat(pa.scalar(number, pa.int64()), batch.num_rows)
        store.append(tables.SPANS, batch.append_column("load_number", numbers))
        row = {"load_number": number, "loaded_at": loaded_at, "span_count": batch.num_rows}
        store.append_rows(tables.LOADS, [row])
