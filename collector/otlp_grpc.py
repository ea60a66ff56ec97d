"""OTLP/gRPC: TraceService and LogsService ``Export``, and ``grpc.health.v1``; any other method is UNIMPLEMENTED.

Thin: admits a sender before its message is read, takes the message as it was sent, asks the receiver, tells its answer
with ``google.rpc.Status`` details. gRPC does not inflate: it would do so for all senders at once, and nothing could
bound the sum. Sources: OTLP specification, "OTLP/gRPC"; gRPC health checking protocol; grpc_types.h (channel arguments).
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, NoReturn

import grpc
from google.rpc import status_pb2
from grpc_health.v1 import health_pb2

from collector import statuses
from collector.inflight import RETRY_AFTER_S, TURNS_MAX, Budget, Busy, Turns
from collector.otlp import Signal
from collector.receiver import Receiver
from collector.statuses import PROTOBUF
from schemas.errors import AftermergeError, MalformedInput, StoreError

Authorize = Callable[[str | None], bool]
"""Given the raw ``authorization`` metadata value, or None: may this sender send telemetry?"""

_SERVICES = {
    "opentelemetry.proto.collector.trace.v1.TraceService": Signal.TRACES,
    "opentelemetry.proto.collector.logs.v1.LogsService": Signal.LOGS,
}
_STATUS_CODES = {code.value[0]: code for code in grpc.StatusCode}
_Health = health_pb2.HealthCheckResponse
_WATCH_S = 1.0
_GZIP_MAGIC = b"\x1f\x8b"
"""Begins a gzip stream and no protobuf message: as a field's tag the first byte has a wire type that does not exist."""
_IDENTITY_AND_GZIP = 0b101
_METADATA_BYTES_MAX = 16 * 1024
_STREAMS_MAX = 100
"""Concurrent requests of one connection; a client's further ones wait on its side."""
_IDLE_MS = 120_000
_HANDSHAKE_MS = 10_000


async def serve(
    receiver: Receiver,
    *,
    host: str,
    port: int,
    authorize: Authorize,
    budget: Budget | None = None,
    request_timeout_s: float = 30.0,
    connections_max: int = 1000,
    credentials: grpc.ServerCredentials | None = None,
) -> tuple[grpc.aio.Server, int]:
    """Listen on ``host:port`` (0: any free port) in the running event loop; (server, port it is bound to).

    Stop with ``await server.stop(grace_s)``: requests in flight are acknowledged first.

    Args:
        receiver: what accepts.
        host: address to listen on.
        port: 0: any free one.
        authorize: asked before a message is read.
        budget: shared with the other door; None: one of its own.
        request_timeout_s: for the message to arrive.
        connections_max: also of requests at a time.
        credentials: turn on TLS.

    Raises:
        StoreError: the port cannot be bound.
    """
    bytes_max = receiver.body_bytes_max
    held = Budget(8 * bytes_max) if budget is None else budget
    # While a message arrives its size is unknown; each turn may come to hold ``bytes_max``.
    turns = Turns(min(TURNS_MAX, max(1, held.bytes_max // bytes_max)), request_timeout_s)
    server = grpc.aio.server(
        options=[
            # Of the message as sent; beyond it gRPC answers RESOURCE_EXHAUSTED without RetryInfo.
            ("grpc.max_receive_message_length", bytes_max),
            ("grpc.per_message_decompression", 0),
            ("grpc.compression_enabled_algorithms_bitset", _IDENTITY_AND_GZIP),
            # Without this a second server would share the port in silence and take half of the requests.
            ("grpc.so_reuseport", 0),
            # Exporters that ping idle connections are not to be cut off for it.
            ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.max_concurrent_streams", _STREAMS_MAX),
            ("grpc.max_allowed_incoming_connections", connections_max),
            ("grpc.max_connection_idle_ms", _IDLE_MS),
            ("grpc.server_handshake_timeout_ms", _HANDSHAKE_MS),
            ("grpc.max_metadata_size", _METADATA_BYTES_MAX),
            ("grpc.absolute_max_metadata_size", _METADATA_BYTES_MAX),
        ]
    )
    for service, signal in _SERVICES.items():
        door = _Door(receiver, signal, authorize, held, turns, connections_max)
        # On the wire it is the unary call that it is; only so is the handler asked before the message is read.
        export = grpc.stream_unary_rpc_method_handler(door.export)
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


class _Door:
    """``Export`` of one service."""

    def __init__(
        self,
        receiver: Receiver,
        signal: Signal,
        authorize: Authorize,
        budget: Budget,
        turns: Turns,
        requests_max: int,
    ) -> None:
        self._receiver = receiver
        self._signal = signal
        self._authorize = authorize
        self._budget = budget
        self._turns = turns
        self._requests_max = requests_max
        self._request_count = 0

    async def export(self, _: Any, context: Any) -> bytes:
        if not self._authorize(_authorization(context)):
            self._receiver.count_refusal(self._signal, "unauthenticated")
            await context.abort(
                grpc.StatusCode.UNAUTHENTICATED, "a valid bearer token with the ingest scope is required"
            )
        self._request_count += 1
        try:
            with self._budget.lease() as lease:
                try:
                    self._refuse_more()
                    body = await self._message(context)
                    lease.grow(len(body))
                    encoding = "gzip" if body.startswith(_GZIP_MAGIC) else None
                    body = await lease.inflate(body, encoding, self._receiver.body_bytes_max)
                except AftermergeError as error:
                    self._receiver.count_refusal(self._signal, statuses.answer_to(error).reason)
                    raise
                return await self._receiver.accept(self._signal, body, PROTOBUF)
        except AftermergeError as error:
            await _abort(context, statuses.status_of(error))
        finally:
            self._request_count -= 1

    def _refuse_more(self) -> None:
        """gRPC's own bound on requests would answer without RetryInfo, which exporters take as final."""
        if self._request_count > self._requests_max:
            raise Busy(
                "too many requests are in flight",
                retry_after_s=RETRY_AFTER_S,
                hint="send the same again later",
            )
        self._receiver.make_room(0)

    async def _message(self, context: Any) -> bytes:
        message = await self._turns.read(context.read)
        if not isinstance(message, bytes):
            # Also when it was larger than gRPC's bound; then gRPC has answered already.
            raise MalformedInput("the call carries no message", hint="send one export request")
        return message


def _authorization(context: Any) -> str | None:
    for key, value in context.invocation_metadata() or ():
        if key == "authorization":
            return value if isinstance(value, str) else None
    return None


async def _abort(context: Any, status: status_pb2.Status) -> NoReturn:
    details = [("grpc-status-details-bin", status.SerializeToString())]
    if (retry := statuses.retry_info(status)) is not None:
        # Python's exporter reads it here alone, and gives up sooner where it is not.
        details.append(("google.rpc.retryinfo-bin", retry))
    await context.abort(_STATUS_CODES[status.code], status.message, trailing_metadata=tuple(details))
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
