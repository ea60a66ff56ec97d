"""Spans counted into ``operation_hours`` and ``signal_hours``: each once, however late it came and however often it was delivered.

A load of the loader is the unit: its spans are counted, and its number written to ``folded_loads``, in one
transaction. So it is known exactly what was counted; a watermark on the time of receipt would miss rows, which become
visible in the order of commits. A span that is delivered again is found among the raw spans that were counted before,
by trace, span and start. What that costs: docs/decisions/0004-retention-and-rollups.md.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from schemas import tables
from schemas.settings import Settings
from schemas.store import Row, Store, sql
from schemas.vocabulary import IDENTITY_KEYS

SLICE_SPANS = 200_000
"""Spans counted in one transaction, which bounds its memory. A load is never parted."""

LATE_INTERVAL = timedelta(hours=1)
"""How often late spans are counted in a store of more than :data:`LATE_AT_ONCE_SPANS`: a look through 30 hours of raw
spans costs 28 ns a span, so that more often it would cost more than all the rest."""

LATE_AT_ONCE_SPANS = 10_000_000
"""In a store of up to so many spans a look through all of them is cheap, and late ones are counted with the others."""

RANGES_MAX = 48
"""Stretches of start times that are looked through one by one; clocks that are wrong by years share the oldest."""


def fold(store: Store, settings: Settings, *, now: datetime, is_thorough: bool = False) -> int:
    """Count the spans that were loaded since the last run, and return their number without repetitions.

    Calls must not overlap each other or a retention run. Late spans are counted at once when the store is small, else every :data:`LATE_INTERVAL`; always when
    ``is_thorough``. What a run was interrupted in is counted by the next.
    """
    done = 0
    for slice_ in _slices(store.rows(sql("collector", "unfolded_loads"))):
        done += _fold_slice(store, settings, slice_, now=now, is_late=False)
    if is_thorough or _is_late_due(store, now):
        for slice_ in _slices(store.rows(sql("collector", "late_loads"))):
            done += _fold_slice(store, settings, slice_, now=now, is_late=True)
    return done


def next_load(store: Store, span_count: int, *, now: datetime) -> int:
    """The number of the load that brings ``span_count`` spans, which is written to ``loads``.

    The caller's transaction must store them too: a number and what it brings become visible together.
    """
    last = store.value("SELECT max(load_number) FROM loads")
    number = max(0, last or 0) + 1
    store.append_rows(tables.LOADS, [{"load_number": number, "loaded_at": now, "span_count": span_count}])
    return number


def stamped(table: tables.Table, batch: pa.Table, load_number: int, *, now: datetime) -> pa.Table:
    """``batch`` with the stamps of ``table``: the number of the load that brings it, or when it was loaded (UTC)."""
    stamps = {"load_number": load_number, "loaded_at": now.astimezone(UTC).replace(tzinfo=None)}
    for column in table.stamps:
        stamp = pa.scalar(stamps[column.name], column.type.arrow)
        batch = batch.append_column(column.name, pa.repeat(stamp, batch.num_rows))
    return batch


def is_small(store: Store) -> bool:
    """True while a look through all spans is cheap."""
    return bool(store.value("SELECT count(*) FROM spans") <= LATE_AT_ONCE_SPANS)


def _is_late_due(store: Store, now: datetime) -> bool:
    if is_small(store):
        return True
    last = store.value("SELECT max(late_folded_at) FROM folded_loads WHERE late_count > 0")
    return last is None or now - last >= LATE_INTERVAL


def _slices(waiting: Sequence[Row]) -> Iterator[list[Row]]:
    gathered: list[Row] = []
    size = 0
    for row in waiting:
        if gathered and size + row["span_count"] > SLICE_SPANS:
            yield gathered
            gathered, size = [], 0
        gathered.append(row)
        size += row["span_count"]
    if gathered:
        yield gathered


def _fold_slice(
    store: Store, settings: Settings, slice_: Sequence[Row], *, now: datetime, is_late: bool
) -> int:
    loads = [row["load_number"] for row in slice_]
    ratios = {name: s.sampling_ratio for name, s in settings.services.items() if s.sampling_ratio is not None}
    taken = {"loads": loads, "is_late": is_late}
    weights = {"services": list(ratios), "ratios": list(ratios.values()), "ratio": settings.sampling_ratio}

    def do(task: str, **parameters: object) -> None:
        store.execute(sql("collector", task), **parameters)

    with store.transaction():
        do("arrived_spans", **taken)
        do("repeated_spans")
        _find_known(store)
        do("arrived_hours", **taken, **weights)
        do("arrived_durations", **taken)
        do(
            "arrived_signals",
            **taken,
            identities=list(IDENTITY_KEYS),
            watched=list(settings.watched_attributes),
        )
        counted = int(store.value("SELECT coalesce(sum(span_count), 0)::BIGINT FROM arrived_hours"))
        if counted:
            do("known_hours")
            do("drop_known_hours")
            do("stored_hours")
            for task in ("known_signals", "drop_known_signals", "stored_signals"):
                do(task)
        do("mark_late_folded" if is_late else "mark_folded", loads=loads, now=now)
        store.execute("DROP TABLE arrived_spans")
    return counted


def _find_known(store: Store) -> None:
    """Add to ``repeated_spans`` what was counted before."""
    unfolded = [row["load_number"] for row in store.rows(sql("collector", "unfolded_loads"))]
    late = [row["load_number"] for row in store.rows(sql("collector", "late_loads"))]
    ranges = [(r["first_ns"], r["last_ns"]) for r in store.rows(sql("collector", "arrived_ranges"))]
    if len(ranges) > RANGES_MAX:
        ranges[RANGES_MAX - 1 :] = [(ranges[-1][0], ranges[RANGES_MAX - 1][1])]
    for first_ns, last_ns in ranges:
        store.execute(
            sql("collector", "known_spans"),
            first_ns=first_ns,
            last_ns=last_ns,
            unfolded=unfolded,
            late_unfolded=unfolded + late,
        )
