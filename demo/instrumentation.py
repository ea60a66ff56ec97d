"""What OpenTelemetry's instrumentation packages do for WSGI, urllib and sqlite3, as far as Acme's services need it.

Spans and attributes follow the semantic conventions for HTTP and databases; context travels in W3C headers. Acme's
code knows nothing of this module: its calls are wrapped from outside, as ``opentelemetry-instrument`` does it.
"""

import re
import sqlite3
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, format_trace_id
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from demo.shifting import REPLAY_AT, REPLAY_OFFSET, Offsets

Environ = dict[str, Any]
TRACE_ID = "X-Trace-Id"
"""Header of an answer: the trace that the request made, for whoever has to report a failure."""

Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

PROPAGATOR = TraceContextTextMapPropagator()
TABLE = re.compile(r"\b(?:FROM|INTO|UPDATE|TABLE)\s+(?:IF NOT EXISTS\s+)?(\w+)", re.IGNORECASE)


def fail(span: Span, error: BaseException) -> None:
    """Mark ``span`` as failed by ``error``, with the exception as a span event."""
    span.record_exception(error)
    span.set_attribute("error.type", qualified_name(error))
    span.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {error}"))


def qualified_name(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def wsgi(application: Application, tracer: Tracer, offsets: Offsets) -> Application:
    """``application`` with one SERVER span per request; what it raises is recorded and answered with 500."""

    def answer(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        headers = {"traceparent": environ.get("HTTP_TRACEPARENT", "")}
        method = environ["REQUEST_METHOD"]
        with tracer.start_as_current_span(
            method,
            context=PROPAGATOR.extract(headers),
            kind=SpanKind.SERVER,
            attributes={
                "http.request.method": method,
                "url.path": environ["PATH_INFO"],
                "url.scheme": "http",
                "server.address": "127.0.0.1",
                "server.port": int(environ["SERVER_PORT"]),
                "user_agent.original": environ.get("HTTP_USER_AGENT", ""),
            },
        ) as span:
            offsets.announce(
                span.get_span_context().trace_id,
                replay_at=environ.get("HTTP_" + REPLAY_AT.upper().replace("-", "_")),
                replay_offset=environ.get("HTTP_" + REPLAY_OFFSET.upper().replace("-", "_")),
            )

            def noting(status: str, headers: list[tuple[str, str]]) -> Any:
                code = int(status.split(maxsplit=1)[0])
                headers.append((TRACE_ID, format_trace_id(span.get_span_context().trace_id)))
                span.set_attribute("http.response.status_code", code)
                # Of a server only 5xx are its own errors; 4xx leave the status unset.
                if code >= 500:
                    span.set_attribute("error.type", str(code))
                    span.set_status(StatusCode.ERROR)
                return start_response(status, headers)

            try:
                body = application(environ, noting)
            except Exception as error:
                span.set_attribute("http.response.status_code", 500)
                fail(span, error)
                body = [b'{"error": "internal"}']
                trace_id = format_trace_id(span.get_span_context().trace_id)
                start_response("500 -", [("Content-Type", "application/json"), (TRACE_ID, trace_id)])
            if "acme.route" in environ:
                span.set_attribute("http.route", environ["acme.route"])
                span.update_name(f"{method} {environ['acme.route']}")
            return body

    return answer


def wrap_urllib(tracer: Tracer, offsets: Offsets) -> None:
    """Give every ``urllib`` request a CLIENT span and the context of the caller."""
    original = urllib.request.OpenerDirector.open

    def open_(self: Any, fullurl: Any, data: Any = None, timeout: Any = None) -> Any:
        request = fullurl if isinstance(fullurl, urllib.request.Request) else urllib.request.Request(fullurl)
        parts = urllib.parse.urlsplit(request.full_url)
        method = request.get_method()
        with tracer.start_as_current_span(
            method,
            kind=SpanKind.CLIENT,
            attributes={
                "http.request.method": method,
                "url.full": request.full_url,
                "server.address": parts.hostname or "",
                "server.port": parts.port or 80,
            },
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            carrier: dict[str, str] = {}
            PROPAGATOR.inject(carrier)
            carrier[REPLAY_OFFSET] = str(offsets.of(span.get_span_context().trace_id))
            for name, value in carrier.items():
                request.add_header(name, value)
            try:
                response = original(self, request, data, timeout)
            except urllib.error.HTTPError as error:
                span.set_attribute("http.response.status_code", error.code)
                span.set_attribute("error.type", str(error.code))
                span.set_status(StatusCode.ERROR)
                raise
            except Exception as error:
                fail(span, error)
                raise
            span.set_attribute("http.response.status_code", response.status)
            return response

    urllib.request.OpenerDirector.open = open_  # type: ignore[method-assign]


def wrap_sqlite(tracer: Tracer) -> None:
    """Give every statement of every new sqlite3 connection a CLIENT span."""

    class Connection(sqlite3.Connection):
        def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
            operation = sql.split(None, 1)[0].upper()
            found = TABLE.search(sql)
            collection = found[1].lower() if found else ""
            with tracer.start_as_current_span(
                f"{operation} {collection}".strip(),
                kind=SpanKind.CLIENT,
                attributes={
                    "db.system.name": "sqlite",
                    "db.operation.name": operation,
                    "db.collection.name": collection,
                    "db.query.text": sql,
                },
                record_exception=False,
                set_status_on_exception=False,
            ) as span:
                try:
                    return super().execute(sql, *arguments)
                except sqlite3.Error as error:
                    span.set_attribute("db.response.status_code", getattr(error, "sqlite_errorname", ""))
                    fail(span, error)
                    raise

    original = sqlite3.connect

    def connect(*arguments: Any, **named: Any) -> sqlite3.Connection:
        made: sqlite3.Connection = original(*arguments, **{"factory": Connection, **named})
        return made

    sqlite3.connect = connect  # type: ignore[assignment]


def instrument(offsets: Offsets) -> Tracer:
    """Wrap urllib and sqlite3 for this process; the tracer that all of it uses."""
    tracer = trace.get_tracer("acme.instrumentation", "1.0")
    wrap_urllib(tracer, offsets)
    wrap_sqlite(tracer)
    return tracer
