"""Where each failing trace failed first, kept up to date: only traces of which something arrived are looked at again.

What a trace says depends on its own spans and exceptions alone, so that the answer is the same in whatever order and
in however many parts they came. Its root causes are folded into shapes (``correlator/shapes.py``), and alike ones of a
minute into one row (``failure_minutes``): what comes after costs as much for a thousand failures a minute as for two.
Touches the store, as ``run.py`` does.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa

from correlator import fingerprint, occurrences, shapes
from correlator.shapes import Failures, Shape
from schemas import tables
from schemas.store import Row, Store, arrow, aware_rows, sql

SLICE_TRACES = 2_000
"""Traces looked at in one transaction, which bounds its memory."""

REACH = timedelta(hours=6)
"""A span that started so much earlier or later than all that failed in its trace is not looked for: what is looked
through is as long as that, however much is stored."""

LINK_AGE_MAX = timedelta(days=1)
"""A message that waited longer names no producer."""

COUNTING = ("left_minutes", "entered_minutes", "moved_stretch", "forget_minutes", "add_minutes")
"""What keeps ``failure_minutes``."""

_FAILURE_COLUMNS = ("first_failed_at_us", "last_failed_at_us", "failure_count", "trace_key", "trace_count")
"""Columns of ``failures.sql`` in the order of ``Failures``."""

_MICROSECOND = timedelta(microseconds=1)
_NS_MAX = 2**63 - 2
STEPS = {
    "slice_exceptions": ("slice", "until", "failed_first_ns", "failed_last_ns"),
    "slice_rows": ("slice", "until", "first_ns", "last_ns", "reach_ns"),
    "slice_spans": (),
    "slice_failing": (),
    "slice_ancestors": (),
    "slice_failures": (),
    "slice_pairs": (),
    "slice_hops": (),
    "slice_roots": (),
    "slice_carriers": (),
    "slice_carried": (),
    "slice_outermost": (),
    "slice_stacks": (),
    "root_causes": ("until", "first_ns", "links_ns"),
}
"""What finds the root causes of a slice, in order, and what each is told. As one statement they took twice the memory:
DuckDB keeps what every step of a statement needs until its end."""

MADE = (*STEPS.keys() - {"root_causes"}, "arrived_causes", "shaped_causes", "arrived_shapes", "moved_minutes")
"""Temporary tables of a slice."""

WORKING = (
    tables.FAILING_TRACES,
    tables.ROOT_CAUSES,
    tables.FAILURE_MINUTES,
    tables.FAILURE_SHAPES,
    tables.CAUSE_READS,
)
"""What :func:`follow` keeps."""


def follow(store: Store, *, until: datetime) -> int:
    """Look at what arrived since the last call, and return how many traces were looked at.

    Args:
        store: its ``failing_traces``, ``root_causes``, ``failure_minutes``, ``failure_shapes`` and ``cause_reads`` are
            brought up to date.
        until: what started later counts when it is asked for; earlier than in the last call all is read anew.
    """
    read = store.row("SELECT * FROM cause_reads")
    if read is not None and (read["rules"] != rules() or read["until"] > until):
        read = None
    with store.transaction():
        if read is None:
            for table in WORKING:
                store.replace_all(table, arrow(table, []))
        load_number = read["load_number"] if read else 0
        held = store.row(sql("correlator", "held_facts"), load_number=load_number)
        assert held is not None
        is_unnumbered_new = read is None or held["unnumbered_count"] != read["unnumbered_count"]
        store.execute("CREATE OR REPLACE TEMP TABLE orphaned_shapes (shape_id UBIGINT)")
        if read is not None and _is_forgotten(held, read):
            store.execute(sql("correlator", "forgotten_traces"))
            store.execute(sql("correlator", "orphan_shapes"), slice=0)
            _forget(store, slice_=0)
            _count_moved(store)
        store.execute(
            sql("correlator", "touched_traces"),
            load_number=load_number,
            is_unnumbered_new=is_unnumbered_new,
            since=read["until"] if read else datetime.min.replace(year=1700, tzinfo=until.tzinfo),
            until=until,
            slice_traces=SLICE_TRACES,
        )
    looked_at = _look(store, until)
    while _has_wrong_shapes(store):
        # A trace that was looked at again may have lost a shape that was shown by it: the next one shows it then.
        with store.transaction():
            store.execute(sql("correlator", "forget_wrong_shapes"))
            store.execute(sql("correlator", "retouched_traces"), slice_traces=SLICE_TRACES)
            _look(store, until)
    with store.transaction():
        store.execute(sql("correlator", "forget_empty_shapes"))
        now_read = {"rules": rules(), "until": until, **held}
        store.replace_all(tables.CAUSE_READS, arrow(tables.CAUSE_READS, [now_read]))
    return looked_at


def read(store: Store, *, until: datetime, named: Iterable[str] = ()) -> list[Shape]:
    """Every shape of a failure that its service did not survive, in the order of their first failures.

    Args:
        store: after :func:`follow` with the same ``until``.
        named: trace ids, 32 hex digits, that incidents name.
    """
    found = store.arrow(sql("correlator", "failures"), until=until)
    shape_ids = found["shape_id"].to_numpy()
    failures = Failures(*(found[name].to_numpy() for name in _FAILURE_COLUMNS))
    starts = [0, *(np.flatnonzero(shape_ids[1:] != shape_ids[:-1]) + 1).tolist()] if len(shape_ids) else []
    ends = [*starts[1:], len(shape_ids)][: len(starts)]
    stretch = {int(shape_ids[start]): (start, end) for start, end in zip(starts, ends, strict=True)}
    traces_named: dict[int, set[str]] = defaultdict(set)
    for row in store.rows(sql("correlator", "named_failures"), trace_ids=sorted(named)) if named else ():
        traces_named[row["shape_id"]].add(row["trace_id"])
    listed = []
    for row in store.rows(sql("correlator", "failure_shapes")):
        shape_id = row["shape_id"]
        if shape_id in stretch:
            start, end = stretch[shape_id]
            first = row if row["awaited_service"] is None else {**row, **_counted(found.slice(start, 1))}
            listed.append(Shape(first, failures.part(start, end), frozenset(traces_named[shape_id])))
    return listed


def rules() -> str:
    """Version of all that makes root causes and shapes, 16 hex digits."""
    told = [sql("correlator", name) for name in ("touched_traces", *STEPS, "shaped_causes", *COUNTING)]
    told += [shapes.VERSION, fingerprint.VERSION, str(REACH), str(LINK_AGE_MAX)]
    return hashlib.sha256("\x00".join(told).encode()).hexdigest()[:16]


def _counted(first: pa.Table) -> Row:
    """What identifies the first failure that counts, of a shape of which not all do."""
    (row,) = aware_rows(first.select(["trace_id", "span_id", "first_failed_at_us"]))
    return {
        "trace_id": row["trace_id"],
        "span_id": row["span_id"],
        "failed_at": occurrences.moment(row["first_failed_at_us"]),
    }


def _is_forgotten(held: Row, read: Row) -> bool:
    """True when there is less than there was and what came since: retention took some."""
    unnumbered = held["unnumbered_count"] - read["unnumbered_count"]
    return bool(held["held_count"] < read["held_count"] + held["new_count"] + unnumbered or unnumbered < 0)


def _has_wrong_shapes(store: Store) -> bool:
    store.execute(sql("correlator", "wrong_shapes"))
    return bool(store.value("SELECT count(*) FROM wrong_shapes"))


def _look(store: Store, until: datetime) -> int:
    """Look at the traces of ``touched_traces``, and return their number."""
    count = 0
    for row in store.rows(sql("correlator", "touched_slices")):
        with store.transaction():
            _look_at(store, row, until)
        # Replaced by the next slice's they would be held beside them until that ends.
        for table in MADE:
            store.execute(f"DROP TABLE IF EXISTS {table}")
        count += row["trace_count"]
    return count


def _look_at(store: Store, slice_: Row, until: datetime) -> None:
    reach_ns = REACH // _MICROSECOND * 1000
    told = {
        "slice": slice_["slice"],
        "until": until,
        "failed_first_ns": slice_["first_ns"],
        "failed_last_ns": slice_["last_ns"],
        "first_ns": max(-_NS_MAX, slice_["first_ns"] - reach_ns),
        "last_ns": min(_NS_MAX, slice_["last_ns"] + reach_ns),
        "reach_ns": reach_ns,
        "links_ns": LINK_AGE_MAX // _MICROSECOND * 1000,
    }
    for name, parameters in STEPS.items():
        store.execute(sql("correlator", name), **{key: told[key] for key in parameters})
    texts = store.rows(sql("correlator", "arrived_texts"))
    keys = pa.table(
        {
            "text_id": pa.array([row["text_id"] for row in texts], pa.uint64()),
            "text_key": pa.array([shapes.text_key(row) for row in texts], pa.string()),
        }
    )
    with store.registered("arrived_keys", keys):
        store.execute(sql("correlator", "shaped_causes"))
    number = slice_["slice"]
    store.execute(sql("correlator", "orphan_shapes"), slice=number)
    store.execute(sql("correlator", "arrived_shapes"), slice=number)
    store.execute(sql("correlator", "replace_shapes"))
    store.execute(sql("correlator", "add_shapes"))
    _forget(store, slice_=number)
    store.execute(sql("correlator", "add_causes"))
    store.execute(sql("correlator", "add_failing_traces"), slice=number)
    store.execute(sql("correlator", "entered_minutes"))
    _count_moved(store)


def _forget(store: Store, *, slice_: int) -> None:
    store.execute(
        "CREATE OR REPLACE TEMP TABLE moved_minutes "
        "(alike_id UBIGINT, first_failed_at TIMESTAMP, last_failed_at TIMESTAMP)"
    )
    for name in ("left_minutes", "forget_causes", "forget_failing_traces"):
        store.execute(sql("correlator", name), slice=slice_)


def _count_moved(store: Store) -> None:
    """Count the minutes of ``moved_minutes`` anew."""
    stretch = store.row(sql("correlator", "moved_stretch"))
    if stretch is not None and stretch["first_failed_at"] is not None:
        store.execute(sql("correlator", "forget_minutes"))
        first, last = stretch["first_failed_at"], stretch["last_failed_at"]
        store.execute(sql("correlator", "add_minutes"), first=first, last=last)
