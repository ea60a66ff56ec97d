"""OTLP/HTTP: ``POST /v1/traces`` and ``/v1/logs`` in protobuf and JSON, and the health of this door.

Thin: reads a bounded body, asks the receiver, tells its answer. Every error body is a ``google.rpc.Status`` in the
encoding of the request. Browsers are answered when their origin is on the list. Sources: OTLP specification,
"OTLP/HTTP"; Fetch standard, "CORS protocol".
"""

import asyncio
import io
from collections.abc import Callable, Sequence

from google.rpc import code_pb2, status_pb2
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from collector import encodings, inflight, statuses
from collector.inflight import Budget, Lease, TooSlow
from collector.otlp import Signal
from collector.receiver import Receiver, media_type_of
from collector.statuses import JSON, PROTOBUF
from schemas.errors import AftermergeError

Authorize = Callable[[str | None], bool]
"""Given the raw ``Authorization`` value, or None: may this sender send telemetry?"""

_SIGNALS = {"/v1/traces": Signal.TRACES, "/v1/logs": Signal.LOGS}
_BYTES_PER_S = 1024 * 1024
"""A body that arrives at this rate is not slow: 408 is final for exporters, and the slow one may be this server."""
_PREFLIGHT_S = 7200
"""How long a browser may remember a preflight; Chromium remembers no longer."""
_CODES = {401: code_pb2.UNAUTHENTICATED, 404: code_pb2.UNIMPLEMENTED, 405: code_pb2.UNIMPLEMENTED}


def app(
    receiver: Receiver,
    *,
    authorize: Authorize,
    budget: Budget | None = None,
    request_timeout_s: float = 30.0,
    cors_origins: Sequence[str] = (),
) -> ASGIApp:
    """The ASGI application for port 4318.

    ``/healthz`` answers 200 while the process serves; ``/readyz`` 503 while the receiver would refuse or replays.

    Args:
        receiver: what accepts.
        authorize: asked before a body is read.
        budget: shared with the other door; None: one of its own.
        request_timeout_s: for the body to arrive.
        cors_origins: of pages whose scripts may send, exactly as browsers state them, or ``*``.
    """
    held = Budget(8 * receiver.body_bytes_max) if budget is None else budget

    async def export(request: Request) -> Response:
        signal = _SIGNALS[request.url.path]
        try:
            _admit(request, signal, receiver, authorize)
            with held.lease() as lease:
                return await _export(request, signal, receiver, lease, request_timeout_s)
        except AftermergeError as error:
            return _refusal(request, error)
        except ClientDisconnect:
            # Nobody is left to read this; what was not read wholly was not accepted.
            receiver.count_refusal(signal, "disconnected")
            return Response(status_code=400)

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        if receiver.is_ready:
            return PlainTextResponse("ready\n")
        return PlainTextResponse("not ready\n", status_code=503, headers={"Retry-After": "2"})

    served = Starlette(
        routes=[
            *(Route(path, export, methods=["POST"]) for path in _SIGNALS),
            Route("/healthz", healthz, methods=["GET"]),
            Route("/readyz", readyz, methods=["GET"]),
        ],
        exception_handlers={HTTPException: _http_error, Exception: _fault},
    )
    if not cors_origins:
        return served
    # Around everything, so that a page's script reads errors too. Beacons, which browsers send when a page goes away,
    # always carry credentials: without the leave for them they are lost. No cookie means anything on this port.
    return CORSMiddleware(
        served,
        allow_origins=cors_origins,
        allow_methods=["POST"],
        allow_headers=["Content-Type", "Content-Encoding", "Authorization"],
        allow_credentials=True,
        expose_headers=["Retry-After"],
        max_age=_PREFLIGHT_S,
    )


def _admit(request: Request, signal: Signal, receiver: Receiver, authorize: Authorize) -> None:
    """Refuse by the headers alone what can be; no byte of the body is read."""
    headers = request.headers
    if not authorize(headers.get("authorization")):
        receiver.count_refusal(signal, "unauthenticated")
        raise HTTPException(
            401, "a valid bearer token with the ingest scope is required", {"WWW-Authenticate": "Bearer"}
        )
    try:
        media_type_of(headers.get("content-type", ""))
        encodings.refuse_unknown(headers.get("content-encoding"))
        stated = headers.get("content-length", "")
        size_bytes = int(stated) if stated.isdigit() else 0
        if size_bytes > receiver.body_bytes_max:
            raise encodings.too_large(receiver.body_bytes_max)
        receiver.make_room(size_bytes)
    except AftermergeError as error:
        receiver.count_refusal(signal, statuses.answer_to(error).reason)
        raise


async def _export(
    request: Request, signal: Signal, receiver: Receiver, lease: Lease, timeout_s: float
) -> Response:
    content_type = request.headers.get("content-type", "")
    try:
        body = await _bounded_body(request, receiver.body_bytes_max, lease, timeout_s)
        body = await lease.inflate(body, request.headers.get("content-encoding"), receiver.body_bytes_max)
    except AftermergeError as error:
        receiver.count_refusal(signal, statuses.answer_to(error).reason)
        raise
    answer = await receiver.accept(signal, body, content_type)
    return Response(answer, media_type=media_type_of(content_type))


async def _bounded_body(request: Request, bytes_max: int, lease: Lease, timeout_s: float) -> bytes:
    # Closed on the way out, so that what refuses it does not keep it.
    with io.BytesIO() as gathered:
        try:
            async with asyncio.timeout(timeout_s) as deadline:
                ends_s = deadline.when() or 0.0
                async for part in request.stream():
                    if lease.held_bytes + len(part) > bytes_max:
                        raise encodings.too_large(bytes_max)
                    lease.grow(len(part))
                    gathered.write(part)
                    deadline.reschedule(ends_s + lease.held_bytes / _BYTES_PER_S)
        except TimeoutError as error:
            raise inflight.too_slow(timeout_s) from error
        return gathered.getvalue()


def _refusal(request: Request, error: AftermergeError) -> Response:
    answer = statuses.answer_to(error)
    headers = {} if answer.retry_after_s is None else {"Retry-After": str(answer.retry_after_s)}
    if isinstance(error, TooSlow):
        # What is left of the body would keep the connection waiting.
        headers["Connection"] = "close"
    return _status_response(request, answer.http_status, statuses.status_of(error), headers)


async def _http_error(request: Request, error: Exception) -> Response:
    """Routing's own errors and ours of the same kind: 401, 404, 405."""
    assert isinstance(error, HTTPException)
    message = error.detail
    if error.status_code == 404:
        message = (
            f"{request.url.path} is not served here; traces go to /v1/traces, exception logs to /v1/logs"
        )
    status = status_pb2.Status(code=_CODES.get(error.status_code, code_pb2.UNKNOWN), message=message)
    return _status_response(request, error.status_code, status, dict(error.headers or {}))


async def _fault(request: Request, error: Exception) -> Response:  # noqa: ARG001
    """A bug of ours; the server logs it. Not retryable: the same request would meet the same bug."""
    status = status_pb2.Status(code=code_pb2.INTERNAL, message="internal error")
    return _status_response(request, 500, status, {})


def _status_response(
    request: Request, http_status: int, status: status_pb2.Status, headers: dict[str, str]
) -> Response:
    stated = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    content_type = PROTOBUF if stated == PROTOBUF else JSON
    return Response(
        statuses.encoded(status, content_type),
        status_code=http_status,
        media_type=content_type,
        headers=headers,
    )
