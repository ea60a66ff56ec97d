"""Content encodings of OTLP/HTTP bodies, inflated within a bound: a small body may stand for a very large one."""

import io
import zlib
from collections.abc import Callable
from typing import Any

import zstandard

from schemas.errors import MalformedInput

_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_ZSTD_WINDOW_BYTES_MAX = 8 * 1024 * 1024
_MEMBERS_MAX = 1000
_STEP_BYTES_MAX = 1024 * 1024
"""What may come out of one step, before it is counted."""
_KNOWN = frozenset({"", "identity", "gzip", "x-gzip", "zstd"})
_HINT = "send it as gzip, zstd, or without a content encoding"


class UnsupportedEncoding(MalformedInput):
    """A content encoding or content type that this server does not read."""


class TooLarge(MalformedInput):
    """The request is larger than the server's bound; sending the same again cannot help."""


def refuse_unknown(content_encoding: str | None) -> None:
    """Raise UnsupportedEncoding for what :func:`inflate` does not read, before there is a body."""
    if (content_encoding or "").strip().lower() not in _KNOWN:
        raise UnsupportedEncoding("the content encoding is not supported", hint=_HINT)


def inflate(
    body: bytes, content_encoding: str | None, bytes_max: int, grow: Callable[[int], None] = lambda _: None
) -> bytes:
    """``body`` as it was before it was compressed.

    ``grow`` is told of each further number of bytes and may refuse them by raising.

    Raises:
        UnsupportedEncoding: ``content_encoding`` is not identity, gzip or zstd.
        TooLarge: more than ``bytes_max`` bytes, before or after.
        MalformedInput: not such a stream, or a cut one.
    """
    if len(body) > bytes_max:
        raise too_large(bytes_max)
    match (content_encoding or "").strip().lower():
        case "" | "identity":
            return body
        case "gzip" | "x-gzip":
            return _gunzip(body, bytes_max, grow)
        case "zstd":
            return _unzstd(body, bytes_max, grow)
        case _:
            raise UnsupportedEncoding("the content encoding is not supported", hint=_HINT)


def too_large(bytes_max: int) -> TooLarge:
    return TooLarge(
        f"the request has more than {bytes_max} bytes uncompressed",
        hint="send smaller batches",
        bytes_max=bytes_max,
    )


def _gunzip(body: bytes, bytes_max: int, grow: Callable[[int], None]) -> bytes:
    def step(stream: Any, chunk: bytes) -> tuple[bytes, bytes]:
        part = stream.decompress(chunk, _STEP_BYTES_MAX)
        return part, stream.unconsumed_tail

    try:
        return _members(
            body, bytes_max, grow, lambda: zlib.decompressobj(_GZIP_WINDOW), step, step_bytes=65_536
        )
    except zlib.error as error:
        raise MalformedInput(f"the body is not gzip: {error}", hint=_HINT) from error


def _unzstd(body: bytes, bytes_max: int, grow: Callable[[int], None]) -> bytes:
    def begin() -> Any:
        # The window is memory that the sender chooses; 8 MiB is what RFC 8878 asks every decoder to support.
        return zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES_MAX).decompressobj()

    def step(stream: Any, chunk: bytes) -> tuple[bytes, bytes]:
        # This object has no bound on its output; 256 bytes of input yield at most 8 MiB (blocks of 4 bytes for 128 KiB).
        return bytes(stream.decompress(chunk)), b""

    try:
        return _members(body, bytes_max, grow, begin, step, step_bytes=256)
    except zstandard.ZstdError as error:
        raise MalformedInput(f"the body is not zstd: {error}", hint=_HINT) from error


def _members(
    body: bytes,
    bytes_max: int,
    grow: Callable[[int], None],
    begin: Callable[[], Any],
    step: Callable[[Any, bytes], tuple[bytes, bytes]],
    *,
    step_bytes: int,
) -> bytes:
    """The output of all members (gzip) or frames (zstd) of ``body``; several in a row are legal in both formats.

    ``step`` returns (output, input that it left). The input goes in by slices: what is left behind the end of a member
    is copied, which for many tiny members of one large body would take quadratic time. The output is gathered in a
    buffer that becomes the result: joining parts would hold a body twice.
    """
    # Closed on the way out: the traceback of a refusal may keep this frame, and should not keep what it gathered.
    with io.BytesIO() as gathered:
        at, member_count, chunk = 0, 1, b""
        stream = begin()
        while chunk or at < len(body):
            if not chunk:
                chunk = body[at : at + step_bytes]
                at += step_bytes
            if stream.eof:
                member_count += 1
                if member_count > _MEMBERS_MAX:
                    raise MalformedInput(f"more than {_MEMBERS_MAX} compressed members", hint="send one")
                stream = begin()
            part, chunk = step(stream, chunk)
            if gathered.tell() + len(part) > bytes_max:
                raise too_large(bytes_max)
            grow(len(part))
            gathered.write(part)
            if stream.eof:
                chunk = stream.unused_data
        if not stream.eof:
            raise MalformedInput("the compressed body is cut", hint="send the whole body")
        return gathered.getvalue()
