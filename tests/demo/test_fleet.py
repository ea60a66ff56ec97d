"""One release of the company, run as real processes against a real OTLP port."""

import gzip
import time
from collections.abc import Iterator
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

from demo import repository
from demo.fleet import Fleet
from demo.releases import SERVICES, Scene
from demo.traffic import Traffic

STARTED_UNIX_S = 1_700_000_000


class Sink(trace_service_pb2_grpc.TraceServiceServicer):
    """Takes spans over gRPC and HTTP and keeps them."""

    def __init__(self) -> None:
        self.received: list[ResourceSpans] = []
        self.lock = Lock()

    def Export(self, request: object, context: object) -> object:  # noqa: ARG002
        self.keep(request)
        return trace_service_pb2.ExportTraceServiceResponse()

    def keep(self, request: object) -> None:
        with self.lock:
            self.received.extend(request.resource_spans)  # type: ignore[attr-defined]

    def spans(self) -> dict[str, list[Span]]:
        """Service -> its spans."""
        found: dict[str, list[Span]] = {}
        for resource in self.received:
            names = {item.key: item.value.string_value for item in resource.resource.attributes}
            assert names["vcs.ref.head.revision"]
            assert names["deployment.environment.name"] == "production"
            for scope in resource.scope_spans:
                found.setdefault(names["service.name"], []).extend(scope.spans)
        return found


@pytest.fixture
def sink() -> Iterator[tuple[Sink, dict[str, str]]]:
    kept = Sink()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            kept.keep(trace_service_pb2.ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=http.serve_forever, args=(0.05,), daemon=True).start()
    server = grpc.server(futures.ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(kept, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield kept, {"grpc": f"http://127.0.0.1:{port}", "http/protobuf": f"http://127.0.0.1:{http.server_port}"}
    server.stop(None)
    http.shutdown()
    http.server_close()


def test_a_release_runs_and_its_spans_stand_in_the_past(
    written: repository.Written, tmp_path: Path, sink: tuple[Sink, dict[str, str]]
) -> None:
    kept, endpoints = sink
    sha = written.shas["07"]
    folder = repository.check_out(written.path, sha, tmp_path / "files")
    fleet = Fleet(tmp_path, endpoints)
    traffic = Traffic(fleet.ports, fleet.token, STARTED_UNIX_S * 10**9)
    began = time.time()
    try:
        assert all(fleet.deploy(SERVICES, folder, sha, "r03", STARTED_UNIX_S * 10**9).values())
        traffic.play(Scene(3600, 7200, 24, ("page", "order", "read")))
    finally:
        fleet.stop()
    # Three products have no picture: their pages fail, everything else works.
    assert {failure.kind for failure in traffic.failures} == {"page"}
    spans = kept.spans()
    assert set(spans) == set(SERVICES)

    requests = [span for listed in spans.values() for span in listed if span.kind == Span.SPAN_KIND_SERVER]
    took_ns = int((time.time() - began) * 1e9)
    for span in requests:
        since_ns = span.start_time_unix_nano - STARTED_UNIX_S * 10**9
        assert 3600 * 10**9 <= since_ns <= 7200 * 10**9 + took_ns
        for event in span.events:
            assert span.start_time_unix_nano <= event.time_unix_nano <= span.end_time_unix_nano

    # The context travels: an order is one trace through all three services.
    order = next(span for span in spans["storefront"] if span.name == "POST /orders")
    assert not order.parent_span_id
    for service in SERVICES:
        assert any(span.trace_id == order.trace_id for span in spans[service])

    failed = [span for span in spans["storefront"] if span.events]
    assert len(failed) == len(traffic.failures)
    stack = {item.key: item.value.string_value for item in failed[0].events[0].attributes}[
        "exception.stacktrace"
    ]
    assert f"{folder}/services/storefront/catalogue.py" in stack
    assert stack.rstrip().endswith("AttributeError: 'NoneType' object has no attribute 'rpartition'")


def test_an_instance_that_does_not_come_up_says_why_in_a_span(
    written: repository.Written, tmp_path: Path, sink: tuple[Sink, dict[str, str]]
) -> None:
    kept, endpoints = sink
    sha = written.shas["36"]
    folder = repository.check_out(written.path, sha, tmp_path / "files")
    fleet = Fleet(tmp_path, endpoints)
    try:
        assert fleet.deploy(("inventory",), folder, sha, "r16", STARTED_UNIX_S * 10**9) == {
            "inventory": False
        }
    finally:
        fleet.stop()
    (span,) = kept.spans()["inventory"]
    assert span.name == "start inventory"
    assert abs(span.start_time_unix_nano / 1e9 - STARTED_UNIX_S) < 30
    assert {item.value.string_value for item in span.events[0].attributes} >= {
        "KeyError",
        "'INVENTORY_REGION'",
    }
