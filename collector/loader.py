"""Sealed spool segments into the store, each exactly once.

The rows of a segment and its number in ``spool_done`` are committed in one transaction; only then the file goes. A
crash between the two leaves a file whose number is known, and the next start deletes it without loading it again.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb
import pyarrow as pa
import structlog

from collector import otlp, rollups, segments
from collector.attributes import Bounds
from collector.counters import Counters
from collector.otlp import Decoded
from collector.segments import Content, Segment
from collector.spool import Spool
from schemas import tables
from schemas.errors import AftermergeError
from schemas.settings import Settings
from schemas.store import Store

_log = structlog.get_logger(__name__)

_POLL_S = 0.5
_RETRY_S_MAX = 30.0
_DONE_KEPT = timedelta(days=7)
"""How long the number of a deleted segment is kept: far longer than a deletion takes to reach the disk."""
_SPAN_BYTES = 512
"""Spooled bytes of an ordinary span, to guess rows before decoding; measured averages are 560 to 580."""

# Wrong data stays wrong however often it is tried; anything else (disk, memory, a lock, a bug in our SQL) may pass
# or be mended, and until then the segment stays where it is.
_WRONG_DATA = (duckdb.DataError, duckdb.IntegrityError, duckdb.InvalidInputException, ValueError, TypeError)


@dataclass(frozen=True, slots=True)
class _Loading:
    """One segment on its way; ``decoded`` is None when its rows are in the store already."""

    segment: Segment
    content: Content
    decoded: Decoded | None


class Loader:
    """One thread between the spool and the store.

    ``settings``: ``load_rows_max`` rows per transaction (about one row group), the bounds of values. ``on_loaded`` is
    called with the number of rows, in the loader's thread, after each commit that brought some.
    """

    def __init__(
        self,
        store: Store,
        spool: Spool,
        settings: Settings,
        counters: Counters,
        *,
        on_loaded: Callable[[int], None] | None = None,
    ) -> None:
        self._store = store
        self._spool = spool
        self._rows_max = settings.load_rows_max
        self._bounds = Bounds(settings.attribute_bytes_max, settings.stacktrace_bytes_max)
        self._counters = counters
        self._on_loaded = on_loaded
        self._stopping = threading.Event()
        self._drained = False
        self._thread = threading.Thread(target=self._run, name="loader", daemon=True)
        counters.loader_lag_seconds.set_function(self.lag)

    def start(self) -> None:
        """Begin with what an earlier process left, then follow the spool."""
        self._thread.start()

    def stop(self, timeout_s: float = 60.0) -> bool:
        """Seal the spool, load all that is in it, and end the thread. Blocks; False when not all could be loaded.

        What is not loaded after ``timeout_s`` stays in the spool for the next start. Stop the doors first.
        """
        self._spool.seal()
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return self._drained

    def lag(self) -> float:
        """Seconds since the oldest accepted record that is not in the store; 0 when all is loaded."""
        oldest = self._spool.oldest_unix_s()
        return 0.0 if oldest is None else max(0.0, time.time() - oldest)

    @property
    def is_alive(self) -> bool:
        """False before the start, after the stop, and when a fault of ours ended the thread."""
        return self._thread.is_alive()

    # --- the thread --------------------------------------------------------------------------------

    def _run(self) -> None:
        pause_s = 0.0
        is_begun = False
        while True:
            # Asked before looking: what was sealed before the request to stop is then seen.
            stopping = self._stopping.is_set()
            try:
                if not is_begun:
                    self._forget_old_numbers()
                    is_begun = True
                waiting = self._spool.sealed()
                if waiting:
                    self._load_next(waiting)
                elif stopping:
                    self._drained = True
                    return
                else:
                    self._spool.wait(_POLL_S)
                pause_s = 0.0
            except Exception as error:
                # Whatever it is, the segments stay on disk and the backlog bound speaks for us at the door.
                self._counters.load_failures.inc()
                _log.error("load_failed", error=str(error), exc_info=not isinstance(error, AftermergeError))
                if stopping:
                    return
                pause_s = min(_RETRY_S_MAX, max(0.25, pause_s * 2))
                self._stopping.wait(pause_s)

    def _forget_old_numbers(self) -> None:
        """Segments that were loaded but not deleted are not forgotten: :meth:`_load_next` looks for them."""
        kept = [s.number for s in self._spool.sealed()]
        self._store.execute(
            "DELETE FROM facts.spool_done WHERE loaded_at < $before AND NOT list_contains($kept::BIGINT[], segment)",
            before=datetime.now(UTC) - _DONE_KEPT,
            kept=kept,
        )

    def _load_next(self, waiting: list[Segment]) -> None:
        """Load segments from the front of ``waiting``, about ``load_rows_max`` rows of them, in one transaction."""
        group = self._read(waiting)
        started = time.perf_counter()
        try:
            self._commit(group)
        except _WRONG_DATA as error:
            if len(group) > 1:
                # One of them cannot be stored: the others must not wait for it.
                for loading in group:
                    self._load_next([loading.segment])
                return
            # Never skipped in silence: the file is kept, counted, and named.
            _log.error("segment_quarantined", path=str(group[0].segment.path), error=str(error))
            self._spool.quarantine(group[0].segment)
            return
        self._counters.load_seconds.observe(time.perf_counter() - started)
        rows = sum(self._finish(loading) for loading in group)
        if rows and self._on_loaded is not None:
            self._on_loaded(rows)

    def _read(self, waiting: list[Segment]) -> list[_Loading]:
        listed = self._store.rows(
            "SELECT segment FROM facts.spool_done WHERE list_contains($numbers::BIGINT[], segment)",
            numbers=[s.number for s in waiting],
        )
        done = {row["segment"] for row in listed}
        group: list[_Loading] = []
        rows = 0
        for segment in waiting:
            guess = segment.size_bytes // _SPAN_BYTES
            if group and rows + guess > self._rows_max:
                break
            content = segments.read(segment)
            is_done = segment.number in done
            decoded = None if is_done else otlp.decode(content.requests, self._bounds)
            group.append(_Loading(segment, content, decoded))
            rows += guess if decoded is None else decoded.spans.num_rows + decoded.exceptions.num_rows
        return group

    def _commit(self, group: list[_Loading]) -> None:
        fresh = [(g.segment.number, g.decoded) for g in group if g.decoded is not None]
        if not fresh:
            return
        now = datetime.now(UTC)
        done = [
            {
                "segment": number,
                "loaded_at": now,
                "span_count": decoded.spans.num_rows,
                "exception_count": decoded.exceptions.num_rows,
            }
            for number, decoded in fresh
        ]
        with self._store.transaction():
            self._store.append(tables.RESOURCES, pa.concat_tables([d.resources for _, d in fresh]))
            self._store.append(tables.SCOPES, pa.concat_tables([d.scopes for _, d in fresh]))
            spans = rollups.stamp(self._store, pa.concat_tables([d.spans for _, d in fresh]), now=now)
            self._store.append(tables.SPANS, spans)
            self._store.append(tables.EXCEPTIONS, pa.concat_tables([d.exceptions for _, d in fresh]))
            self._store.append_rows(tables.SPOOL_DONE, done)

    def _finish(self, loading: _Loading) -> int:
        """Let go of a segment that is in the store, count what it brought, and return its rows."""
        segment, content, decoded = loading.segment, loading.content, loading.decoded
        unreadable = decoded.unreadable if decoded else ()
        if content.torn_bytes:
            self._counters.spool_damage.labels("torn").inc()
            _log.info("segment_torn", path=str(segment.path), unacknowledged_bytes=content.torn_bytes)
        if content.corrupt_bytes or unreadable:
            # Its good records are in the store; the file is kept for what could not be read.
            _log.error(
                "segment_corrupt",
                path=str(segment.path),
                corrupt_bytes=content.corrupt_bytes,
                unreadable_requests=len(unreadable),
            )
            self._spool.quarantine(segment)
        else:
            self._spool.remove(segment)
        if decoded is None:
            return 0
        self._counters.stored.labels("spans").inc(decoded.spans.num_rows)
        self._counters.stored.labels("exceptions").inc(decoded.exceptions.num_rows)
        for reason, count in decoded.altered.items():
            self._counters.altered.labels(reason).inc(count)
        return int(decoded.spans.num_rows + decoded.exceptions.num_rows)
