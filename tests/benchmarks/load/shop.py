"""Spans of a shop as its SDKs encode them: what one request of the load carries.

Semantic conventions' keys for HTTP, database, RPC and code, about ten attributes a span and eighteen a resource; one
span in twenty fails with an exception event and a stack trace of 2 KB. A failure travels from the span that raised to
the root of its trace, so that failing spans come in chains, as instrumentation records them.
"""

import random
import time
from collections.abc import Iterator, Sequence

from benchmarks.load import shop_code
from benchmarks.load.shop_code import SERVICES
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags, Tracer
from opentelemetry.util.types import AttributeValue

INSTANCES = 2
"""Per service: twelve resources in all."""
MIXED_EVERY = 4
"""One request in so many comes from a forwarding collector and mixes all resources."""
SPANS_OF_A_TRACE = (12, 40)
_FAILING_TRACES = 0.225
"""Gives one failing span in twenty: a chain is 5 to 6 spans long, a trace 26."""
_ROUTES = (
    "/orders/{order_id}",
    "/carts/{cart_id}/lines",
    "/products/{sku}",
    "/payments",
    "/search",
    "/quotes",
)
_TABLES = ("orders", "order_lines", "customers", "products", "payments", "parcels")
_CALLS = (
    ("shop.v1.Carts", "AddLine"),
    ("shop.v1.Payments", "Charge"),
    ("shop.v1.Catalog", "Describe"),
    ("shop.v1.Shipping", "Quote"),
)
_AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "python-httpx/0.28.1",
    "okhttp/4.12.0",
)
Attributes = dict[str, AttributeValue]


class _Ids(IdGenerator):
    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def generate_span_id(self) -> int:
        return self._chance.randrange(1, 1 << 64)

    def generate_trace_id(self) -> int:
        return self._chance.randrange(1, 1 << 128)


