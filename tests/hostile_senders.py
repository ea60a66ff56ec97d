"""What no exporter would send: bombs, bottomless nesting, requests that trickle, connections without end."""

import gzip
import socket
import struct
from collections.abc import Iterator

import otlp_builders as build
import zstandard

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
MIB = 1024 * 1024
HEAD = b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n"


def gzip_bomb(size_bytes: int) -> bytes:
    """About a thousandth of ``size_bytes``, made of members of 64 MiB."""
    member = gzip.compress(bytes(64 * MIB), 9)
    return member * (size_bytes // (64 * MIB)) + gzip.compress(bytes(size_bytes % (64 * MIB)), 9)


def zstd_bomb(size_bytes: int) -> bytes:
    """About a thirty-thousandth of ``size_bytes``."""
    return zstandard.ZstdCompressor(level=19).compress(bytes(size_bytes))


def padded(size_bytes: int) -> bytes:
    """gzip of one good span whose scope has a name of ``size_bytes``."""
    return gzip.compress(build.traces(build.span(), scope="s" * size_bytes).SerializeToString(), 9)


def nested_protobuf(size_bytes: int) -> bytes:
    """An attribute whose value is a list of a list of a list, as deep as ``size_bytes`` allow."""
    # Built from the inside out, back to front: each level puts its two tags and lengths before what there is.
    parts: list[bytes] = []
    length = 0
    while length < size_bytes:
        for tag in (0x0A, 0x2A):  # ArrayValue.values, AnyValue.array_value
            head = bytes([tag]) + _varint(length)
            parts.append(head)
            length += len(head)
    # KeyValue.value, Span.attributes, ScopeSpans.spans, ResourceSpans.scope_spans, the request.
    for tag in (0x12, 0x4A, 0x12, 0x12, 0x0A):
        head = bytes([tag]) + _varint(length)
        parts.append(head)
        length += len(head)
    return b"".join(reversed(parts))


def nested_json(size_bytes: int) -> bytes:
    """The same in JSON, and closed properly."""
    opening, closing = b'{"arrayValue":{"values":[', b"]}}"
    depth = size_bytes // (len(opening) + len(closing))
    start = b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":[{"key":"k","value":'
    return start + opening * depth + closing * depth + b"}]}]}]}]}"


def connected(port: int, timeout_s: float = 10) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=timeout_s)


def answer(connection: socket.socket) -> bytes:
    """Everything that comes until the other side closes."""
    parts: list[bytes] = []
    try:
        while part := connection.recv(65_536):
            parts.append(part)
    except ConnectionError:
        pass
    return b"".join(parts)


def begun_call(port: int, stated_bytes: int) -> socket.socket:
    """A gRPC call whose message states ``stated_bytes`` and has sent none of them; go on with :func:`data`."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": EXPORT,
        ":authority": "x",
        "content-type": "application/grpc",
        "te": "trailers",
    }
    block = b"".join(b"\x00" + _text(name) + _text(value) for name, value in fields.items())
    connection = connected(port)
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(4, 0, 0, b"")
    begun = _frame(1, 0x4, 1, block) + data(struct.pack(">BI", 0, stated_bytes))
    connection.sendall(preface + begun)
    return connection


def data(content: bytes) -> bytes:
    """A DATA frame of the call of :func:`begun_call`."""
    return _frame(0, 0, 1, content)


def chunks(body: bytes, size_bytes: int = 64 * 1024) -> Iterator[bytes]:
    for at in range(0, len(body), size_bytes):
        yield body[at : at + size_bytes]


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def _text(text: str) -> bytes:
    """HPACK: a literal without Huffman coding, shorter than 127 bytes."""
    return bytes([len(text)]) + text.encode()


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])
