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
_GRACE_S = 65.0
"""The application ends a late body itself, in the encoding of the request, and gives large ones time; this is for what
it does not read, as after a refusal."""

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
        self.places = _Places(connections_max)
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


class _Places:
    """The connections of one server that are not being closed: how many, and which wait for their client.

    In the order in which the waiting began, so that finding who gives way takes no search: with one, a thousand
    newcomers at a time held the event loop for half a minute.
    """

    def __init__(self, count_max: int) -> None:
        self.count_max = count_max
        self.taken: set[_Connection] = set()
        self.idle: dict[_Connection, float] = {}
        """Between requests, and since when."""
        self.arriving: dict[_Connection, float] = {}
        """With a request that is not whole yet, or none so far, and since when."""

    def yielding(self, now: float) -> "_Connection | None":
        """Who gives way to a newcomer: the longest idle, else the slowest beyond its ``TURN_S``, else nobody."""
        for connection in self.idle:
            return connection
        for connection, since in self.arriving.items():
            return connection if now - since > TURN_S else None
        return None

    def leave(self, connection: "_Connection") -> None:
        self.taken.discard(connection)
        self.idle.pop(connection, None)
        self.arriving.pop(connection, None)


class _Connection(HttpToolsProtocol):
    """``_framing_bytes`` are those of headers, trailers and chunk sizes since the last that were complete."""

    config: Config

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._places = self.config.places
        self._late: asyncio.TimerHandle | None = None
        self._is_arriving = False
        self._framing_bytes = 0
        self._is_in_headers = True

    # --- uvicorn's events -----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self._places.taken) >= self._places.count_max:
            yielding = self._places.yielding(self.loop.time())
            if yielding is None:
                self._is_arriving = True
                self._end(_FULL)
                return
            yielding._end(_FULL)
        self._places.taken.add(self)
        self._places.arriving[self] = self.loop.time()
        self._arm(self.config.request_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._places.leave(self)
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._framing_bytes += len(data)
        super().data_received(data)
        if self._framing_bytes > HEADER_BYTES_MAX:
            self._end(_LARGE)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_arriving = self._is_in_headers = True
        self._places.idle.pop(self, None)
        self._places.arriving.setdefault(self, self.loop.time())
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
        self._places.arriving.pop(self, None)
        self._disarm()
        if self.cycle.response_complete:
            # Refused by its headers, and now the rest of it is here.
            self._places.idle[self] = self.loop.time()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        if not self._is_arriving and not self.pipeline and self in self._places.taken:
            self._places.idle[self] = self.loop.time()
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
        self._places.leave(self)
        if self.transport.is_closing():
            return
        is_answered = self.cycle is not None and not self._is_in_headers and self.cycle.response_started
        if self._is_arriving and not is_answered:
            self.transport.write(answer)
        self.transport.close()