class Shop:
    """Makes the spans. The same ``seed`` makes the same ids; times lie in the last hour. ``revision``: the commit that runs."""

    def __init__(self, seed: int, revision: str | None = None) -> None:
        self._chance = random.Random(seed)
        self._kept = InMemorySpanExporter()
        # An hour back: templates shift times forward only, and durations reach beyond the clock.
        self._clock_ns = time.time_ns() - 3_600_000_000_000
        self._tracers = [
            (service, self._tracers_of(service, number, revision))
            for number in range(INSTANCES)
            for service in SERVICES
        ]

    def requests(self, count: int, span_count: int) -> Iterator[Sequence[ReadableSpan]]:
        """``count`` batches of ``span_count`` ended spans."""
        for number in range(count):
            self._kept.clear()
            turn = number
            made = 0
            while made < span_count:
                made += self._trace(*self._tracers[turn % len(self._tracers)])
                turn += number % MIXED_EVERY == MIXED_EVERY - 1
            yield self._kept.get_finished_spans()[:span_count]

    def _tracers_of(self, service: str, number: int, revision: str | None) -> dict[str, Tracer]:
        chance = self._chance
        sha = revision or f"{chance.getrandbits(160):040x}"
        resource = Resource(
            {
                "service.name": service,
                "service.namespace": "shop",
                "service.version": f"2026.11.{number}",
                "service.instance.id": f"{chance.getrandbits(128):032x}",
                "deployment.environment.name": "production",
                "vcs.repository.url.full": shop_code.REPOSITORY_URL,
                "vcs.ref.head.revision": sha,
                "telemetry.sdk.language": "python",
                "telemetry.sdk.name": "opentelemetry",
                "telemetry.sdk.version": "1.45.2",
                "process.pid": chance.randrange(1, 40_000),
                "process.runtime.name": "cpython",
                "process.runtime.version": "3.13.9",
                "host.name": f"node-{chance.randrange(12)}",
                "host.arch": "amd64",
                "os.type": "linux",
                "k8s.namespace.name": "shop",
                "k8s.pod.name": f"{service}-7d9f6c-{chance.randrange(16**5):05x}",
            }
        )
        provider = TracerProvider(resource=resource, id_generator=_Ids(chance), shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._kept))
        named = {"http": "fastapi", "db": "sqlalchemy", "rpc": "grpc"}
        scopes = {kind: f"opentelemetry.instrumentation.{library}" for kind, library in named.items()}
        return {kind: provider.get_tracer(name, "0.66b2") for kind, name in scopes.items()} | {
            "code": provider.get_tracer("shop.domain", "1.4.0")
        }

    def _trace(self, service: str, tracers: dict[str, Tracer]) -> int:
        """One trace: a tree in which each span's parent is one of the few before it; returns its size."""
        chance = self._chance
        size = chance.randint(*SPANS_OF_A_TRACE)
        parents = [max(0, chance.randrange(max(0, n - 6), n)) for n in range(1, size)]
        failing: set[int] = set()
        if chance.random() < _FAILING_TRACES:
            at = chance.randrange(1, size)
            while at:
                failing.add(at)
                at = parents[at - 1]
            failing.add(0)
        defect = chance.choice(shop_code.defects(service))
        message, stack = defect.raised(chance.randrange(1, 250))
        begun: list[tuple[Span, int]] = []
        for number in range(size):
            kind = "http" if number == 0 else chance.choice(("db", "db", "rpc", "code", "http"))
            self._clock_ns += chance.randrange(1_000, 50_000)
            started, context = self._clock_ns, None
            if number:
                context = trace.set_span_in_context(begun[parents[number - 1]][0])
            name, span_kind, attributes = self._described(kind, service, number in failing)
            span = tracers[kind].start_span(
                name, context, span_kind, attributes, self._links(), start_time=started
            )
            if chance.random() < 0.1:
                key: Attributes = {"cache.key": f"product-{chance.randrange(10**6)}"}
                span.add_event("cache.miss", key, timestamp=started + chance.randrange(900))
            begun.append((span, started))
        for number in reversed(range(size)):
            span, started = begun[number]
            ended = started + int(chance.lognormvariate(15.5, 1.2))
            if number in failing:
                told: Attributes = {
                    "exception.type": defect.error,
                    "exception.message": message,
                    "exception.stacktrace": stack,
                    "exception.escaped": "False",
                }
                span.add_event("exception", told, timestamp=ended - chance.randrange(1, 900))
                span.set_status(Status(StatusCode.ERROR, f"{defect.error}: {message}"))
            span.end(ended)
        return size

    def _links(self) -> list[Link]:
        chance = self._chance
        if chance.random() >= 0.02:
            return []
        other = SpanContext(chance.getrandbits(128), chance.getrandbits(64), True, TraceFlags(1))
        return [Link(other, {"messaging.operation.type": "receive"})]

    def _described(self, kind: str, service: str, is_failing: bool) -> tuple[str, SpanKind, Attributes]:
        chance = self._chance
        described: Attributes
        match kind:
            case "http":
                route = chance.choice(_ROUTES)
                method = chance.choice(("GET", "GET", "POST", "PUT"))
                described = {
                    "http.request.method": method,
                    "http.route": route,
                    "http.response.status_code": 500 if is_failing else chance.choice((200, 200, 201, 404)),
                    "url.path": route.replace("{", "").replace("}", f"/{chance.randrange(10**6)}"),
                    "url.scheme": "https",
                    "server.address": f"{service}.shop.svc",
                    "server.port": 8443,
                    "client.address": f"10.{chance.randrange(256)}.{chance.randrange(256)}.7",
                    "user_agent.original": chance.choice(_AGENTS),
                    "network.protocol.version": "1.1",
                }
                return f"{method} {route}", SpanKind.SERVER, described
            case "db":
                table = chance.choice(_TABLES)
                described = {
                    "db.system.name": "postgresql",
                    "db.namespace": "shop",
                    "db.operation.name": "SELECT",
                    "db.collection.name": table,
                    "db.query.text": f"SELECT id, state, total, changed_at FROM {table} WHERE tenant = $1 AND id = $2"
                    f" ORDER BY changed_at DESC LIMIT {chance.randrange(1, 90)}",
                    "db.query.summary": f"SELECT {table}",
                    "db.response.returned_rows": chance.randrange(90),
                    "server.address": "postgres-0.shop.svc",
                    "server.port": 5432,
                    "thread.id": chance.randrange(1 << 47),
                }
                return f"SELECT {table}", SpanKind.CLIENT, described
            case "rpc":
                called, method = chance.choice(_CALLS)
                described = {
                    "rpc.system": "grpc",
                    "rpc.service": called,
                    "rpc.method": method,
                    "rpc.grpc.status_code": 13 if is_failing else 0,
                    "server.address": f"{called.rpartition('.')[2].lower()}.shop.svc",
                    "server.port": 50051,
                    "network.peer.address": f"10.1.{chance.randrange(256)}.{chance.randrange(256)}",
                    "network.peer.port": chance.randrange(1024, 65_536),
                    "rpc.message.sent.size": chance.randrange(4000),
                }
                return f"{called}/{method}", SpanKind.CLIENT, described
            case _:
                at = shop_code.frame(chance, service)
                described = {
                    "code.function.name": at.function,
                    "code.file.path": f"/app/{at.path}",
                    "code.line.number": at.line,
                    "shop.customer": chance.randrange(10**7),
                    "shop.total": chance.random() * 400,
                    "shop.skus": [f"sku-{chance.randrange(9999)}" for _ in range(3)],
                    "shop.new_checkout": chance.random() < 0.5,
                    "shop.tenant": f"tenant-{chance.randrange(40)}",
                    "thread.name": f"worker-{chance.randrange(8)}",
                }
                return f"{at.function} order", SpanKind.INTERNAL, described
