"""Event time for a replay: an exporter that moves spans to the time that they stand for.

A request that is made now stands for one of weeks ago. The demo says which with a header on the first request, services
pass the difference on with their calls, and everything of that trace is moved by exactly that difference on its way out.
The product never learns of it.
"""

import time
from collections.abc import Callable, Sequence
from threading import Lock

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

REPLAY_AT = "X-Replay-At"
"""Header of a first request: the nanosecond since the Unix epoch that it stands for."""
REPLAY_OFFSET = "X-Replay-Offset"
"""Header of a following request: nanoseconds to add, negative for the past."""


class Offsets:
    """Trace id -> nanoseconds to add; ``default_ns`` for traces that nobody announced (a process that starts)."""

    def __init__(self, default_ns: int) -> None:
        self.default_ns = default_ns
        self._by_trace: dict[int, int] = {}
        self._lock = Lock()

    def announce(self, trace_id: int, *, replay_at: str | None, replay_offset: str | None) -> None:
        """Note what the headers of a request say of its trace; without headers the default stays."""
        if replay_offset:
            offset = int(replay_offset)
        elif replay_at:
            offset = int(replay_at) - time.time_ns()
        else:
            return
        with self._lock:
            self._by_trace.setdefault(trace_id, offset)

    def of(self, trace_id: int) -> int:
        with self._lock:
            return self._by_trace.get(trace_id, self.default_ns)


def shifted(span: ReadableSpan, offset_ns: int) -> ReadableSpan:
    """``span`` with its start, its end and its events moved by ``offset_ns``; everything else as it was."""
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=span.attributes,
        events=[
            Event(name=event.name, attributes=event.attributes, timestamp=event.timestamp + offset_ns)
            for event in span.events
        ],
        links=span.links,
        kind=span.kind,
        status=span.status,
        start_time=None if span.start_time is None else span.start_time + offset_ns,
        end_time=None if span.end_time is None else span.end_time + offset_ns,
        instrumentation_scope=span.instrumentation_scope,
    )


class ShiftingExporter(SpanExporter):
    """Hands every span on, moved by what ``offset_of`` says of its trace; counts those that were taken."""

    def __init__(self, exporter: SpanExporter, offset_of: Callable[[int], int]) -> None:
        self.exporter = exporter
        self.offset_of = offset_of
        self.taken_count = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self.exporter.export([shifted(span, self._offset(span)) for span in spans])
        self.taken_count += len(spans) if result is SpanExportResult.SUCCESS else 0
        return result

    def shutdown(self) -> None:
        self.exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self.exporter.force_flush(timeout_millis)

    def _offset(self, span: ReadableSpan) -> int:
        return self.offset_of(span.context.trace_id) if span.context else self.offset_of(0)
