"""Durable hand-over from the doors to the loader: a request is acknowledged when its record is on disk.

One thread writes. All requests that wait while it syncs share the next ``fdatasync``; a segment is sealed by size or
age and belongs to the loader from then on. Knows files and bytes; knows nothing of what a request says.
"""

import asyncio
import os
import secrets
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from collector import segments
from collector.counters import Counters
from collector.otlp import Request
from collector.segments import OPEN_SUFFIX, SEALED_SUFFIX, Content, Segment
from schemas.errors import StoreError

_log = structlog.get_logger(__name__)
_QUARANTINE = "quarantine"
_HELD_BYTES_MAX = 32 * 1024 * 1024
"""Bytes of records that are kept in memory until the loader takes them; what is more it reads from the file."""


@dataclass(slots=True)
class _Waiting:
    request: Request
    loop: asyncio.AbstractEventLoop
    acknowledged: asyncio.Future[None]


@dataclass(slots=True)
class _Open:
    path: Path
    number: int
    fd: int
    opened_at: float
    synced_bytes: int = 0
    synced: list[Request] = field(default_factory=list)


class Spool:
    """The segments in one folder. :meth:`append` may be awaited from any number of event loops.

    ``segment_bytes_max`` and ``segment_age_s`` (seconds) seal a segment, ``backlog_bytes_max`` bounds what is accepted
    and not loaded yet. Segments that an earlier process left are offered to the loader first.
    """

    def __init__(
        self,
        path: Path,
        *,
        segment_bytes_max: int = 16 * 1024 * 1024,
        segment_age_s: float = 0.25,
        backlog_bytes_max: int = 1024 * 1024 * 1024,
        counters: Counters | None = None,
    ) -> None:
        self._path = path
        self._segment_bytes_max = segment_bytes_max
        self._segment_age_s = segment_age_s
        self._backlog_bytes_max = backlog_bytes_max
        self._counters = counters or Counters()
        (path / _QUARANTINE).mkdir(parents=True, exist_ok=True)
        self._changed = threading.Condition()
        self._waiting: list[_Waiting] = []
        self._sealed: dict[int, Segment] = {s.number: s for s in segments.find(path)}
        self._inherited = set(self._sealed)
        self._offered = set(self._sealed)
        self._returned: set[int] = set()
        self._held: dict[int, tuple[Request, ...]] = {}
        self._held_bytes = 0
        self._backlog_bytes = sum(s.size_bytes for s in self._sealed.values())
        self._open: _Open | None = None
        self._last_number = 0
        self._seal_asked = self._stopping = False
        self._is_healthy = True
        self._counters.spool_backlog_bytes.set_function(lambda: float(self._backlog_bytes))
        self._counters.spool_quarantined.set_function(lambda: sum(1 for _ in (path / _QUARANTINE).iterdir()))
        self._writer = threading.Thread(target=self._run, name="spool-writer", daemon=True)
        self._writer.start()

    # --- the doors' side ---------------------------------------------------------------------------

    async def append(self, request: Request) -> None:
        """Return when the request is on disk (``fdatasync``).

        A caller that is cancelled while waiting does not take its request back: it is stored, only not acknowledged.

        Raises:
            StoreError: the disk refused it or the spool is closed; nothing was acknowledged.
        """
        loop = asyncio.get_running_loop()
        acknowledged: asyncio.Future[None] = loop.create_future()
        with self._changed:
            if self._stopping or not self._writer.is_alive():
                raise StoreError("the spool is closed", hint="the server is stopping; send the same again")
            self._waiting.append(_Waiting(request, loop, acknowledged))
            self._backlog_bytes += segments.record_bytes(request.body)
            self._changed.notify_all()
        await acknowledged

    def has_room(self, size_bytes: int = 0) -> bool:
        """True when ``size_bytes`` more would keep the backlog within its bound."""
        return self._backlog_bytes + size_bytes <= self._backlog_bytes_max

    @property
    def backlog_bytes(self) -> int:
        """Bytes accepted and not yet in the store, those still waiting for the disk included."""
        return self._backlog_bytes

    @property
    def is_replaying(self) -> bool:
        """True while segments of an earlier process wait for the loader."""
        return bool(self._inherited)

    @property
    def is_healthy(self) -> bool:
        """False after a write or sync failed, until the next one succeeds."""
        return self._is_healthy

    def seal(self, timeout_s: float = 30.0) -> None:
        """Write what waits and hand the open segment to the loader; returns when that is done."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            self._seal_asked = True
            self._changed.notify_all()
            while self._seal_asked and self._writer.is_alive():
                self._changed.wait(0.5)
                if time.monotonic() >= deadline:
                    return

    async def close(self) -> None:
        """Write what waits, seal, and accept nothing more. What was sealed stays available to the loader."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        await asyncio.to_thread(self._writer.join)

    # --- the loader's side -------------------------------------------------------------------------

    def sealed(self) -> list[Segment]:
        """The segments that are not loaded, oldest first."""
        with self._changed:
            return [self._sealed[n] for n in sorted(self._sealed)]

    def take(self, timeout_s: float) -> Segment | None:
        """The oldest segment that was not taken yet, waited for at most ``timeout_s``; None when there is none.

        It stays in the spool until :meth:`remove` or :meth:`quarantine`.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: bool(self._offered), timeout_s):
                return None
            number = min(self._offered)
            self._offered.remove(number)
            return self._sealed[number]

    def content(self, segment: Segment) -> Content:
        """What a taken segment holds: from memory while it is fresh, else from its file.

        Raises:
            OSError: the file cannot be read.
        """
        with self._changed:
            held = self._held.pop(segment.number, None)
            if held is not None:
                self._held_bytes -= segment.size_bytes
        return segments.read(segment) if held is None else Content(held, torn_bytes=0, corrupt_bytes=0)

    def is_fresh(self, segment: Segment) -> bool:
        """True when this process wrote the segment and never gave it back: nobody can have stored any of it."""
        with self._changed:
            return segment.number not in self._inherited and segment.number not in self._returned

    def give_back(self, segment: Segment) -> None:
        """Offer a taken segment again."""
        with self._changed:
            self._offered.add(segment.number)
            self._returned.add(segment.number)

    def oldest_unix_s(self) -> float | None:
        """When the oldest segment that is not loaded was begun (seconds, Unix epoch); None when all is loaded."""
        with self._changed:
            numbers = list(self._sealed)
            if self._open is not None:
                numbers.append(self._open.number)
        return (min(numbers) >> 20) / 1000 if numbers else None

    def remove(self, segment: Segment) -> None:
        """Delete a segment whose rows are in the store."""
        segment.path.unlink(missing_ok=True)
        self._forget(segment)

    def quarantine(self, segment: Segment) -> None:
        """Move a damaged segment aside for a person to look at; what could be read of it is in the store."""
        segment.path.replace(self._path / _QUARANTINE / segment.path.name)
        self._counters.spool_damage.labels("corrupt").inc()
        self._forget(segment)

    def _forget(self, segment: Segment) -> None:
        with self._changed:
            if self._sealed.pop(segment.number, None) is not None:
                self._backlog_bytes -= segment.size_bytes
            self._inherited.discard(segment.number)
            self._returned.discard(segment.number)

    # --- the writer's thread -----------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._has_work, self._seconds_to_seal())
                batch, self._waiting = self._waiting, []
                stopping, seal_asked = self._stopping, self._seal_asked
            if batch:
                self._write(batch)
            if self._open and (
                stopping
                or seal_asked
                or self._open.synced_bytes >= self._segment_bytes_max
                or self._seconds_to_seal() == 0
            ):
                self._seal_open()
            with self._changed:
                if seal_asked and not self._waiting:
                    self._seal_asked = False
                    self._changed.notify_all()
                if stopping and not self._waiting:
                    return

    def _has_work(self) -> bool:
        return bool(self._waiting) or self._stopping or self._seal_asked

    def _seconds_to_seal(self) -> float | None:
        if self._open is None:
            return None
        return max(0.0, self._open.opened_at + self._segment_age_s - time.monotonic())

    def _write(self, batch: list[_Waiting]) -> None:
        """One write and one sync for the whole batch; all of it is acknowledged, or none."""
        started = time.perf_counter()
        try:
            current = self._open or self._begin()
            data = b"".join(segments.record(current.number, w.request) for w in batch)
            view = memoryview(data)
            while view:
                view = view[os.write(current.fd, view) :]
            os.fdatasync(current.fd)
            current.synced_bytes += len(data)
            current.synced += [w.request for w in batch]
            self._is_healthy = True
            self._resolve(batch, None)
        except Exception as error:
            self._fail(batch, error)
        finally:
            self._counters.spool_sync_seconds.observe(time.perf_counter() - started)

    def _begin(self) -> _Open:
        # Milliseconds since the epoch and 20 random bits: unlike a counter this is never given twice, not even when
        # the spool folder was emptied, the store restored, or the clock set back.
        number = max((time.time_ns() // 1_000_000) << 20 | secrets.randbits(20), self._last_number + 1)
        path = self._path / f"{number:019d}{OPEN_SUFFIX}"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        try:
            self._sync_folder()
        except OSError:
            os.close(fd)
            raise
        self._last_number = number
        self._open = _Open(path, number, fd, time.monotonic())
        return self._open

    def _sync_folder(self) -> None:
        fd = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def _seal_open(self) -> None:
        current, self._open = self._open, None
        assert current is not None
        try:
            os.close(current.fd)
        except OSError as error:
            # What was acknowledged is synced already; the descriptor is gone either way.
            _log.warning("spool_close_failed", path=str(current.path), error=str(error))
        path = current.path.with_suffix(SEALED_SUFFIX)
        try:
            current.path.rename(path)
        except OSError:
            # Still the same bytes under the old name; the loader reads either.
            path = current.path
        segment = Segment(path, current.number, current.synced_bytes, is_sealed=path.suffix == SEALED_SUFFIX)
        with self._changed:
            self._sealed[current.number] = segment
            self._offered.add(current.number)
            if self._held_bytes + current.synced_bytes <= _HELD_BYTES_MAX:
                self._held[current.number] = tuple(current.synced)
                self._held_bytes += current.synced_bytes
            self._changed.notify_all()

    def _fail(self, batch: list[_Waiting], error: Exception) -> None:
        """Refuse the batch and leave the segment as it was at its last good sync.

        After a failed sync the kernel may call the same pages clean: what was written since is cut off and the file
        is not written again.
        """
        _log.error("spool_write_failed", path=str(self._path), error=str(error))
        self._counters.spool_damage.labels("write").inc()
        self._is_healthy = False
        if self._open is not None:
            try:
                os.ftruncate(self._open.fd, self._open.synced_bytes)
                os.fdatasync(self._open.fd)
            except OSError:
                _log.error("spool_truncate_failed", path=str(self._open.path))
            self._seal_open()
        with self._changed:
            self._backlog_bytes -= sum(segments.record_bytes(w.request.body) for w in batch)
        refusal = StoreError(
            f"the spool could not be written: {error}",
            hint="check the disk of the data folder",
            path=str(self._path),
        )
        self._resolve(batch, refusal)

    def _resolve(self, batch: list[_Waiting], error: StoreError | None) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = defaultdict(list)
        for waiting in batch:
            by_loop[waiting.loop].append(waiting.acknowledged)
        for loop, futures in by_loop.items():
            try:
                loop.call_soon_threadsafe(_settle, futures, error)
            except RuntimeError:
                # The loop that asked is gone; its requests are on disk and will be loaded, only nobody is told.
                _log.warning("spool_acknowledgement_lost", requests=len(futures))


def _settle(futures: list[asyncio.Future[None]], error: StoreError | None) -> None:
    for future in futures:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
