"""Decode of export requests into the columns of six tables, beside a plain walk of the same messages.

The plain walk parses with upb and makes one tuple per span; it cuts nothing, hashes nothing, folds no old names and
leaves attributes as pairs. The reference decoder (``collector/walk.py``) does all that we do, a value at a time.
"""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from benchmarks.measures import Board, cost, side_by_side
from benchmarks.payloads import BATCH, bodies
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector import decoding, walk
from collector.otlp import Request, Signal
from collector.policy import Policy
from schemas.settings import MIB, Settings

DEFAULTS = Settings.model_validate({})
POLICY = Policy.of(DEFAULTS, secret=b"k")
LARGE = 8192
SIZES = {"small": 16, "medium": BATCH, "large": LARGE}


@pytest.mark.parametrize("size", SIZES)
def bench_decode(board: Board, size: str) -> None:
    (body,) = bodies(SIZES[size], SIZES[size])
    repeats = max(1, 4096 // SIZES[size])
    _measure(board, size, [body], SIZES[size], repeats=repeats, rounds=5)


def bench_decode_of_a_segment(board: Board) -> None:
    """Small requests as the loader meets them: those of one spool segment are decoded together."""
    requests = bodies(256 * SIZES["small"], SIZES["small"])
    _measure(board, "256 small ones together", requests, 256 * SIZES["small"], repeats=1, rounds=5)


def bench_decode_of_the_largest_request(board: Board) -> None:
    """As many spans as ``body_bytes_max`` admits: encoded requests one behind the other are one request."""
    (body,) = bodies(LARGE, LARGE)
    copies = DEFAULTS.body_bytes_max // len(body)
    _measure(board, "maximal", [body * copies], LARGE * copies, repeats=1, rounds=1)


def _measure(
    board: Board, size: str, encoded: Sequence[bytes], span_count: int, *, repeats: int, rounds: int
) -> None:
    requests = [Request(Signal.TRACES, body, 1_790_000_000_000_000) for body in encoded]

    def ours(policy: Policy) -> Callable[[], None]:
        def run() -> None:
            for _ in range(repeats):
                assert decoding.decode(requests, policy).spans.num_rows == span_count

        return run

    def reference() -> None:
        assert walk.decode(requests, POLICY).spans.num_rows == span_count

    def baseline() -> None:
        for _ in range(repeats):
            assert sum(len(_walked(body)) for body in encoded) == span_count

    weight = sum(map(len, encoded))
    told = f"{weight / MIB:.1f} MiB" if weight >= MIB else f"{weight / 1024:.0f} KiB"
    shape = f"{size}: {span_count:,} spans, {told}"
    for name, policy in (("", POLICY), ("; no policy", Policy(is_scrubbing=False))):
        spent, plain = side_by_side(ours(policy), baseline, items=span_count * repeats, rounds=rounds)
        shown = shape + name
        board.add("decode", shown, item="span", ours=spent, against="upb walk to tuples", baseline=plain)
    slow = cost(reference, items=span_count)
    board.add("decode", shape, item="span", ours=spent, against="reference decoder", baseline=slow)


def _walked(body: bytes) -> list[tuple[Any, ...]]:
    rows = []
    for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
        resource = _pairs(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            scope = (scope_spans.scope.name, scope_spans.scope.version)
            rows += [
                (
                    resource,
                    scope,
                    span.trace_id,
                    span.span_id,
                    span.parent_span_id,
                    span.trace_state,
                    span.flags,
                    span.name,
                    span.kind,
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    span.status.code,
                    span.status.message,
                    _pairs(span.attributes),
                    [(e.time_unix_nano, e.name, _pairs(e.attributes)) for e in span.events],
                    [(link.trace_id, link.span_id, _pairs(link.attributes)) for link in span.links],
                    span.dropped_attributes_count,
                    span.dropped_events_count,
                    span.dropped_links_count,
                )
                for span in scope_spans.spans
            ]
    return rows


def _pairs(attributes: Any) -> list[tuple[str, Any]]:
    found = []
    for attribute in attributes:
        value = attribute.value
        kind = value.WhichOneof("value")
        found.append((attribute.key, getattr(value, kind) if kind else None))
    return found
