"""Accepted requests to rows: columns where they can, the walk where they cannot, one order whatever was taken."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from collector import columns, otlp, walk
from collector.attribute_columns import NotColumnar
from collector.otlp import Decoded, Request, Signal
from collector.policy import Policy
from schemas import tables

FALLBACKS = ("not_columnar", "refused")
"""Why the walk took over: a wire form that columns would lose, or bodies that ptars refused or could not read."""


def decode(requests: Sequence[Request], policy: Policy, fallbacks: Counter[str] | None = None) -> Decoded:
    """Decode a group of accepted requests into rows, traces before logs, each in the order given.

    ``fallbacks`` counts the requests that the walk decoded in place of columns, by reason (:data:`FALLBACKS`).
    """
    traces = [request for request in requests if request.signal is Signal.TRACES]
    logs = [request for request in requests if request.signal is Signal.LOGS]
    parts = (
        [_traces(traces, policy, Counter() if fallbacks is None else fallbacks)] if traces or not logs else []
    )
    if logs:
        parts.append(walk.decode(logs, policy))
    return _joined(parts)


def _traces(requests: Sequence[Request], policy: Policy, fallbacks: Counter[str]) -> Decoded:
    try:
        return columns.decode(requests, policy)
    except NotColumnar:
        reason = "not_columnar"
    except Exception:
        # Not only what ptars raises for a body that is no request: whatever columns cannot do with what was
        # acknowledged, the reference decoder does, and the count shows that it had to.
        reason = "refused"
    if len(requests) > 1:
        # One of them is odd: the others need not pay for it.
        half = len(requests) // 2
        return _joined([_traces(part, policy, fallbacks) for part in (requests[:half], requests[half:])])
    fallbacks[reason] += 1
    return walk.decode(requests, policy)


def _joined(parts: Sequence[Decoded]) -> Decoded:
    if len(parts) == 1:
        return parts[0]
    return Decoded(
        rows={
            t.name: _distinct(t, pa.concat_tables([part.rows[t.name] for part in parts])) for t in otlp.TABLES
        },
        rejected=sum((part.rejected for part in parts), Counter()),
        altered=sum((part.altered for part in parts), Counter()),
        unreadable=tuple(request for part in parts for request in part.unreadable),
    )


def _distinct(table: tables.Table, rows: pa.Table) -> pa.Table:
    """The first row of each id, of tables for which it is enough: parts may share resources, scopes and stacks."""
    if table not in otlp.DISTINCT:
        return rows
    _, firsts = np.unique(rows[otlp.DISTINCT[table]].to_numpy(), return_index=True)
    return rows.take(pa.array(np.sort(firsts)))
