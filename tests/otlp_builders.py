"""Valid OTLP requests with defaults, and a whole collector on real sockets: a test states only what matters to it."""

import asyncio
import contextlib
import dataclasses
import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from collector import connections, otlp_grpc, otlp_http, tls
from collector.counters import Counters
from collector.inflight import Budget
from collector.loader import Loader
from collector.otlp import Decoded, Request, Signal
from collector.receiver import Receiver
from collector.spool import Spool
from schemas import tables
from schemas.settings import Settings
from schemas.store import Store, aware_rows

START_NS = 1_700_000_000_123_456_789
# Whole microseconds, so that Python can hold it.
EVENT_NS = 1_700_000_000_123_457_000
_numbers = itertools.count(1)

EXCEPTION = {
    "exception.type": "shop.errors.OutOfStock",
    "exception.message": "product 7 is out of stock",
    "exception.stacktrace": 'Traceback (most recent call last):\n  File "cart.py", line 3, in add\nOutOfStock',
}


def value(content: Any) -> AnyValue:
    """A Python value as AnyValue; None is a value that was sent without content."""
    match content:
        case None:
            return AnyValue()
        case bool():
            return AnyValue(bool_value=content)
        case int():
            return AnyValue(int_value=content)
        case float():
            return AnyValue(double_value=content)
        case bytes():
            return AnyValue(bytes_value=content)
        case list():
            built = AnyValue()
            built.array_value.SetInParent()
            built.array_value.values.extend(value(item) for item in content)
            return built
        case dict():
            built = AnyValue()
            built.kvlist_value.SetInParent()
            built.kvlist_value.values.extend(pairs(content))
            return built
        case _:
            return AnyValue(string_value=content)


def pairs(attributes: dict[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=value(content)) for key, content in attributes.items()]


def span(**fields: Any) -> Span:
    """A span with ids of its own; ``attributes`` is a dict, ``events`` a list of (name, dict)."""
    number = next(_numbers)
    events = fields.pop("events", [])
    attributes = fields.pop("attributes", {})
    built = Span(
        **{
            "trace_id": number.to_bytes(16, "big"),
            "span_id": number.to_bytes(8, "big"),
            "name": "GET /cart",
            "kind": 2,
            "start_time_unix_nano": START_NS,
            "end_time_unix_nano": START_NS + 1_500_000,
            **fields,
        }
    )
    built.attributes.extend(pairs(attributes))
    for name, found in events:
        built.events.add(name=name, time_unix_nano=EVENT_NS, attributes=pairs(found))
    return built


def traces(
    *spans: Span, resource: dict[str, Any] | None = None, scope: str = "shop.cart"
) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    holder = request.resource_spans.add()
    holder.resource.attributes.extend(pairs({"service.name": "cart"} if resource is None else resource))
    scoped = holder.scope_spans.add()
    scoped.scope.name = scope
    scoped.spans.extend(spans)
    return request


def log_record(**fields: Any) -> LogRecord:
    attributes = fields.pop("attributes", {})
    built = LogRecord(**{"time_unix_nano": START_NS, "severity_number": 17, **fields})
    built.attributes.extend(pairs(attributes))
    return built


def logs(*records: LogRecord, resource: dict[str, Any] | None = None) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    holder = request.resource_logs.add()
    holder.resource.attributes.extend(pairs({"service.name": "cart"} if resource is None else resource))
    holder.scope_logs.add().log_records.extend(records)
    return request


def request(message: Any, signal: Signal = Signal.TRACES, received_unix_us: int = 1) -> Request:
    return Request(signal, message.SerializeToString(), received_unix_us)


def rows(found: Decoded, table: tables.Table) -> list[dict[str, Any]]:
    """Decoded rows as mappings; times without a zone, cut to microseconds."""
    return aware_rows(found.rows[table.name])


def attributes(row: dict[str, Any]) -> dict[str, str | None]:
    """The attributes of a row of spans, events, links, resources or scopes."""
    return dict(zip(row["attribute_keys"], row["attribute_values"], strict=True))


