"""The one door to DuckDB: open, upgrade, append, query.

One process owns the file. Threads take a cursor each (``Store.cursor``); appends to different tables never conflict,
and every table has one writer. Times go in timezone-aware and come out timezone-aware; the store holds UTC.
"""

import hashlib
import threading
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pyarrow as pa
import structlog

from schemas import migrations, tables
from schemas.errors import StoreError
from schemas.gate import Gate
from schemas.tables import Schema, Table

DATABASE = "aftermerge"
ROW_GROUP_SIZE = 20_480

REFRESH_ROWS = 64 * ROW_GROUP_SIZE
REFRESH_WAIT_S = 0.05
TURN_WAIT_S = 10.0
_FLUSH_THRESHOLD = "16MB"
_MEMORY_TOO_LITTLE = "1KB"

# DuckDB's advice for many rows; :meth:`Store.rows` is for few.
warnings.filterwarnings("ignore", message="Arrow output on a DB-API result", category=UserWarning)

Row = dict[str, Any]
T = TypeVar("T")
log = structlog.get_logger(__name__)


@cache
def sql(package: str, name: str) -> str:
    """Text of ``PACKAGE/sql/NAME.sql``, e.g. ``sql("correlator", "failing_spans")``."""
    return resources.files(package).joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")


class Store:
    """One DuckDB database: the facts, the inferences made of them, and the ledger.

    ``inferences`` is the catalog that unqualified inference tables resolve to: the database itself, or an
    in-memory one made by :meth:`fork` for an answer as of a past time.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        *,
        inferences: str = DATABASE,
        file: "_File | None" = None,
    ) -> None:
        self._root = connection
        self._inferences = inferences
        self._file = file or _File(connection, None)
        self._local = threading.local()
        self.write_lock = threading.RLock()

    # --- opening ---------------------------------------------------------------------------------

    @classmethod
    def open(
        cls,
        path: Path | None = None,
        *,
        memory_limit: int = 2_000_000_000,
        memory_working: int | None = None,
        memory_resting: int | None = None,
        memory_behind: int | None = None,
        threads: int = 2,
    ) -> "Store":
        """Open the file at ``path``, made when absent and upgraded when older; None: in memory, for tests.

        ``memory_limit`` bounds what DuckDB takes, bytes, its cache of the file included. With ``memory_working`` it
        takes no more than that in :meth:`at_work`, and with ``memory_resting`` no more than that otherwise, until
        that turns out to be too little: then a quarter more, up to ``memory_limit``. ``memory_behind`` is for
        :meth:`hurry`.

        Raises:
            StoreError: another process has the file, it is newer than this program, or it cannot be read.
        """
        root = duckdb.connect(":memory:", config={"threads": threads, "memory_limit": f"{memory_limit}B"})
        root.execute("SET TimeZone = 'UTC'")
        # What a statement held goes back to the system when it ends, and not only beyond 128 MB.
        root.execute(f"SET allocator_flush_threshold = '{_FLUSH_THRESHOLD}'")
        file = _File(root, path, _Memory(memory_limit, memory_working, memory_resting, memory_behind))
        try:
            file.attach()
        except duckdb.Error as error:
            root.close()
            if "lock" in str(error).lower():
                raise StoreError(
                    f"another process has {path} open",
                    hint="a server is running on this data folder: stop it, or let the command speak to it",
                    path=str(path),
                ) from error
            raise StoreError(
                f"cannot open {path}: {error}", hint="check that the file is readable", path=str(path)
            ) from error
        if path is not None:
            # What does not fit into memory is sorted and joined beside the file, not in the working directory.
            folder = str(path.parent / "tmp").replace("'", "''")
            root.execute(f"SET temp_directory = '{folder}'")
        migrations.upgrade(root, DATABASE)
        file.rest()
        return cls(root, file=file)

    def close(self) -> None:
        """Checkpoint and close. A store that is closed answers nothing."""
        self._root.close()

    def fork(self, name: str) -> "Store":
        """A store with the same facts and ledger and empty in-memory inferences of its own."""
        with self.write_lock, self._file.gate.passing():
            self._root.execute(f"ATTACH IF NOT EXISTS ':memory:' AS {name}")
            self._root.execute(f"CREATE SCHEMA IF NOT EXISTS {name}.inferences")
            for table in tables.of(Schema.INFERENCES):
                ddl = table.ddl().replace(
                    "CREATE TABLE inferences.", f"CREATE OR REPLACE TABLE {name}.inferences.", 1
                )
                self._root.execute(ddl)
        return Store(self._root, inferences=name, file=self._file)

    def at_work(self, job: Callable[[], T]) -> T:
        """What ``job`` returns, run with the memory for work; when that is too little, again, with more.

        A job that ran out of memory was cut off between two of its transactions: it must be able to begin anew.
        Another job at work is waited for, :data:`TURN_WAIT_S` at most: two at once hold twice the memory, take as long,
        and leave nothing of the processor to whoever asks. A job of a job at work is a part of it.
        """
        mine = self._file.mine
        if getattr(mine, "is_at_work", False):
            return job()
        has_turn = self._file.turn.acquire(timeout=TURN_WAIT_S)
        self._file.work()
        mine.is_at_work = True
        try:
            return self.patiently(job)
        finally:
            mine.is_at_work = False
            self._file.rest()
            if has_turn:
                self._file.turn.release()

    def patiently(self, job: Callable[[], T]) -> T:
        """What ``job`` returns, run again, with more memory, as often as it has too little and more is allowed.

        Inside a transaction it is run once, for the transaction is lost with it: who began that begins anew.
        """
        if getattr(self._local, "depth", 0):
            return job()
        while True:
            had = self._file.memory_limit
            try:
                return job()
            except duckdb.OutOfMemoryException:
                if not self._file.widen(had):
                    raise

    def hurry(self, *, is_behind: bool) -> None:
        """Take ``memory_behind`` while much waits to be stored.

        Near its limit DuckDB gives all that the process has free back to the system, up to ten times a second, and each
        load takes it anew: at full speed that is a fifth of what a span costs.
        """
        self._file.hurry(is_behind=is_behind)

    @property
    def memory_limit(self) -> int:
        """What DuckDB may take now, bytes."""
        return self._file.memory_limit

    def refresh(self) -> bool:
        """Let go of what DuckDB remembers of all that was written, when that is much and nobody is at work.

        It keeps some 150 KB of statistics for each row group of spans that was written since the file was attached,
        for good; of one that it finds in the file it reads what a query asks for. And of each block that a hash table or
        a sort ever took it keeps half a kilobyte in the queue of what could be evicted, until 32,768 of them wait there
        or something has to go: 4 MB a minute at 20,000 spans a second. True when it was done: everything waits for 50 ms.
        """
        return self._file.refresh()

    def drop_fork(self) -> None:
        """Forget the in-memory inferences of a store made by :meth:`fork`."""
        if self._inferences != DATABASE:
            with self._file.gate.passing():
                self._root.execute(f"DETACH {self._inferences}")

    # --- connections -----------------------------------------------------------------------------

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """This thread's connection; unqualified table names resolve to inferences, facts, ledger, in that order."""
        cursor: duckdb.DuckDBPyConnection | None = getattr(self._local, "cursor", None)
        if cursor is None:
            with self._file.gate.passing():
                cursor = self._root.cursor()
                cursor.execute("SET TimeZone = 'UTC'")
                path = f"{self._inferences}.inferences,{DATABASE}.facts,{DATABASE}.ledger"
                cursor.execute(f"SET search_path = '{path}'")
            self._local.cursor = cursor
        return cursor

    @contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """All or nothing on this thread's connection. A transaction inside another joins it."""
        cursor = self.cursor()
        if getattr(self._local, "depth", 0):
            yield cursor
            return
        with self._file.gate.passing():
            cursor.execute("BEGIN TRANSACTION")
            self._local.depth = 1
            try:
                yield cursor
            except BaseException:
                cursor.execute("ROLLBACK")
                raise
            else:
                cursor.execute("COMMIT")
            finally:
                self._local.depth = 0

    def _name(self, table: Table) -> str:
        catalog = self._inferences if table.schema is Schema.INFERENCES else DATABASE
        return f"{catalog}.{table.schema}.{table.name}"

    # --- writing ---------------------------------------------------------------------------------

    def append(self, table: Table, batch: pa.Table | pa.RecordBatch, *, replace: bool = False) -> int:
        """Append the rows of ``batch`` (columns as ``table`` declares them, any order) and return their number.

        A table with a key keeps the first row of a key, or the last with ``replace``; without a key all rows stay. Where
        the key has no index only ``batch`` is looked through: what was there before must be gone (:meth:`replace_all`).
        Stamps of ``table`` that ``batch`` lacks are null.
        """
        if table.key and not table.is_indexed:
            batch = _firsts(table, batch)
        if batch.num_rows == 0:
            return 0
        stamps = [c.name for c in table.stamps if c.name in batch.schema.names]
        columns = ", ".join(f'"{c}"' for c in (*table.column_names, *stamps))
        verb = "INSERT"
        if table.is_indexed:
            verb += " OR REPLACE" if replace else " OR IGNORE"
        with self.registered("aftermerge_batch", batch):
            self.execute(
                f"{verb} INTO {self._name(table)} ({columns}) SELECT {columns} FROM aftermerge_batch"
            )
        if table.schema is Schema.FACTS:
            self._file.written_rows += batch.num_rows
        return int(batch.num_rows)

    def append_rows(self, table: Table, rows: Iterable[Mapping[str, Any]], *, replace: bool = False) -> int:
        """:meth:`append` for a handful of mappings; absent columns are null, aware times become UTC."""
        return self.append(table, arrow(table, rows), replace=replace)

    def replace_all(self, table: Table, batch: pa.Table) -> None:
        """Make ``batch`` the whole content of ``table``."""
        with self.write_lock, self.transaction() as cursor:
            cursor.execute(f"DELETE FROM {self._name(table)}")
            self.append(table, batch)

    @contextmanager
    def registered(self, name: str, batch: pa.Table) -> Iterator[None]:
        """Statements of this thread in here read ``batch`` as a table of this name."""
        cursor = self.cursor()
        # To name a table is a statement too: it asks for the catalog, which a refresh takes away for a moment.
        with self._file.gate.passing():
            cursor.register(name, batch)
        try:
            yield
        finally:
            with self._file.gate.passing():
                cursor.unregister(name)

    def execute(self, text: str, **parameters: Any) -> None:
        """Run one statement that returns nothing."""
        with self._file.gate.passing():
            self.patiently(lambda: self.cursor().execute(text, _bound(parameters)))

    # --- reading ---------------------------------------------------------------------------------

    def arrow(self, text: str, **parameters: Any) -> pa.Table:
        """Rows of one query as an Arrow table; times are naive UTC. ``parameters`` are named (``$since``)."""
        with self._file.gate.passing():
            return self.patiently(lambda: self.cursor().sql(text, params=_bound(parameters)).to_arrow_table())

    def batches(
        self, text: str, *, rows_per_batch: int = ROW_GROUP_SIZE, **parameters: Any
    ) -> Generator[pa.RecordBatch, None, None]:
        """:meth:`arrow` piece by piece, for more rows than memory should hold.

        This thread can run no other statement until the last piece was taken or the iterator was closed.
        """
        with self._file.gate.passing():
            reader = self.cursor().sql(text, params=_bound(parameters)).to_arrow_reader(rows_per_batch)
            try:
                yield from reader
            finally:
                reader.close()

    def rows(self, text: str, **parameters: Any) -> list[Row]:
        """Rows of one query as mappings; times are timezone-aware UTC. For few rows: two thirds of the CPU of :meth:`arrow`."""
        with self._file.gate.passing():
            # Not as a relation, which is bound once to tell its columns and once more to run.
            found = self.patiently(lambda: self.cursor().execute(text, _bound(parameters)).to_arrow_table())
        return aware_rows(found)

    def row(self, text: str, **parameters: Any) -> Row | None:
        """The first row of one query, or None."""
        found = self.rows(text, **parameters)
        return found[0] if found else None

    def value(self, text: str, **parameters: Any) -> Any:
        """The single value of a one-column query, or None."""
        found = self.row(text, **parameters)
        return None if found is None else next(iter(found.values()))

    def digest(self, table: Table) -> str:
        """SHA-256 over the rows in key order: equal content, equal digest, on any machine."""
        total = hashlib.sha256(table.qualified_name.encode())
        order = ", ".join(f'"{c}"' for c in (table.key or table.column_names))
        columns = ", ".join(f'"{c}"' for c in table.column_names)
        lines = self.arrow(
            f"SELECT sha256(row({columns})::VARCHAR) AS h FROM {self._name(table)} ORDER BY {order}"
        )
        for line in lines["h"].to_pylist():
            total.update(line.encode())
        return total.hexdigest()


