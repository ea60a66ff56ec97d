from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, Status, StatusCode

from demo.shifting import Offsets, ShiftingExporter, shifted


def failed_span() -> ReadableSpan:
    """A span of the real SDK with an attribute, an exception and a status."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    with (
        tracer.start_as_current_span("outer"),
        tracer.start_as_current_span("GET", kind=SpanKind.CLIENT) as span,
    ):
        span.set_attribute("http.request.method", "GET")
        span.record_exception(ValueError("no"))
        span.set_status(Status(StatusCode.ERROR, "no"))
    return exporter.get_finished_spans()[0]


@given(st.integers(-(10**18), 10**18))
def test_every_time_moves_by_exactly_the_offset(offset_ns: int) -> None:
    span = failed_span()
    moved = shifted(span, offset_ns)
    assert moved.start_time == (span.start_time or 0) + offset_ns
    assert moved.end_time == (span.end_time or 0) + offset_ns
    assert [event.timestamp for event in moved.events] == [
        event.timestamp + offset_ns for event in span.events
    ]


def test_nothing_but_times_changes() -> None:
    span = failed_span()
    moved = shifted(span, -5)
    for name in (
        "name",
        "context",
        "parent",
        "kind",
        "resource",
        "attributes",
        "links",
        "instrumentation_scope",
    ):
        assert getattr(moved, name) == getattr(span, name)
    assert moved.status.status_code is span.status.status_code
    assert [dict(event.attributes or {}) for event in moved.events] == [
        dict(event.attributes or {}) for event in span.events
    ]


def test_a_following_request_has_the_offset_of_the_first() -> None:
    offsets = Offsets(default_ns=-1)
    offsets.announce(7, replay_at="1000", replay_offset=None)
    first = offsets.of(7)
    assert first < 0
    offsets.announce(8, replay_at=None, replay_offset=str(first))
    assert offsets.of(8) == first
    assert offsets.of(9) == -1


def test_the_exporter_asks_per_trace() -> None:
    inner = InMemorySpanExporter()
    span = failed_span()
    ShiftingExporter(inner, lambda trace_id: trace_id % 1000).export([span])
    assert span.context is not None
    expected = (span.start_time or 0) + span.context.trace_id % 1000
    assert inner.get_finished_spans()[0].start_time == expected