def assert_same(found: Decoded, expected: Decoded) -> None:
    """Two decoders gave the same rows, and counted the same."""
    assert (found.rejected, found.altered) == (expected.rejected, expected.altered)
    assert found.unreadable == expected.unreadable
    for name, table in expected.rows.items():
        assert found.rows[name].schema == table.schema
        for column in table.column_names:
            ours, theirs = found.rows[name][column], table[column]
            assert ours.equals(theirs), f"{name}.{column}: {ours} is not {theirs}"


@dataclass(slots=True)
class Collector:
    """A running collector and what tests ask of it."""

    store: Store
    spool: Spool
    loader: Loader
    counters: Counters
    receiver: Receiver
    grpc_port: int = 0
    http_port: int = 0
    drain: Callable[[], None] = lambda: None
    budget: Budget = dataclasses.field(default_factory=lambda: Budget(1))
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.http_port}"

    def spans(self) -> list[dict[str, Any]]:
        """All stored spans, after everything accepted so far was loaded."""
        self.drain()
        return self.store.rows("SELECT * FROM facts.spans ORDER BY trace_id, span_id")

    def exceptions(self) -> list[dict[str, Any]]:
        self.drain()
        return self.store.rows("SELECT * FROM facts.exceptions ORDER BY exception_id")

    def count(self, table: str) -> int:
        self.drain()
        return int(self.store.value(f"SELECT count(*) FROM facts.{table}"))


class _Server(uvicorn.Server):
    def capture_signals(self) -> contextlib.AbstractContextManager[None]:  # type: ignore[override]
        return contextlib.nullcontext()


@contextlib.contextmanager
def running_collector(
    folder: Path, *, authorize: Callable[[str | None], bool] = lambda _: True, **settings: Any
) -> Iterator[Collector]:
    """A collector on free loopback ports with an in-memory store; its event loop runs in a thread."""
    configured = Settings(data=folder, segment_age_s=0.1, **settings)
    counters = Counters()
    spool = Spool(
        configured.spool_path,
        segment_age_s=configured.segment_age_s,
        backlog_bytes_max=configured.backlog_bytes_max,
        counters=counters,
    )
    store = Store.open()
    loader = Loader(store, spool, configured, counters)
    running = Collector(store, spool, loader, counters, Receiver(configured, spool, counters))
    running.budget = Budget(configured.inflight_bytes_max)
    secured = tls.read(configured)
    running.scheme = "https" if secured else "http"
    loader.start()
    is_up, stop = threading.Event(), None
    failures: list[BaseException] = []

    async def serve() -> None:
        nonlocal stop
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        stop = lambda: loop.call_soon_threadsafe(stopping.set)  # noqa: E731
        bounds = {
            "request_timeout_s": configured.request_timeout_s,
            "connections_max": configured.connections_max,
        }
        grpc_server, running.grpc_port = await otlp_grpc.serve(
            running.receiver,
            host="127.0.0.1",
            port=0,
            authorize=authorize,
            budget=running.budget,
            credentials=secured.otlp_grpc if secured else None,
            **bounds,  # type: ignore[arg-type]
        )
        application = otlp_http.app(
            running.receiver,
            authorize=authorize,
            budget=running.budget,
            request_timeout_s=configured.request_timeout_s,
            cors_origins=configured.cors_origins,
        )
        server = _Server(
            connections.Config(
                application,
                tls=secured.otlp if secured else None,
                port=0,
                log_level="warning",
                **bounds,  # type: ignore[arg-type]
            )
        )
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        running.http_port = server.servers[0].sockets[0].getsockname()[1]
        is_up.set()
        await stopping.wait()
        server.should_exit = True
        await serving
        await grpc_server.stop(1)

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            failures.append(error)
            is_up.set()

    def drain() -> None:
        spool.seal()
        deadline = threading.Event()
        for _ in range(500):
            if loader.lag() == 0:
                return
            deadline.wait(0.02)
        raise TimeoutError("the loader did not catch up")

    running.drain = drain
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert is_up.wait(20)
    if failures:
        raise failures[0]
    try:
        yield running
    finally:
        assert stop is not None
        stop()
        thread.join(20)
        loader.stop(20)
        asyncio.run(spool.close())
        store.close()
