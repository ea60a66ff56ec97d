"""How one request reaches a server over OTLP/gRPC or OTLP/HTTP, and what the server's answer means to an exporter.

Plain clients, because an exporter's own cost would be the larger part of what is measured. Source of what may be sent
again: OTLP specification, "OTLP/gRPC Response" and "OTLP/HTTP Response".
"""

import asyncio
import gzip
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import grpc
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_RETRYABLE_GRPC = {"CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"}
_RETRYABLE_HTTP = {429, 502, 503, 504}
_DISCONNECTED = "disconnected"


@dataclass(frozen=True, slots=True)
class Answer:
    """``status``: gRPC's name, HTTP's number as text, or how the connection failed.

    ``is_answered``: the server said so itself; False when nothing was heard, and so whether it took the request is
    not known. ``retry_after_s``: the server's own wish.
    """

    status: str
    is_acked: bool
    is_retryable: bool
    is_answered: bool = True
    rejected: int = 0
    retry_after_s: float | None = None


class Transport(Protocol):
    """A client of one endpoint; many requests may be under way at once."""

    async def send(self, body: bytes) -> Answer: ...

    async def close(self) -> None: ...


def connect(
    transport: str, endpoint: str, *, compression: str, timeout_s: float, headers: dict[str, str]
) -> Transport:
    """``grpc`` with ``host:port``, or ``http`` with a URL. ``compression``: ``none`` or ``gzip``."""
    host = urlsplit(endpoint if "//" in endpoint else f"//{endpoint}").hostname
    if host != "127.0.0.1":
        raise ValueError(f"{host} is not this machine: load is sent to 127.0.0.1 only")
    kinds: dict[str, type[Grpc] | type[Http]] = {"grpc": Grpc, "http": Http}
    return kinds[transport](endpoint, is_gzipped=compression == "gzip", timeout_s=timeout_s, headers=headers)


class Grpc:
    """One channel."""

    def __init__(self, endpoint: str, *, is_gzipped: bool, timeout_s: float, headers: dict[str, str]) -> None:
        self._channel = grpc.aio.insecure_channel(
            endpoint,
            compression=grpc.Compression.Gzip if is_gzipped else grpc.Compression.NoCompression,
            options=[
                ("grpc.max_send_message_length", -1),
                # A server that comes back is found soon: crash tests wait for it.
                ("grpc.initial_reconnect_backoff_ms", 100),
                ("grpc.min_reconnect_backoff_ms", 100),
                ("grpc.max_reconnect_backoff_ms", 500),
            ],
        )
        self._call: Any = self._channel.unary_unary(METHOD, None, None)
        self._timeout_s = timeout_s
        self._metadata = tuple((name.lower(), value) for name, value in headers.items())

    async def send(self, body: bytes) -> Answer:
        """Send an encoded request."""
        try:
            reply = await self._call(body, timeout=self._timeout_s, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            return _refusal(error)
        rejected = ExportTraceServiceResponse.FromString(reply).partial_success.rejected_spans
        return Answer("OK", is_acked=True, is_retryable=False, rejected=rejected)

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close(None)


def _refusal(error: grpc.aio.AioRpcError) -> Answer:
    name, delay_s, is_ours = error.code().name, None, False
    metadata: Any = error.trailing_metadata() or ()
    for key, value in metadata:
        if key != "grpc-status-details-bin":
            continue
        is_ours = True
        for detail in status_pb2.Status.FromString(value).details:
            info = error_details_pb2.RetryInfo()
            if detail.Unpack(info):
                delay_s = info.retry_delay.ToNanoseconds() / 1e9
    is_retryable = name in _RETRYABLE_GRPC or (name == "RESOURCE_EXHAUSTED" and delay_s is not None)
    # gRPC itself answers UNAVAILABLE when a connection breaks; a server that refuses says why.
    is_answered = is_ours or name not in {"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED"}
    return Answer(
        name if is_answered else f"{name} ({_DISCONNECTED})",
        is_acked=False,
        is_retryable=is_retryable,
        is_answered=is_answered,
        retry_after_s=delay_s,
    )


class Http:
    """HTTP/1.1 with as many kept connections as requests were ever under way at once."""

    def __init__(self, endpoint: str, *, is_gzipped: bool, timeout_s: float, headers: dict[str, str]) -> None:
        url = urlsplit(endpoint)
        self._host, self._port = url.hostname or "127.0.0.1", url.port or 4318
        self._is_gzipped, self._timeout_s = is_gzipped, timeout_s
        stated = {"host": url.netloc, "content-type": "application/x-protobuf"} | headers
        if is_gzipped:
            stated["content-encoding"] = "gzip"
        lines = [f"POST {url.path or '/v1/traces'} HTTP/1.1", *(f"{k}: {v}" for k, v in stated.items())]
        self._head = "\r\n".join(lines)
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def send(self, body: bytes) -> Answer:
        """Send an encoded request."""
        content = gzip.compress(body, 1) if self._is_gzipped else body
        writer = None
        try:
            async with asyncio.timeout(self._timeout_s):
                reader, writer = (
                    self._idle.pop() if self._idle else await asyncio.open_connection(self._host, self._port)
                )
                writer.write(f"{self._head}\r\ncontent-length: {len(content)}\r\n\r\n".encode())
                writer.write(content)
                await writer.drain()
                status, fields, reply = await _response(reader)
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            if writer is not None:
                writer.close()
            name = f"{type(error).__name__} ({_DISCONNECTED})"
            return Answer(name, is_acked=False, is_retryable=True, is_answered=False)
        if fields.get("connection") == "close":
            writer.close()
        else:
            self._idle.append((reader, writer))
        if status == 200:
            # Some servers answer JSON or nothing to a protobuf request: that says of no rejected span.
            is_protobuf = fields.get("content-type", "").startswith("application/x-protobuf")
            told = ExportTraceServiceResponse.FromString(reply if is_protobuf else b"")
            rejected = told.partial_success.rejected_spans
            return Answer("200", is_acked=True, is_retryable=False, rejected=rejected)
        stated = fields.get("retry-after", "")
        return Answer(
            str(status),
            is_acked=False,
            is_retryable=status in _RETRYABLE_HTTP,
            retry_after_s=float(stated) if stated.isdigit() else None,
        )

    async def close(self) -> None:
        """Close every connection."""
        for _, writer in self._idle:
            writer.close()


async def _response(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """(status, headers with lower-case names, body)."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    fields: dict[str, Any] = {}
    for line in head[1:]:
        name, _, value = line.partition(":")
        fields[name.strip().lower()] = value.strip()
    body = b""
    if fields.get("transfer-encoding", "").lower() == "chunked":
        while size := int((await reader.readline()).split(b";")[0], 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
    elif size := int(fields.get("content-length", 0)):
        body = await reader.readexactly(size)
    return int(head[0].split()[1]), fields, body
