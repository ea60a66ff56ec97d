"""HTTP connections within bounds that uvicorn does not keep: time for headers and bodies, size of headers, number.

One rule for the number: beyond it the connection that has waited longest for its client gives way, so that idle
exporters and trickling ones make room for whoever has something to say. Source: RFC 9110, sections 15.5.9, 15.6.4;
RFC 6585, section 5.
"""

import asyncio
import ssl
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADER_BYTES_MAX = 64 * 1024
IDLE_S = 75
"""Longer than the 60 s after which most load balancers close an idle connection: the one in front should be first."""
TURN_S = 2.0
"""A request that is still arriving is safe from giving way for this long."""
_GRACE_S = 1.0
"""The application is to answer a late body itself, in the encoding of the request; this is for when it does not."""

_LATE = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)


class Config(uvicorn.Config):
    """A uvicorn configuration with the bounds of :class:`_Connection`."""

    def __init__(
        self,
        asgi: Any,
        *,
        request_timeout_s: float,
        connections_max: int,
        tls: ssl.SSLContext | None = None,
        **options: Any,
    ) -> None:
        self.request_timeout_s = request_timeout_s
        self.connections_max = connections_max
        super().__init__(
            asgi,
            http=_Connection,
            ws="none",
            lifespan="off",
            access_log=False,
            server_header=False,
            timeout_keep_alive=IDLE_S,
            ssl_context_factory=None if tls is None else lambda *_: tls,
            **options,
        )


class _Connection(HttpToolsProtocol):
    """``_waits_since`` is when the client's turn began, None while a whole request is answered.

    ``_framing_bytes`` are those of headers, trailers and chunk sizes since the last that were complete.
    """

    config: Config

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._late: asyncio.TimerHandle | None = None
        self._waits_since: float | None = None
        self._is_arriving = False
        self._framing_bytes = 0
        self._is_in_headers = True

    # --- uvicorn's events -----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._waits_since = self.loop.time()
        self._arm(self.config.request_timeout_s)
        if len(self.connections) > self.config.connections_max:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._framing_bytes += len(data)
        super().data_received(data)
        if self._framing_bytes > HEADER_BYTES_MAX:
            self._end(_LARGE)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_arriving = self._is_in_headers = True
        self._arm(self.config.request_timeout_s)

    def on_headers_complete(self) -> None:
        self._is_in_headers, self._framing_bytes = False, 0
        self._arm(self.config.request_timeout_s + _GRACE_S)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._framing_bytes -= len(body)
        super().on_body(body)

    def on_chunk_complete(self) -> None:
        self._framing_bytes = 0

    def on_message_complete(self) -> None:
        self._is_arriving, self._is_in_headers = False, True
        self._disarm()
        if not self.cycle.response_complete:
            self._waits_since = None
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self._waits_since = self.loop.time()
        super().on_response_complete()

    # --- bounds ---------------------------------------------------------------------------------------

    def _arm(self, seconds: float) -> None:
        self._disarm()
        self._late = self.loop.call_later(seconds, self._end, _LATE)

    def _disarm(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _end(self, answer: bytes) -> None:
        """Close; with ``answer`` when a request has begun to arrive and nothing was said yet."""
        if self.transport.is_closing():
            return
        is_answered = self.cycle is not None and not self._is_in_headers and self.cycle.response_started
        if self._is_arriving and not is_answered:
            self.transport.write(answer)
        self.transport.close()

    def _make_room(self) -> None:
        now = self.loop.time()
        yielding = [c for c in self.connections if isinstance(c, _Connection) and c is not self]
        waits = [(c._waits_since, c) for c in yielding if c._may_yield(now)]
        if waits:
            min(waits, key=lambda found: found[0] or 0.0)[1]._end(_FULL)
        else:
            self._is_arriving = True
            self._end(_FULL)

    def _may_yield(self, now: float) -> bool:
        if self._waits_since is None or self.transport.is_closing():
            return False
        has_begun = self._is_arriving or self.cycle is None
        return not has_begun or now - self._waits_since > TURN_S
