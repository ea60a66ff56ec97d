"""Spool segments into the store by the real loader, beside the row-by-row way of the same driver.

The baseline is spared all decoding: it gets the decoded rows as Python tuples and only has to insert them, in one
transaction. The second baseline inserts the decoded columns from Arrow: what is left of the loader's cost is decoding.
"""

import asyncio
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from benchmarks.measures import Board, Cost, cost, least
from benchmarks.payloads import BATCH, bodies

from collector import decoding, segments
from collector.counters import Counters
from collector.loader import Loader
from collector.otlp import Decoded, Request, Signal
from collector.policy import Policy
from collector.spool import Spool
from schemas import tables
from schemas.settings import MIB, Settings
from schemas.store import Store, aware_rows

DEFAULTS = Settings.model_validate({})
SIZES = {"small": BATCH, "medium": 40 * BATCH, "large": 100 * BATCH}
"""Spans. The medium one is a row group, which the loader makes one transaction of."""
ROW_BY_ROW_SPANS = 128
ROUNDS = 2


@pytest.fixture(scope="module")
def spooled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """A folder with the sealed segments of so many spans, cut as the spool cuts them at about one row group."""
    made: dict[int, Path] = {}

    def folder(span_count: int) -> Path:
        if span_count not in made:
            made[span_count] = tmp_path_factory.mktemp("spool")
            asyncio.run(_spool(made[span_count], bodies(SIZES["large"])[: span_count // BATCH]))
        return made[span_count]

    return folder


async def _spool(folder: Path, requests: tuple[bytes, ...]) -> None:
    spool = Spool(folder, segment_bytes_max=6 * MIB, segment_age_s=3600)
    for body in requests:
        await spool.append(Request(Signal.TRACES, body, time.time_ns() // 1000))
    await spool.close()


@pytest.mark.parametrize("size", SIZES)
def bench_load(board: Board, spooled: Callable[[int], Path], tmp_path: Path, size: str) -> None:
    span_count = SIZES[size]
    source = spooled(span_count)
    stores = [Store.open(tmp_path / f"{n}.duckdb") for n in range(3 * ROUNDS)]
    loads = [_loading(source, tmp_path / str(n), stores[n], span_count) for n in range(ROUNDS)]
    rows = [_row_by_row(source, store) for store in stores[ROUNDS : 2 * ROUNDS]]
    row_count = min(span_count, ROW_BY_ROW_SPANS)
    ours, plain = least(
        (cost(load, items=span_count), cost(row, items=row_count))
        for load, row in zip(loads, rows, strict=True)
    )
    columns = [_columns(source, store) for store in stores[2 * ROUNDS :]]
    inserted = min((cost(c, items=span_count) for c in columns), key=lambda c: c.seconds)
    stores[0].execute("CHECKPOINT aftermerge")
    stored_bytes = (tmp_path / "0.duckdb").stat().st_size / span_count
    for store in stores:
        store.close()
    disk = f"{stored_bytes:.0f} B/span on disk" if size != "small" else ""
    _report(board, f"{size}: {span_count:,} spans", ours, plain, inserted, row_count, disk)


def _report(
    board: Board, shape: str, ours: Cost, plain: Cost, inserted: Cost, row_count: int, disk: str
) -> None:
    board.add(
        "load",
        shape,
        item="span",
        ours=ours,
        against="executemany, row by row",
        baseline=plain,
        note=f"baseline over {row_count} spans",
    )
    board.add(
        "load",
        shape,
        item="span",
        ours=ours,
        against="INSERT of Arrow columns",
        baseline=inserted,
        note=disk,
    )


def _loading(source: Path, folder: Path, store: Store, span_count: int) -> Callable[[], None]:
    """What a start does with the segments that an earlier process left."""
    shutil.copytree(source, folder)
    counters = Counters()
    spool = Spool(folder, counters=counters)
    loader = Loader(store, spool, DEFAULTS, counters)

    def run() -> None:
        loader.start()
        assert loader.stop(120)
        asyncio.run(spool.close())
        assert store.value("SELECT count(*) FROM spans") == span_count

    return run


def _decoded(source: Path) -> Decoded:
    requests = [r for s in segments.find(source) for r in segments.read(s).requests]
    return decoding.decode(requests, Policy())


def _row_by_row(source: Path, store: Store) -> Callable[[], None]:
    spans = _decoded(source).spans.slice(0, ROW_BY_ROW_SPANS)
    rows = [tuple(_bindable(value) for value in row.values()) for row in aware_rows(spans)]
    names = ", ".join(f'"{name}"' for name in tables.SPANS.column_names)
    marks = ", ".join("?" for _ in tables.SPANS.column_names)

    def run() -> None:
        with store.transaction() as cursor:
            cursor.executemany(f"INSERT INTO facts.spans ({names}) VALUES ({marks})", rows)

    return run


def _bindable(value: Any) -> Any:
    """A map as the driver binds one; it comes from Arrow as pairs, alone or within an event."""
    if isinstance(value, list) and value and isinstance(value[0], tuple):
        return {"key": [k for k, _ in value], "value": [v for _, v in value]}
    if isinstance(value, list):
        return [_bindable(item) for item in value]
    if isinstance(value, dict):
        return {name: _bindable(item) for name, item in value.items()}
    return value


def _columns(source: Path, store: Store) -> Callable[[], object]:
    decoded = _decoded(source)
    spans = decoded.spans

    def run() -> None:
        with store.transaction():
            for at in range(0, spans.num_rows, DEFAULTS.load_rows):
                store.append(tables.SPANS, spans.slice(at, DEFAULTS.load_rows))
            for table in (tables.EXCEPTIONS, tables.STACKS):
                store.append(table, decoded.rows[table.name])

    return run
