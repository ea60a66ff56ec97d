"""What the sample trace of each failure group shows beside the root-cause span: callees, their routes, senders, other exceptions.

Pure: rows of ``trace_services.sql`` and ``trace_exceptions.sql`` in.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from correlator import tokens
from correlator.failure_groups import FailureGroup

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sample:
    """``callees``: services below the root-cause span, sorted. ``senders``: the service that sent what the failing service
    worked on; of a message that came by a link alone, the services that are known to have sent such. ``routes``: (service, route) of their spans, sorted.
    ``words``: identifiers and literals in the messages of the trace's other exceptions."""

    callees: tuple[str, ...] = ()
    routes: tuple[tuple[str, str], ...] = ()
    words: frozenset[str] = frozenset()
    senders: tuple[str, ...] = ()


def samples(
    groups: Sequence[FailureGroup], spans: Iterable[Row], exceptions: Iterable[Row]
) -> dict[str, Sample]:
    """group id -> what its sample trace shows."""
    children: dict[tuple[str, str | None], list[Row]] = defaultdict(list)
    for span in spans:
        children[(span["trace_id"], span["parent_span_id"])].append(span)
    by_id: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for (trace_id, _), rows in children.items():
        for span in rows:
            by_id[(trace_id, span["span_id"])].append(span)
    recorded: dict[str, list[Row]] = defaultdict(list)
    for row in exceptions:
        recorded[row["trace_id"]].append(row)
    found = {}
    for group in groups:
        trace_id, span_id = group.row["sample_trace_id"], group.row["sample_span_id"]
        below = _below(children, trace_id, span_id)
        own = group.row["service"]
        found[group.row["group_id"]] = Sample(
            callees=tuple(sorted({span["service"] for span in below} - {own})),
            routes=tuple(sorted({(s["service"], s["http_route"]) for s in below if s["http_route"]})),
            # Messages only: the name of an exception class is in every change that raises it.
            words=tokens.words_of(
                row["message"] or "" for row in recorded[trace_id] if row["span_id"] != span_id
            ),
            senders=_senders(by_id, group) or tuple(s for s in group.row["callers"] if s != own),
        )
    return found


def _below(children: Mapping[tuple[str, str | None], list[Row]], trace_id: str, span_id: str) -> list[Row]:
    found: list[Row] = []
    stack, visited = [span_id], {span_id}
    while stack:
        for child in children.get((trace_id, stack.pop()), ()):
            # A span that was sent twice with other contents counts both times: neither is the truer one.
            found.append(child)
            if child["span_id"] not in visited:
                visited.add(child["span_id"])
                stack.append(child["span_id"])
    return found


def _senders(by_id: Mapping[tuple[str, str], list[Row]], group: FailureGroup) -> tuple[str, ...]:
    """The nearest other service above the failing span: who is further up did not write what arrived."""
    trace_id, own = group.row["sample_trace_id"], group.row["service"]
    level, visited = {group.row["sample_span_id"]}, set[str]()
    while level:
        visited |= level
        above = {row["parent_span_id"] for id_ in level for row in by_id.get((trace_id, id_), ())}
        level = {id_ for id_ in above if id_ is not None} - visited
        found = {row["service"] for id_ in level for row in by_id.get((trace_id, id_), ())} - {own}
        if found:
            return tuple(sorted(found))
    return ()
