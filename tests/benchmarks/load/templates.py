"""Encoded requests that are sent again and again as new ones: fresh ids and present times, written into the bytes.

Encoding a span costs the SDK some 50 µs, which is more than the server under test spends on it; writing new ids and
times over the old ones costs a fifth of a microsecond. A nonce is XORed onto every id, so that parents, links and
traces still fit, and whoever knows template and nonce knows every span id of a request.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from benchmarks.load.shop import Shop
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

NONCE_BYTES = 16
# Tags of the fixed64 fields Span.start_time_unix_nano, Span.end_time_unix_nano and Event.time_unix_nano.
_TIME_TAGS = (0x39, 0x41, 0x09)


@dataclass(frozen=True, slots=True)
class Fresh:
    """A request as it is sent: its bytes, and the nonce in them."""

    body: bytes
    nonce: bytes


class Template:
    """One encoded request of ``span_count`` spans."""

    def __init__(self, message: ExportTraceServiceRequest) -> None:
        raw = message.SerializeToString()
        spans = [s for r in message.resource_spans for scope in r.scope_spans for s in scope.spans]
        self.span_count = len(spans)
        self._base = np.frombuffer(raw, np.uint8)
        self._base_ids = np.array([int.from_bytes(s.span_id, "big") for s in spans], np.uint64)
        windows = _windows(self._base)
        short = {i for s in spans for i in (s.span_id, s.parent_span_id, *(k.span_id for k in s.links)) if i}
        long = {i for s in spans for i in (s.trace_id, *(k.trace_id for k in s.links))}
        self._at, self._lane = _stretches(
            (_places(windows, short), 8), (_places(windows, {i[:8] for i in long}), 16)
        )
        times = _places(windows, _times(spans))
        # Eight bytes alone could be met by chance inside a text: the tag of the field must stand before them.
        times = times[np.isin(self._base[times - 1], _TIME_TAGS)]
        self._times_at, _ = _stretches((times, 8))
        self._times = self._base[self._times_at].view("<u8")
        self._latest_ns = int(self._times.max())

    @property
    def size_bytes(self) -> int:
        """Bytes of one request."""
        return len(self._base)

    def fresh(self, nonce: bytes, now_ns: int) -> Fresh:
        """The request with ids of its own, its last span ended at ``now_ns`` (Unix epoch)."""
        body = self._base.copy()
        body[self._at] ^= np.frombuffer(nonce, np.uint8)[self._lane]
        shifted = self._times + np.uint64(now_ns - self._latest_ns)
        body[self._times_at] = shifted.view(np.uint8)
        return Fresh(body.tobytes(), nonce)

    def span_ids(self, nonce: bytes) -> npt.NDArray[np.uint64]:
        """The ids of all spans of the request that carried ``nonce``, as the store holds them."""
        return self._base_ids ^ np.uint64(int.from_bytes(nonce[:8], "big"))


@dataclass(frozen=True)
class Recipe:
    """What templates are made of. Equal recipes make templates with equal ids, in any process."""

    count: int = 64
    """More than a row group holds: copies within one row group would compress as real traffic does not."""
    span_count: int = 512
    seed: int = 7
    revision: str | None = None

    @cached_property
    def templates(self) -> list[Template]:
        """Built with the SDK and its exporter's encoder; some seconds for the default."""
        made = Shop(self.seed, self.revision).requests(self.count, self.span_count)
        return [Template(encode_spans(spans)) for spans in made]


def source(templates: list[Template], nonces: Callable[[], bytes]) -> Iterator[tuple[int, Fresh]]:
    """(number of the template, fresh request) without end, templates in turn."""
    while True:
        for number, template in enumerate(templates):
            yield number, template.fresh(nonces(), time.time_ns())


def _times(spans: Iterable[Span]) -> set[bytes]:
    found = set()
    for span in spans:
        events = (event.time_unix_nano for event in span.events)
        stated = (span.start_time_unix_nano, span.end_time_unix_nano, *events)
        found |= {moment.to_bytes(8, "little") for moment in stated}
    return found


def _windows(raw: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    """The eight bytes from every position on, as one number each."""
    return np.lib.stride_tricks.sliding_window_view(raw, 8).copy().view("<u8").ravel()


def _places(windows: npt.NDArray[np.uint64], needles: Iterable[bytes]) -> npt.NDArray[np.int64]:
    """Where any of the needles (eight bytes each) begins."""
    wanted = np.frombuffer(b"".join(needles), "<u8")
    return np.flatnonzero(np.isin(windows, wanted))


def _stretches(
    *found: tuple[npt.NDArray[np.int64], int],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(position of every byte of the stretches that begin there and are so long, its index in its stretch)."""
    at = [(starts[:, None] + np.arange(length)).ravel() for starts, length in found]
    lane = [np.tile(np.arange(length), len(starts)) for starts, length in found]
    return np.concatenate(at), np.concatenate(lane)
