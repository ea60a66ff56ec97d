"""What the sample trace of each failure group shows beside the root-cause span: callees, their routes, other exceptions.

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
    """``callees``: services below the root-cause span, sorted. ``routes``: (service, route) of their spans, sorted.
    ``words``: identifiers and literals in the messages of the trace's other exceptions."""

    callees: tuple[str, ...] = ()
    routes: tuple[tuple[str, str], ...] = ()
    words: frozenset[str] = frozenset()


def samples(
    groups: Sequence[FailureGroup], spans: Iterable[Row], exceptions: Iterable[Row]
) -> dict[str, Sample]:
    """group id -> what its sample trace shows."""
    children: dict[tuple[str, str | None], list[Row]] = defaultdict(list)
    for span in spans:
        children[(span["trace_id"], span["parent_span_id"])].append(span)
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
