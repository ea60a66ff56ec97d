"""The door for OTLP requests behind both transports: bound, decode, screen, make durable, acknowledge.

Knows requests as bytes with a content type; knows no socket and no HTTP or gRPC. An answer is returned only after the
request is on disk. Source: OTLP specification, sections "OTLP/gRPC" and "OTLP/HTTP".
"""

import asyncio
import time
from collections import Counter

import numpy as np
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from collector import encodings, json_otlp, otlp, policy, privacy, statuses
from collector.counters import Counters
from collector.inflight import RETRY_AFTER_S
from collector.otlp import Request, Signal
from collector.policy import Policy
from collector.spool import Spool
from collector.statuses import JSON, PROTOBUF
from schemas.errors import AftermergeError, MalformedInput, Overloaded
from schemas.settings import Settings

_INLINE_BYTES_MAX = 1024 * 1024
"""Larger bodies are parsed in a thread: below this (some 3 ms) the hand-over costs more than the event loop's pause."""
_DENSE_BYTES_MIN = 256 * 1024
_EMPTY_SHARE_MAX = 1 / 8
"""An empty message is two bytes on the wire and some 170 in memory, and its length is a zero byte. Telemetry of SDKs
holds less than 3 % of them; a larger body that holds more than this is refused before it is parsed."""

_REASONS = {
    "trace_id": "a trace id that is not 16 bytes, or is all zero",
    "span_id": "a span id that is not 8 bytes, or is all zero",
    "parent_span_id": "a parent span id that is not 8 bytes",
    "not_an_exception": "log records that carry no exception are not kept here",
}


