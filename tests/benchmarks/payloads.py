"""OTLP requests as an SDK sends them: spans of a shop's requests, encoded by the exporter's own encoder."""

import random
from collections.abc import Sequence
from functools import cache

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.util.types import AttributeValue

BATCH = 512
"""Spans per request: the default of an SDK's batch processor."""
_FAILING_SHARE = 0.02
_ROUTES = ("/cart", "/orders", "/orders/{id}", "/products", "/products/{id}", "/login")


@cache
def bodies(span_count: int, batch: int = BATCH, seed: int = 1) -> tuple[bytes, ...]:
    """Encoded trace requests of ``batch`` spans each, ``span_count`` spans in all, every span with ids of its own.

    A trace is a SERVER span with a database call and a call of another service; one in fifty fails with an exception.
    """
    spans = _spans(span_count, random.Random(seed))
    return tuple(
        encode_spans(spans[at : at + batch]).SerializeToString() for at in range(0, len(spans), batch)
    )


def _spans(count: int, chance: random.Random) -> Sequence[ReadableSpan]:
    exporter = InMemorySpanExporter()
    resource = Resource.create(
        {
            "service.name": "checkout",
            "service.version": "2.14.0",
            "deployment.environment.name": "production",
            "vcs.ref.head.revision": "4f2c6d1a9be07d3351f8a0c2b6e4d7f8091a2b3c",
            "vcs.repository.url.full": "https://git.example.org/acme/shop",
            "host.name": "checkout-7c9d8b6f5-x2x4q",
            "k8s.pod.name": "checkout-7c9d8b6f5-x2x4q",
            "k8s.namespace.name": "shop",
        }
    )
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("shop.http", "1.4.0")
    for number in range(-(-count // 3)):
        route = chance.choice(_ROUTES)
        is_failing = chance.random() < _FAILING_SHARE
        server: dict[str, AttributeValue] = {
            "http.request.method": "POST" if route == "/orders" else "GET",
            "http.route": route,
            "http.response.status_code": 500 if is_failing else 200,
            "url.path": route.replace("{id}", str(number)),
            "url.scheme": "https",
            "server.address": "shop.example.org",
            "server.port": 443,
            "client.address": f"10.0.{chance.randrange(256)}.{chance.randrange(256)}",
            "user_agent.original": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "network.protocol.version": "1.1",
            "shop.tenant": f"tenant-{chance.randrange(200)}",
        }
        with tracer.start_as_current_span(f"GET {route}", kind=SpanKind.SERVER, attributes=server) as span:
            query: dict[str, AttributeValue] = {
                "db.system.name": "postgresql",
                "db.namespace": "shop",
                "db.collection.name": "orders",
                "db.operation.name": "SELECT",
                "db.query.text": "SELECT id, total, state FROM orders WHERE customer_id = $1 AND state <> $2 LIMIT 50",
                "server.address": "orders-db",
                "server.port": 5432,
            }
            with tracer.start_as_current_span("SELECT orders", kind=SpanKind.CLIENT, attributes=query):
                pass
            call: dict[str, AttributeValue] = {
                "http.request.method": "GET",
                "url.full": f"http://stock/products/{number}",
                "http.response.status_code": 200,
                "server.address": "stock",
                "server.port": 8080,
            }
            with tracer.start_as_current_span("GET", kind=SpanKind.CLIENT, attributes=call):
                pass
            if is_failing:
                try:
                    _sell(number)
                except KeyError as error:
                    span.record_exception(error)
                    span.set_status(Status(StatusCode.ERROR, "the order has no coupon"))
    return exporter.get_finished_spans()[:count]


def _sell(number: int) -> int:
    order = {"id": number, "items": [1, 2, 3]}
    return order["coupon"]  # type: ignore[return-value]
