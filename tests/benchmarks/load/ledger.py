"""Which spans were acknowledged, kept outside the server, and whether its store holds each of them exactly once."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from benchmarks.load.templates import Template


class Ledger:
    """A file with a line per acknowledged request: first span id (hex), number of spans, template, nonce (hex)."""

    def __init__(self, path: Path, templates: list[Template]) -> None:
        self._templates = templates
        self._file = path.open("a", buffering=1)

    def add(self, template: int, nonce: bytes) -> None:
        """Note one request, once its acknowledgement is here."""
        ids = self._templates[template].span_ids(nonce)
        self._file.write(f"{int(ids[0]):016x} {len(ids)} {template} {nonce.hex()}\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _span_ids(path: Path, templates: list[Template]) -> Iterator[np.ndarray]:
    for line in path.read_text().splitlines():
        _, _, template, nonce = line.split()
        yield templates[int(template)].span_ids(bytes.fromhex(nonce))


@dataclass(frozen=True, slots=True)
class Verdict:
    """Spans: in the ledger, of these not in the store, of these there more than once; and all rows of the store."""

    acked: int
    missing: int
    doubled: int
    stored: int
    repeated: int
    """Rows beyond the first of any span id, acknowledged or not."""


def judge(path: Path, templates: list[Template], store: Path) -> Verdict:
    """Compare the ledger with the closed store's file, span by span."""
    found = list(_span_ids(path, templates))
    acked = pa.table({"span_id": np.concatenate(found) if found else np.array([], np.uint64)})
    with duckdb.connect(str(store), read_only=True) as connection:
        connection.register("acked", acked)
        row = connection.execute("""
            WITH held AS (SELECT span_id, count(*) AS row_count FROM facts.spans GROUP BY span_id)
            SELECT
                count(*),
                count(*) FILTER (h.row_count IS NULL),
                count(*) FILTER (h.row_count > 1),
                (SELECT count(*) FROM facts.spans),
                (SELECT coalesce(sum(row_count - 1), 0) FROM held)
            FROM acked AS a
            LEFT JOIN held AS h ON h.span_id = a.span_id
        """).fetchone()
    assert row is not None
    return Verdict(*map(int, row))


@dataclass(frozen=True, slots=True)
class Size:
    """Spans of a store and the bytes of its file after a checkpoint."""

    spans: int
    file_bytes: int

    @property
    def bytes_per_span(self) -> float:
        """Everything in the file counts: exceptions, inferences, free blocks."""
        return self.file_bytes / self.spans if self.spans else 0.0


def size(store: Path) -> Size:
    """Checkpoint the closed store's file and measure it."""
    with duckdb.connect(str(store)) as connection:
        connection.execute("CHECKPOINT")
        row = connection.execute("SELECT count(*) FROM facts.spans").fetchone()
    assert row is not None
    return Size(int(row[0]), store.stat().st_size)
