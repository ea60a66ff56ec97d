"""Rows of fact tables, valid by default: a test states only what matters to it.

Ids may be small integers; times are timezone-aware. ``store.append_rows(tables.SPANS, [span(...), ...])`` takes them.
"""

import hashlib
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from collector import walk
from schemas import tables
from schemas.store import Store
from schemas.vocabulary import SpanKind, StatusCode

Row = dict[str, Any]

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
"""When everything starts unless a test says otherwise."""

MILLISECOND_NS = 1_000_000
UNTIL = START + timedelta(days=365)


def trace_id(number: int) -> str:
    """A trace id as the store takes it."""
    return str(uuid.UUID(int=number))


def hex_trace_id(number: int) -> str:
    return uuid.UUID(int=number).hex


def hex_span_id(number: int) -> str:
    return f"{number:016x}"


def at(ms: float) -> datetime:
    """``ms`` milliseconds after :data:`START`."""
    return START + timedelta(milliseconds=ms)


def resource_id(service: str) -> int:
    return int.from_bytes(hashlib.sha256(service.encode()).digest()[:8], "big")


def resource(service: str = "checkout", **overrides: Any) -> Row:
    """One row of ``resources``; its id follows from the service."""
    return {
        "resource_id": resource_id(service),
        "service": service,
        "repository_url": "https://git.example.org/acme/shop",
        "sdk_language": "python",
        **overrides,
    }


def span(
    id_: int = 1,
    *,
    trace: int = 1,
    parent: int | None = None,
    service: str = "checkout",
    kind: int = SpanKind.INTERNAL,
    start_ms: float = 0,
    ms: float = 10,
    is_error: bool = False,
    **overrides: Any,
) -> Row:
    """One row of ``spans``: by default an INTERNAL root span of 10 ms without a status."""
    return {
        "trace_id": trace_id(trace),
        "span_id": id_,
        "parent_span_id": parent,
        "start_time": at(start_ms),
        "duration_ns": int(ms * MILLISECOND_NS),
        "received_at": at(start_ms + ms + 1000),
        "resource_id": resource_id(service),
        "scope_id": 1,
        "service": service,
        "environment": "production",
        "name": f"span {id_}",
        "kind": kind,
        "status_code": StatusCode.ERROR if is_error else StatusCode.UNSET,
        **overrides,
    }


def server(id_: int = 1, **overrides: Any) -> Row:
    """A SERVER span of ``GET /orders``; an error answers 500."""
    status = 500 if overrides.get("is_error") else 200
    return span(
        id_,
        **{
            "kind": SpanKind.SERVER,
            "name": "GET /orders",
            "http_request_method": "GET",
            "http_route": "/orders",
            "http_response_status_code": status,
            **overrides,
        },
    )


def client(id_: int = 2, **overrides: Any) -> Row:
    """A CLIENT span of an HTTP call; an error saw 500."""
    status = 500 if overrides.get("is_error") else 200
    return span(
        id_,
        **{
            "kind": SpanKind.CLIENT,
            "name": "GET",
            "http_request_method": "GET",
            "http_response_status_code": status,
            "server_address": "other",
            **overrides,
        },
    )


def exception(
    id_: int = 1,
    *,
    trace: int = 1,
    at_ms: float = 9,
    service: str = "checkout",
    type_: str | None = "ValueError",
    message: str | None = "no price",
    stacktrace: str | None = None,
    **overrides: Any,
) -> Row:
    """One row of ``exceptions``, recorded as an event of span ``id_``, and the stack of its row of :func:`stacks`."""
    text = "\x00".join(str(part) for part in (trace, id_, type_, message, stacktrace))
    return {
        "exception_id": int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"),
        "trace_id": trace_id(trace),
        "span_id": id_,
        "time": at(at_ms),
        "received_at": at(at_ms + 1000),
        "resource_id": resource_id(service),
        "service": service,
        "environment": "production",
        "source": "span_event",
        "type": type_,
        "message": message,
        "stacktrace": stacktrace,
        "stack_id": None if stacktrace is None else walk.texts_id([stacktrace]),
        **overrides,
    }


def stacks(exceptions: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Rows of ``stacks`` for rows of :func:`exception`."""
    said = {row["stacktrace"]: None for row in exceptions if row["stacktrace"] is not None}
    return [walk.stack_row(stacktrace) for stacktrace in said]


def insert(
    store: Store,
    spans: Iterable[Mapping[str, Any]],
    exceptions: Iterable[Mapping[str, Any]] = (),
    resources: Iterable[Mapping[str, Any]] = (),
) -> None:
    """Put telemetry rows into ``store``, with a resource for each service that has none yet."""
    listed = list(spans)
    recorded = list(exceptions)
    stated = list(resources)
    named = {row["service"] for row in stated}
    stated += [
        resource(service) for service in sorted({row["service"] for row in (*listed, *recorded)} - named)
    ]
    store.append_rows(tables.RESOURCES, stated)
    store.append_rows(tables.SPANS, listed)
    store.append_rows(tables.EXCEPTIONS, recorded)
    store.append_rows(tables.STACKS, stacks(recorded))
