"""What real exporters send is what the store holds: Python over gRPC and HTTP, JavaScript over all three."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import otlp_builders as build
import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Link, SpanKind

NODE_FILES = Path(__file__).parent.parent / "node" / "otlp"


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[build.Collector]:
    with build.running_collector(tmp_path_factory.mktemp("data")) as running:
        yield running


def exported(exporter: SpanExporter, service: str, count: int) -> None:
    """``count`` pairs of spans; the inner one raises."""
    provider = TracerProvider(
        resource=Resource({"service.name": service, "vcs.ref.head.revision": "a" * 40}),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(BatchSpanProcessor(exporter, max_export_batch_size=64))
    tracer = provider.get_tracer("shop.cart", "1.2.3")
    for number in range(count):
        attributes = {"http.route": "/cart/{id}", "app.number": number, "app.list": ["a", "b"]}
        with tracer.start_as_current_span("GET /cart", kind=SpanKind.SERVER, attributes=attributes) as outer:
            link = Link(outer.get_span_context(), {"k": "v"})
            try:
                with tracer.start_as_current_span("price", links=[link]) as inner:
                    inner.add_event("cache.miss", {"cache.key": "k"})
                    raise ValueError(f"number {number} is odd")
            except ValueError:
                pass
    assert provider.force_flush()
    provider.shutdown()


@pytest.mark.parametrize("transport", ["grpc", "grpc-gzip", "http", "http-gzip"])
def test_the_python_exporters_spans_are_stored_whole(collector: build.Collector, transport: str) -> None:
    target, url = f"127.0.0.1:{collector.grpc_port}", f"{collector.url}/v1/traces"
    exporter: Any = {
        "grpc": lambda: GrpcExporter(target, insecure=True),
        "grpc-gzip": lambda: GrpcExporter(target, insecure=True, compression=grpc.Compression.Gzip),
        "http": lambda: HttpExporter(url),
        "http-gzip": lambda: HttpExporter(url, compression=Compression.Gzip),
    }[transport]()
    exported(exporter, transport, 100)
    collector.drain()
    rows = collector.store.rows(
        """
        SELECT inner_.*, outer_.http_route AS route, outer_.kind AS outer_kind,
               facts.attribute(outer_.attribute_keys, outer_.attribute_values, 'app.list') AS outer_list,
               (SELECT list(e.name) FROM facts.span_events e WHERE e.span_id = inner_.span_id) AS events,
               (SELECT count(*) FROM facts.span_links l WHERE l.span_id = inner_.span_id) AS link_count
        FROM facts.spans inner_ JOIN facts.spans outer_
          ON inner_.trace_id = outer_.trace_id AND inner_.parent_span_id = outer_.span_id
        WHERE inner_.service = $service ORDER BY inner_.start_time
        """,
        service=transport,
    )
    assert [r["exception_message"] for r in rows] == [f"number {n} is odd" for n in range(100)]
    assert {r["revision"] for r in rows} == {"a" * 40}
    assert {r["status_code"] for r in rows} == {2}
    assert {tuple(r["events"]) for r in rows} == {("cache.miss", "exception")}
    assert {(r["route"], r["outer_kind"]) for r in rows} == {("/cart/{id}", 2)}
    assert {r["outer_list"] for r in rows} == {'["a","b"]'}
    assert {r["link_count"] for r in rows} == {1}
    found = collector.store.rows(
        "SELECT * FROM facts.exceptions JOIN facts.stacks USING (stack_id) WHERE service = $service",
        service=transport,
    )
    assert len({r["exception_id"] for r in found}) == 100
    assert all("in exported" in r["stacktrace"] for r in found)


@pytest.fixture(scope="module")
def node_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The JavaScript exporters, installed from the lock file into a temporary folder."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node.js and npm are not installed: apt-get install -y nodejs npm")
    folder = tmp_path_factory.mktemp("node") / "otlp"
    shutil.copytree(NODE_FILES, folder, ignore=shutil.ignore_patterns("node_modules"))
    installed = subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    if installed.returncode:
        pytest.skip(f"npm ci could not install the exporters: {installed.stderr.strip()[-300:]}")
    return folder


@pytest.mark.node
@pytest.mark.slow
@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("flavour", ["proto", "http", "grpc"])
def test_the_javascript_exporters_spans_are_stored_whole(
    collector: build.Collector, node_folder: Path, flavour: str, compression: str
) -> None:
    collector.drain()
    collector.store.execute("DELETE FROM facts.spans")
    collector.store.execute("DELETE FROM facts.exceptions")
    url = f"http://127.0.0.1:{collector.grpc_port}" if flavour == "grpc" else f"{collector.url}/v1/traces"
    ran = subprocess.run(
        ["node", "export.mjs", flavour, url, compression, "200"],
        cwd=node_folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    collector.drain()
    rows = collector.store.rows("SELECT * FROM facts.spans")
    outer = [r for r in rows if r["name"] == "GET /cart"]
    inner = [r for r in rows if r["name"] == "price"]
    assert (len(outer), len(inner)) == (100, 100)
    assert {(r["service"], r["http_route"], r["http_response_status_code"]) for r in outer} == {
        (f"shop-{flavour}", "/cart/{id}", 503)
    }
    first = next(r for r in outer if build.attributes(r)["app.number"] == "0")
    kinds = dict(zip(first["attribute_keys"], first["attribute_kinds"], strict=True))
    assert kinds == {"app.number": "3", "app.ratio": "4", "app.flag": "2", "app.list": "5", "app.cut": "1"}
    assert build.attributes(first)["app.list"] == '["a","b"]'
    assert {(r["exception_type"], r["status_message"]) for r in inner} == {("TypeError", "odd")}
    stacks = collector.store.rows(
        "SELECT stacktrace FROM facts.exceptions JOIN facts.stacks USING (stack_id)"
    )
    assert len(stacks) == 100
    assert all("export.mjs" in r["stacktrace"] for r in stacks)