class _Memory:
    """How much memory DuckDB may take, bytes: at most, and by how much there is to do."""

    def __init__(
        self, limit: int, working: int | None = None, resting: int | None = None, behind: int | None = None
    ) -> None:
        self.limit = limit
        wanted = {"working": working or limit, "resting": resting or limit, "behind": behind or limit}
        self.levels = {level: min(size, limit) for level, size in wanted.items()}


class _File:
    """The attached database: how much memory DuckDB takes for it, and who is in it."""

    def __init__(
        self, root: duckdb.DuckDBPyConnection, path: Path | None, memory: "_Memory | None" = None
    ) -> None:
        self._root, self._path, self._memory = root, path, memory
        self._lock = threading.Lock()
        self._at_work = 1
        self._is_behind = False
        self._is_attached = self._is_saved = False
        self.gate = Gate()
        self.turn = threading.Lock()
        self.mine = threading.local()
        self.written_rows = 0

    def attach(self) -> None:
        target = ":memory:" if self._path is None else str(self._path).replace("'", "''")
        options = "" if self._path is None else f" (ROW_GROUP_SIZE {ROW_GROUP_SIZE})"
        self._root.execute(f"ATTACH '{target}' AS {DATABASE}{options}")
        self._is_attached = True

    def refresh(self) -> bool:
        if self._path is None or (self.written_rows < REFRESH_ROWS and self._is_attached):
            return False
        if self._is_attached and not self._is_saved:
            # While others may go on; what is written now the gate need not stay closed for.
            with suppress(duckdb.Error), self._root.cursor() as cursor:
                cursor.execute(f"CHECKPOINT {DATABASE}")
            self._is_saved = True
        with self.gate.taken(REFRESH_WAIT_S) as is_alone:
            if is_alone:
                if self._is_attached:
                    self._root.execute(f"DETACH {DATABASE}")
                    self._is_attached = False
                self._evict()
                # Where this fails the store answers nothing; the next call tries again.
                self.attach()
                self.written_rows, self._is_saved = 0, False
            return is_alone

    def _evict(self) -> None:
        """Empty the queue of what could be evicted: a limit below what is in use is refused, but only after that."""
        with self._lock:
            with suppress(duckdb.Error):
                self._root.execute(f"SET memory_limit = '{_MEMORY_TOO_LITTLE}'")
            self._set()

    @property
    def memory_limit(self) -> int:
        return self._memory.levels[self._level] if self._memory else 0

    @property
    def _level(self) -> str:
        return "behind" if self._is_behind else "working" if self._at_work else "resting"

    def hurry(self, *, is_behind: bool) -> None:
        with self._lock:
            if self._is_behind != is_behind:
                self._is_behind = is_behind
                self._set()

    def work(self) -> None:
        with self._lock:
            self._at_work += 1
            if self._at_work == 1:
                self._set()

    def rest(self) -> None:
        with self._lock:
            self._at_work -= 1
            if self._at_work == 0:
                self._set()

    def widen(self, had: int) -> bool:
        """Allow a quarter more than ``had``, which was too little; False when that is not allowed."""
        with self._lock:
            if self._memory is None or had >= self._memory.limit:
                return False
            if self.memory_limit <= had:
                more = min(had * 5 // 4, self._memory.limit)
                self._memory.levels[self._level] = more
                log.warning("memory_raised", bytes=more, bytes_max=self._memory.limit)
            self._set()
            return True

    def _set(self) -> None:
        if self._memory is not None:
            # Lowered below what is in use it stays as it was; the next change tries again.
            with suppress(duckdb.Error), self._root.cursor() as cursor:
                cursor.execute(f"SET memory_limit = '{self.memory_limit}B'")


def _firsts(table: Table, batch: pa.Table | pa.RecordBatch) -> pa.Table | pa.RecordBatch:
    """The first row of each key. That there are others is a fault of ours, and is told."""
    key = list(table.key)
    rows = pa.table(batch).select(key).append_column("row", pa.array(range(batch.num_rows), pa.int64()))
    firsts = rows.group_by(key, use_threads=False).aggregate([("row", "min")])["row_min"]
    if len(firsts) == batch.num_rows:
        return batch
    log.error("rows_of_one_key", table=table.name, key=key, dropped=batch.num_rows - len(firsts))
    return batch.take(firsts.sort())


def arrow(table: Table, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Mappings as an Arrow table with the columns and types of ``table``; absent columns are null."""
    listed = list(rows)
    arrays = [
        pa.array([_naive(row.get(c.name)) for row in listed], type=_buildable(c.type.arrow))
        for c in table.columns
    ]
    return pa.table(dict(zip(table.column_names, arrays, strict=True)))


def aware_rows(batch: pa.Table) -> list[Row]:
    """The rows of ``batch`` as mappings, with naive times stated as the UTC that they are."""
    columns = [_python(column) for column in batch.columns]
    names = batch.column_names
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _python(column: pa.ChunkedArray) -> list[Any]:
    """The values of one column. Equal texts are one object: of a hundred thousand failures hardly any is unlike all
    others, and a stack trace is two thousand characters."""
    if pa.types.is_string(column.type):
        encoded = column.combine_chunks().dictionary_encode()
        texts = encoded.dictionary.to_pylist()
        return [None if place is None else texts[place] for place in encoded.indices.to_pylist()]
    if pa.types.is_timestamp(column.type) and column.type.tz is None:
        # Through numpy: Arrow makes each time by looking its zone up anew, twenty times as slowly.
        naive = column.cast(pa.timestamp("us"), safe=False).to_numpy().astype(object).tolist()
        return [None if time is None else time.replace(tzinfo=UTC) for time in naive]
    return list(column.cast(_zoned(column.type), safe=False).to_pylist())


def _zoned(type_: pa.DataType) -> pa.DataType:
    """``type_`` with every naive time, nested ones too, as microseconds UTC: Python knows no nanoseconds."""
    if pa.types.is_timestamp(type_) and type_.tz is None:
        return pa.timestamp("us", tz="UTC")
    if pa.types.is_struct(type_):
        return pa.struct([pa.field(f.name, _zoned(f.type)) for f in type_])
    if pa.types.is_list(type_) and not pa.types.is_map(type_):
        return pa.list_(_zoned(type_.value_type))
    return type_


def _buildable(type_: pa.DataType) -> pa.DataType:
    """``type_`` with ids as text: Arrow builds no UUID array from Python values, and DuckDB casts text on insert."""
    if isinstance(type_, pa.UuidType):
        return pa.string()
    if pa.types.is_struct(type_):
        return pa.struct([pa.field(f.name, _buildable(f.type)) for f in type_])
    if pa.types.is_map(type_):
        return type_
    if pa.types.is_list(type_):
        return pa.list_(_buildable(type_.value_type))
    return type_


def _naive(value: Any) -> Any:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None)
    return value


def _bound(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _naive(value) for key, value in parameters.items()}
