"""OTLP/HTTP: ``POST /v1/traces`` and ``/v1/logs`` in protobuf and JSON, and the health of this door.

Thin: reads a bounded body, asks the receiver, tells its answer. Every error body is a ``google.rpc.Status`` in the
encoding of the request. Source: OTLP specification, "OTLP/HTTP".
"""

from collections.abc import Callable

from google.rpc import code_pb2, status_pb2
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from collector import encodings, statuses
from collector.otlp import Signal
from collector.receiver import Receiver, media_type_of
from collector.statuses import JSON, PROTOBUF
from schemas.errors import AftermergeError

Authorize = Callable[[str | None], bool]
"""Given the raw ``Authorization`` value, or None: may this sender send telemetry?"""

_SIGNALS = {"/v1/traces": Signal.TRACES, "/v1/logs": Signal.LOGS}
_CODES = {401: code_pb2.UNAUTHENTICATED, 404: code_pb2.UNIMPLEMENTED, 405: code_pb2.UNIMPLEMENTED}


def app(receiver: Receiver, *, authorize: Authorize) -> Starlette:
    """The ASGI application for port 4318.

    ``/healthz`` answers 200 while the process serves; ``/readyz`` 503 while the receiver would refuse or replays.
    """

    async def export(request: Request) -> Response:
        signal = _SIGNALS[request.url.path]
        try:
            return await _export(request, signal, receiver, authorize)
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

    return Starlette(
        routes=[
            *(Route(path, export, methods=["POST"]) for path in _SIGNALS),
            Route("/healthz", healthz, methods=["GET"]),
            Route("/readyz", readyz, methods=["GET"]),
        ],
        exception_handlers={HTTPException: _http_error, Exception: _fault},
    )


async def _export(request: Request, signal: Signal, receiver: Receiver, authorize: Authorize) -> Response:
    headers = request.headers
    if not authorize(headers.get("authorization")):
        receiver.count_refusal(signal, "unauthenticated")
        raise HTTPException(
            401, "a valid bearer token with the ingest scope is required", {"WWW-Authenticate": "Bearer"}
        )
    content_type = headers.get("content-type", "")
    try:
        media_type = media_type_of(content_type)
        stated = headers.get("content-length", "")
        # A size that is stated is judged before the body is read.
        size_bytes = int(stated) if stated.isdigit() else 0
        if size_bytes > receiver.body_bytes_max:
            raise encodings.too_large(receiver.body_bytes_max)
        receiver.make_room(size_bytes)
        body = await _bounded_body(request, receiver.body_bytes_max)
    except AftermergeError as error:
        receiver.count_refusal(signal, statuses.answer_to(error).reason)
        raise
    answer = await receiver.accept(signal, body, content_type, headers.get("content-encoding"))
    return Response(answer, media_type=media_type)


async def _bounded_body(request: Request, bytes_max: int) -> bytes:
    parts: list[bytes] = []
    total = 0
    async for part in request.stream():
        total += len(part)
        if total > bytes_max:
            raise encodings.too_large(bytes_max)
        parts.append(part)
    return b"".join(parts)


def _refusal(request: Request, error: AftermergeError) -> Response:
    answer = statuses.answer_to(error)
    headers = {} if answer.retry_after_s is None else {"Retry-After": str(answer.retry_after_s)}
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
