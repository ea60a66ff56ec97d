"""OTLP/gRPC: TraceService and LogsService ``Export``, and ``grpc.health.v1``; any other method is UNIMPLEMENTED.

Thin: takes the request's bytes as gRPC hands them over (decompressed and bounded by it), asks the receiver, tells its
answer with ``google.rpc.Status`` details. Source: OTLP specification, "OTLP/gRPC"; gRPC health checking protocol.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NoReturn

import grpc
from google.rpc import status_pb2
from grpc_health.v1 import health_pb2

from collector import statuses
from collector.otlp import Signal
from collector.receiver import Receiver
from collector.statuses import PROTOBUF
from schemas.errors import AftermergeError, StoreError

Authorize = Callable[[str | None], bool]
"""Given the raw ``authorization`` metadata value, or None: may this sender send telemetry?"""

_SERVICES = {
    "opentelemetry.proto.collector.trace.v1.TraceService": Signal.TRACES,
    "opentelemetry.proto.collector.logs.v1.LogsService": Signal.LOGS,
}
_STATUS_CODES = {code.value[0]: code for code in grpc.StatusCode}
_Health = health_pb2.HealthCheckResponse
_WATCH_S = 1.0


async def serve(
    receiver: Receiver,
    *,
    host: str,
    port: int,
    authorize: Authorize,
    credentials: grpc.ServerCredentials | None = None,
) -> tuple[grpc.aio.Server, int]:
    """Listen on ``host:port`` (0: any free port) in the running event loop; (server, port it is bound to).

    ``credentials`` turn on TLS. Stop with ``await server.stop(grace_s)``: requests in flight are acknowledged first.

    Raises:
        StoreError: the port cannot be bound.
    """
    server = grpc.aio.server(
        options=[
            # The bound holds after decompression; beyond it gRPC answers RESOURCE_EXHAUSTED without RetryInfo.
            ("grpc.max_receive_message_length", receiver.body_bytes_max),
            # Without this a second server would share the port in silence and take half of the requests.
            ("grpc.so_reuseport", 0),
            # Exporters that ping idle connections are not to be cut off for it.
            ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
            ("grpc.keepalive_permit_without_calls", 1),
        ]
    )
    for service, signal in _SERVICES.items():
        export = grpc.unary_unary_rpc_method_handler(_export(receiver, signal, authorize))
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Export": export}),))
    server.add_generic_rpc_handlers((_health(receiver),))
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        bound = (
            server.add_insecure_port(address)
            if credentials is None
            else server.add_secure_port(address, credentials)
        )
    except RuntimeError as error:
        raise StoreError(
            f"cannot listen on {address} for OTLP/gRPC",
            hint="another program has the port: stop it, or set otlp_grpc_port",
            port=port,
        ) from error
    await server.start()
    return server, bound


def _export(
    receiver: Receiver, signal: Signal, authorize: Authorize
) -> Callable[[bytes, Any], Awaitable[bytes]]:
    async def export(body: bytes, context: Any) -> bytes:
        if not authorize(_authorization(context)):
            receiver.count_refusal(signal, "unauthenticated")
            await context.abort(
                grpc.StatusCode.UNAUTHENTICATED, "a valid bearer token with the ingest scope is required"
            )
        try:
            return await receiver.accept(signal, body, PROTOBUF)
        except AftermergeError as error:
            await _abort(context, statuses.status_of(error))

    return export


def _authorization(context: Any) -> str | None:
    for key, value in context.invocation_metadata() or ():
        if key == "authorization":
            return value if isinstance(value, str) else None
    return None


async def _abort(context: Any, status: status_pb2.Status) -> NoReturn:
    details = (("grpc-status-details-bin", status.SerializeToString()),)
    await context.abort(_STATUS_CODES[status.code], status.message, trailing_metadata=details)
    raise AssertionError("abort always raises")


def _health(receiver: Receiver) -> Any:
    """Health that is asked, not told: SERVING as long as the receiver would accept. Needs no token."""

    def state(service: str) -> Any:
        if service and service not in _SERVICES:
            return None
        return _Health.SERVING if receiver.is_ready else _Health.NOT_SERVING

    async def check(request: Any, context: Any) -> Any:
        status = state(request.service)
        if status is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such service")
        return _Health(status=status)

    async def watch(request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: ARG001
        last = None
        while True:
            status = state(request.service)
            status = _Health.SERVICE_UNKNOWN if status is None else status
            if status != last:
                yield _Health(status=status)
                last = status
            await asyncio.sleep(_WATCH_S)

    decode, encode = health_pb2.HealthCheckRequest.FromString, _Health.SerializeToString
    handlers = {
        "Check": grpc.unary_unary_rpc_method_handler(check, decode, encode),
        "Watch": grpc.unary_stream_rpc_method_handler(watch, decode, encode),
    }
    return grpc.method_handlers_generic_handler("grpc.health.v1.Health", handlers)
