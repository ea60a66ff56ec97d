"""Telemetry of a few traces drawn at random, and its delivery in loads."""

from collections.abc import Sequence
from typing import Any

import builders as b
from hypothesis import strategies as st

from collector import rollups
from correlator import root_causes
from schemas import tables
from schemas.store import Store, arrow
from schemas.vocabulary import SpanKind


def python_stack(*functions: str, header: str = "ValueError: no price") -> str:
    frames = "".join(f'  File "/app/{name}.py", line 3, in {name}\n    x\n' for name in functions)
    return f"Traceback (most recent call last):\n{frames}{header}\n"


def emptied(store: Store) -> Store:
    """``store`` without telemetry and what was inferred of it: to open another takes most of a test's time."""
    facts = (
        tables.SPANS,
        tables.EXCEPTIONS,
        tables.STACKS,
        tables.RESOURCES,
        tables.SPAN_LINKS,
        tables.LOADS,
    )
    for table in (*facts, *root_causes.WORKING):
        store.execute(f"DELETE FROM {table.qualified_name}")
    return store


def deliver(
    store: Store, facts: Sequence[tuple[tables.Table, dict[str, Any]]], *, is_numbered: bool = True
) -> None:
    """One load with rows of ``facts``."""
    number = rollups.next_load(store, len(facts), now=b.START)
    for table in (tables.RESOURCES, tables.SPANS, tables.EXCEPTIONS, tables.SPAN_LINKS):
        batch = arrow(table, [row for of, row in facts if of is table])
        store.append(table, rollups.stamped(table, batch, number, now=b.START) if is_numbered else batch)
    store.append_rows(tables.STACKS, b.stacks(row for of, row in facts if of is tables.EXCEPTIONS))


@st.composite
def telemetry(draw: st.DrawFn) -> list[tuple[tables.Table, dict[str, Any]]]:
    """Facts of a few traces: calls through two services, errors, exceptions, retries, waits, links, duplicates."""
    facts: list[tuple[tables.Table, dict[str, Any]]] = [
        (tables.RESOURCES, b.resource(service)) for service in ("checkout", "prices")
    ]
    for trace in range(1, draw(st.integers(1, 5)) + 1):
        for id_ in range(1, draw(st.integers(1, 6)) + 1):
            make = draw(st.sampled_from([b.server, b.client, b.span]))
            row = make(
                id_,
                trace=trace,
                parent=draw(st.sampled_from([None, *range(1, id_)])) if id_ > 1 else None,
                service=draw(st.sampled_from(["checkout", "prices"])),
                start_ms=draw(
                    st.sampled_from([id_, 5, 20, 70_000, 900_000, 3_600_000 * 7, 400 * 86_400_000])
                ),
                ms=draw(st.sampled_from([1, 30, 4000])),
                is_error=draw(st.booleans()),
                error_type=draw(st.sampled_from([None, "timeout"])),
                status_message=draw(st.sampled_from([None, f"order {trace} lost"])),
            )
            facts += [(tables.SPANS, row)] * draw(st.sampled_from([1, 1, 2]))
            if draw(st.integers(0, 2)) == 0:
                said = draw(st.sampled_from(["no price", f"no price for order {trace}", f"gone: {trace}"]))
                stack = draw(st.sampled_from([None, python_stack("price", header=f"ValueError: {said}")]))
                facts.append(
                    (
                        tables.EXCEPTIONS,
                        b.exception(id_, trace=trace, at_ms=6, message=said, stacktrace=stack),
                    )
                )
            if trace > 1 and draw(st.integers(0, 4)) == 0:
                row["kind"] = SpanKind.CONSUMER
                link = {
                    "trace_id": b.trace_id(trace),
                    "span_id": id_,
                    "received_at": b.at(9),
                    "linked_trace_id": b.trace_id(draw(st.integers(1, trace - 1))),
                    "linked_span_id": 1,
                }
                facts.append((tables.SPAN_LINKS, link))
    return facts