class Receiver:
    """Accepts export requests into ``spool``. ``settings``: ``body_bytes_max``, ``attributes_dropped_before_spool``."""

    def __init__(self, settings: Settings, spool: Spool, counters: Counters) -> None:
        self._body_bytes_max = settings.body_bytes_max
        self._policy = Policy.of(settings, secret=b"") if settings.attributes_dropped_before_spool else None
        self._spool = spool
        self._counters = counters

    @property
    def body_bytes_max(self) -> int:
        """Bytes that a request may have after decompression."""
        return self._body_bytes_max

    @property
    def is_ready(self) -> bool:
        """False while the backlog is full or the disk refuses writes.

        An earlier process's segments are loaded in the meantime: what is sent now is as safe as ever.
        """
        return self._spool.has_room() and self._spool.is_healthy

    async def traces(self, body: bytes, content_type: str, content_encoding: str | None = None) -> bytes:
        """Accept one trace export request and return its encoded response; see :meth:`accept`."""
        return await self.accept(Signal.TRACES, body, content_type, content_encoding)

    async def logs(self, body: bytes, content_type: str, content_encoding: str | None = None) -> bytes:
        """Accept the exception records of one log export request and return its encoded response; see :meth:`accept`."""
        return await self.accept(Signal.LOGS, body, content_type, content_encoding)

    async def accept(
        self, signal: Signal, body: bytes, content_type: str, content_encoding: str | None = None
    ) -> bytes:
        """Make the request durable and return the encoded ``Export…ServiceResponse``, in the request's encoding.

        Args:
            signal: Which service was called.
            body: As received, at most ``body_bytes_max`` bytes after decompression.
            content_type: ``application/x-protobuf`` or ``application/json``; parameters are ignored.
            content_encoding: None, ``identity``, ``gzip`` or ``zstd``.

        Raises:
            MalformedInput: and its kinds TooLarge and UnsupportedEncoding; the sender must not retry.
            Overloaded: the backlog is full; asked before anything is decoded.
            StoreError: the disk refused the record; nothing was acknowledged.
        """
        started = time.perf_counter()
        try:
            media_type = media_type_of(content_type)
            self.make_room(len(body))
            # A compressed body is weighed as what it usually becomes.
            weight = len(body) * (8 if content_encoding else 1)
            if weight > _INLINE_BYTES_MAX:
                screened = await asyncio.to_thread(self._screen, signal, body, media_type, content_encoding)
            else:
                screened = self._screen(signal, body, media_type, content_encoding)
            durable, sent, rejected = screened
            count = rejected.total()
            if sent > count:
                await self._spool.append(Request(signal, durable, time.time_ns() // 1000))
        except AftermergeError as error:
            self.count_refusal(signal, statuses.answer_to(error).reason)
            raise
        name = signal.name.lower()
        self._counters.received.labels(name).inc(sent)
        self._counters.accepted.labels(name).inc(sent - count)
        for reason, number in rejected.items():
            self._counters.rejected.labels(name, reason).inc(number)
        self._counters.request_seconds.labels(name).observe(time.perf_counter() - started)
        return _response(signal, rejected, media_type)

    def make_room(self, size_bytes: int) -> None:
        """Raise Overloaded when ``size_bytes`` more would exceed the backlog's bound."""
        if not self._spool.has_room(size_bytes):
            raise Overloaded(
                "the backlog of accepted requests is full",
                retry_after_s=RETRY_AFTER_S,
                hint="send the same again later",
                backlog_bytes=self._spool.backlog_bytes,
            )

    def count_refusal(self, signal: Signal, reason: str) -> None:
        """Count one request that was answered with an error; ``reason`` is one of a closed set."""
        self._counters.refused.labels(signal.name.lower(), reason).inc()

    def _screen(
        self, signal: Signal, body: bytes, media_type: str, content_encoding: str | None
    ) -> tuple[bytes, int, Counter[str]]:
        """(protobuf bytes to keep, items sent, items rejected by reason)."""
        plain = encodings.inflate(body, content_encoding, self._body_bytes_max)
        if media_type == JSON:
            message = json_otlp.parse(plain, otlp.message_type(signal))
            plain = message.SerializeToString()
        else:
            if len(plain) > _DENSE_BYTES_MIN and _zeros(plain) > len(plain) * _EMPTY_SHARE_MAX:
                raise MalformedInput(
                    "the request consists of empty messages for the most part",
                    hint="send spans that carry ids, names and times",
                )
            message = otlp.parse(signal, plain)
        if signal is Signal.TRACES:
            sent, rejected = otlp.screen_traces(message)
        else:
            sent, rejected = otlp.screen_logs(message)
            plain = message.SerializeToString()
        if self._policy is not None:
            removed = privacy.strip(message, self._policy)
            if removed:
                self._counters.altered.labels(policy.DROPPED).inc(removed)
                plain = message.SerializeToString()
        return plain, sent, rejected


def _zeros(body: bytes) -> int:
    """How many bytes are 0: counted by numpy, which takes a tenth of what ``bytes.count`` takes."""
    return len(body) - int(np.count_nonzero(np.frombuffer(body, np.uint8)))


def media_type_of(content_type: str) -> str:
    """The media type without parameters, in lower case.

    Raises:
        UnsupportedEncoding: neither protobuf nor JSON.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type not in (JSON, PROTOBUF):
        raise encodings.UnsupportedEncoding(
            "the content type is not supported", hint=f"send {PROTOBUF} or {JSON}"
        )
    return media_type


def _response(signal: Signal, rejected: Counter[str], media_type: str) -> bytes:
    """The success body; without rejections ``partial_success`` stays unset (empty in protobuf, ``{}`` in JSON)."""
    count = rejected.total()
    if count == 0:
        return b"{}" if media_type == JSON else b""
    message = "; ".join(f"{number} x {_REASONS[reason]}" for reason, number in sorted(rejected.items()))
    if media_type == JSON:
        name = "rejectedSpans" if signal is Signal.TRACES else "rejectedLogRecords"
        return json_otlp.dump({"partialSuccess": {name: str(count), "errorMessage": message}})
    if signal is Signal.TRACES:
        traces = ExportTraceServiceResponse()
        traces.partial_success.rejected_spans = count
        traces.partial_success.error_message = message
        return traces.SerializeToString()
    logs = ExportLogsServiceResponse()
    logs.partial_success.rejected_log_records = count
    logs.partial_success.error_message = message
    return logs.SerializeToString()
