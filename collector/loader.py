"""Sealed spool segments into the store, each span exactly once, a row group of the store at a time.

A transaction that fills whole row groups goes straight into the file; a smaller one is written to the log first and
again at the next checkpoint, which costs twice as much and holds up commits. So spans wait until a row group is full, at
most ``load_age_s``, and a segment may be stored in parts. The rows of a part and how far the segment is stored
(``spool_done``) are committed together; only when all of it is stored the file goes. A crash between the two leaves a
file whose number is known, and the next start goes on behind what is stored.
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import structlog

from collector import decoding, rollups
from collector.counters import Counters
from collector.otlp import DISTINCT, TABLES, Decoded
from collector.policy import Policy
from collector.segments import Segment
from collector.spool import Spool
from schemas import tables
from schemas.errors import AftermergeError
from schemas.settings import Settings
from schemas.store import Row, Store

_log = structlog.get_logger(__name__)

_POLL_S = 0.1
_RETRY_S_MAX = 30.0
_DONE_KEPT = timedelta(days=7)
"""How long the number of a deleted segment is kept: far longer than a deletion takes to reach the disk."""
_KNOWN_IDS_MAX = 100_000
_REST_S_MAX = 10.0
"""Without a pause the memory of a burst would be held for as long as the work goes on."""
_BEHIND_SEGMENTS = 3
"""Whole segments that wait before the loader counts as behind: at 20,000 spans a second one or two do."""
_BEHIND_GROUPS = 3
"""Row groups of one transaction then: what a transaction costs beside its rows is shared by more of them."""

# Wrong data stays wrong however often it is tried; anything else (disk, memory, a lock, a bug in our SQL) may pass
# or be mended, and until then the segment stays where it is.
_WRONG_DATA = (duckdb.DataError, duckdb.IntegrityError, duckdb.InvalidInputException, ValueError, TypeError)


@dataclass(slots=True)
class _Decoded:
    """One segment on its way. ``torn_bytes``, ``corrupt_bytes``: what its file had of both; its requests are not held any
    longer. ``stored``: how many of its spans are in the store, in their order; ``is_begun``: with the first of
    them went all that is not a span."""

    segment: Segment
    torn_bytes: int
    corrupt_bytes: int
    decoded: Decoded
    stored: int
    is_begun: bool
    taken_at: float = field(default_factory=time.monotonic)

    @property
    def waiting(self) -> int:
        """Spans that are not stored yet."""
        return int(self.decoded.spans.num_rows) - self.stored


@dataclass(frozen=True, slots=True)
class _Part:
    """The next ``count`` spans of a segment."""

    of: _Decoded
    count: int

    @property
    def is_last(self) -> bool:
        return self.count == self.of.waiting


class Loader:
    """One thread between the spool and the store.

    ``settings``: ``load_rows`` spans that a transaction waits for (three times as many while much waits) and
    ``load_age_s`` seconds that it waits at most.
    ``policy``: what may be stored; made of ``settings`` when absent. ``on_rest`` is called in the loader's thread when
    after some commits nothing is there to be read, when a transaction waits for another segment, and every ten seconds.
    """

    def __init__(
        self,
        store: Store,
        spool: Spool,
        settings: Settings,
        counters: Counters,
        *,
        policy: Policy | None = None,
        on_rest: Callable[[], None] | None = None,
    ) -> None:
        self._store = store
        self._spool = spool
        self._rows = settings.load_rows
        self._age_s = settings.load_age_s
        self._behind_bytes = _BEHIND_SEGMENTS * settings.segment_bytes_max
        self._policy = policy or Policy.of(settings, secret=b"")
        self._counters = counters
        self._on_rest, self._rested_at = on_rest, time.monotonic()
        self._decoded: deque[_Decoded] = deque()
        self._known_ids: dict[str, set[int]] = {t.name: set() for t in DISTINCT}
        self._known_since = datetime.now(UTC).date()
        self._stopping = threading.Event()
        self._drained = False
        self._thread = threading.Thread(target=self._run, name="loader", daemon=True)
        counters.loader_lag_seconds.set_function(self.lag)
        counters.store_memory_limit_bytes.set_function(lambda: float(store.memory_limit))

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
        is_begun = has_loaded = False
        while True:
            # Asked before looking: what was sealed before the request to stop is then seen.
            stopping = self._stopping.is_set()
            try:
                if not is_begun:
                    self._forget_old_numbers()
                    is_begun = True
                self._store.refresh()
                taken = self._take(timeout_s=0.0 if stopping else _POLL_S)
                if self._is_due(taken=taken, stopping=stopping):
                    self._load()
                    has_loaded = True
                elif has_loaded and not taken:
                    has_loaded = False
                    self._store.hurry(is_behind=False)
                    self._rest()
                elif stopping and not taken:
                    self._drained = True
                    return
                if time.monotonic() - self._rested_at >= _REST_S_MAX:
                    self._rest()
                pause_s = 0.0
            except Exception as error:
                # Whatever it is, the segments stay on disk and the backlog bound speaks for us at the door.
                self._counters.load_failures.inc()
                _log.error("load_failed", error=str(error), exc_info=not isinstance(error, AftermergeError))
                if stopping:
                    return
                pause_s = min(_RETRY_S_MAX, max(0.25, pause_s * 2))
                self._stopping.wait(pause_s)

    def _rest(self) -> None:
        self._rested_at = time.monotonic()
        if self._on_rest is not None:
            self._on_rest()

    def _forget_old_numbers(self) -> None:
        """Segments that were loaded but not deleted are not forgotten: :meth:`_take` looks for them."""
        kept = [s.number for s in self._spool.sealed()]
        self._store.execute(
            "DELETE FROM facts.spool_done WHERE loaded_at < $before AND NOT list_contains($kept::BIGINT[], segment)",
            before=datetime.now(UTC) - _DONE_KEPT,
            kept=kept,
        )

    def _take(self, timeout_s: float) -> bool:
        """Read and decode the next segment, unless enough spans for a transaction wait already; True when one was there."""
        if self._waiting() >= self._wanted():
            return True
        segment = self._spool.take(timeout_s)
        if segment is None:
            return False
        try:
            done = self._stored(segment)
            if done is not None and done["is_whole"]:
                self._spool.remove(segment)
                return True
            content = self._spool.content(segment)
            fallbacks: Counter[str] = Counter()
            decoded = decoding.decode(content.requests, self._policy, fallbacks)
        except (ValueError, TypeError, LookupError, ArithmeticError) as error:
            # A fault of ours in both decoders: the segments behind this one must not wait for it to be mended.
            _log.exception("segment_not_decoded", path=str(segment.path), error=str(error))
            self._spool.quarantine(segment)
            return True
        except BaseException:
            self._spool.give_back(segment)
            raise
        for reason, count in fallbacks.items():
            self._counters.decode_fallbacks.labels(reason).inc(count)
        stored = 0 if done is None else done["span_count"]
        damage = content.torn_bytes, content.corrupt_bytes
        self._decoded.append(_Decoded(segment, *damage, decoded, stored, is_begun=done is not None))
        del content, decoded
        if self._waiting() < self._wanted() and not self._is_behind():
            # What the decoder took and no longer needs, before the transaction takes its own.
            self._rest()
        return True

    def _stored(self, segment: Segment) -> Row | None:
        """How far the segment is stored; asked of those alone that an earlier process left, or that came back."""
        if self._spool.is_fresh(segment):
            return None
        return self._store.row(
            "SELECT span_count, is_whole FROM facts.spool_done WHERE segment = $number",
            number=segment.number,
        )

    def _waiting(self) -> int:
        return sum(d.waiting for d in self._decoded)

    def _is_behind(self) -> bool:
        return self._spool.backlog_bytes > self._behind_bytes

    def _wanted(self) -> int:
        """Spans that a transaction waits for."""
        return self._rows * (_BEHIND_GROUPS if self._is_behind() else 1)

    def _is_due(self, *, taken: bool, stopping: bool) -> bool:
        if not self._decoded:
            return False
        if stopping and not taken:
            return True
        # Where nothing else can be read there is nothing to share a transaction with.
        if self._waiting() >= (self._wanted() if taken else self._rows):
            return True
        return time.monotonic() - self._decoded[0].taken_at >= self._age_s

    def _load(self) -> None:
        """Store whole row groups of what waits, or all of it when there is less than one."""
        waiting = self._waiting()
        count = waiting - waiting % self._rows or waiting
        parts = []
        for decoded in self._decoded:
            part = _Part(decoded, min(count, decoded.waiting))
            count -= part.count
            if part.count or part.is_last:
                parts.append(part)
        self._store.hurry(is_behind=self._is_behind())
        started = time.perf_counter()
        try:
            self._store.patiently(lambda: self._commit(parts))
        except _WRONG_DATA:
            # One of them cannot be stored: the others must not wait for it.
            for part in parts:
                self._load_alone(part.of)
            return
        self._counters.load_seconds.observe(time.perf_counter() - started)
        for part in parts:
            self._finish(part)

    def _load_alone(self, decoded: _Decoded) -> None:
        part = _Part(decoded, decoded.waiting)
        try:
            self._store.patiently(lambda: self._commit([part]))
        except _WRONG_DATA as error:
            # Never skipped in silence: the file is kept, counted, and named.
            _log.error("segment_quarantined", path=str(decoded.segment.path), error=str(error))
            self._spool.quarantine(decoded.segment)
            self._decoded.remove(decoded)
            return
        self._finish(part)

    def _commit(self, parts: Iterable[_Part]) -> None:
        now = datetime.now(UTC)
        begun = [p.of.decoded.rows for p in parts if not p.of.is_begun]
        spans = pa.concat_tables([p.of.decoded.spans.slice(p.of.stored, p.count) for p in parts])
        done = [
            {
                "segment": p.of.segment.number,
                "loaded_at": now,
                "span_count": p.of.stored + p.count,
                "is_whole": p.is_last,
            }
            for p in parts
        ]
        fresh: dict[str, set[int]] = {}
        if self._known_since != now.date():
            # What is stored anew each day is known to be as young as what names it: retention goes by that.
            self._known_ids = {name: set() for name in self._known_ids}
            self._known_since = now.date()
        with self._store.transaction():
            number = rollups.next_load(self._store, spans.num_rows, now=now)
            for table in TABLES:
                if table is tables.SPANS:
                    rows = spans
                elif begun:
                    rows = pa.concat_tables([by_table[table.name] for by_table in begun]).combine_chunks()
                    if table in DISTINCT:
                        rows, fresh[table.name] = self._unknown(table, rows)
                else:
                    continue
                self._store.append(table, rollups.stamped(table, rows, number, now=now))
            self._store.append_rows(tables.SPOOL_DONE, done, replace=True)
        for name, ids in fresh.items():
            if len(self._known_ids[name]) + len(ids) <= _KNOWN_IDS_MAX:
                self._known_ids[name] |= ids

    def _unknown(self, table: tables.Table, rows: pa.Table) -> tuple[pa.Table, set[int]]:
        """The rows whose id was not stored by this process before, and those ids."""
        key = DISTINCT[table]
        known = self._known_ids[table.name]
        fresh = set(pc.unique(rows[key]).to_pylist()) - known
        return rows.filter(pc.is_in(rows[key], pa.array(list(fresh), rows[key].type))), fresh

    def _finish(self, part: _Part) -> None:
        """Count what a stored part brought, and let go of its segment when it was the last."""
        of = part.of
        counts = {tables.SPANS.name: part.count}
        if not of.is_begun:
            of.is_begun = True
            counts[tables.EXCEPTIONS.name] = of.decoded.exceptions.num_rows
            for reason, count in of.decoded.altered.items():
                self._counters.altered.labels(reason).inc(count)
        for name, count in counts.items():
            self._counters.stored.labels(name).inc(count)
        is_last = part.is_last
        of.stored += part.count
        if is_last:
            self._let_go(of)
            self._decoded.remove(of)

    def _let_go(self, of: _Decoded) -> None:
        segment, unreadable = of.segment, of.decoded.unreadable
        if of.torn_bytes:
            self._counters.spool_damage.labels("torn").inc()
            _log.info("segment_torn", path=str(segment.path), unacknowledged_bytes=of.torn_bytes)
        if of.corrupt_bytes or unreadable:
            # Its good records are in the store; the file is kept for what could not be read.
            _log.error(
                "segment_corrupt",
                path=str(segment.path),
                corrupt_bytes=of.corrupt_bytes,
                unreadable_requests=len(unreadable),
            )
            self._spool.quarantine(segment)
        else:
            self._spool.remove(segment)
