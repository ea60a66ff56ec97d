"""The correlator's shell: reads facts, has them inferred from, writes the inferences in one transaction.

With ``root_causes.py``, ``trace_rows.py``, ``line_owners.py`` and ``drift.py``, which keep up with failing spans, the
traces that show them, lines and hourly counts, the only files of this room that touch the store.
``correlate`` writes what holds as of a time; ``rebuild`` deletes every inference and gets the same bytes again;
``fork`` answers for the past and leaves the present as it is.
"""

import hashlib
import json
import re
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import zstandard

from correlator import (
    backtest,
    backtest_figures,
    categories,
    drift,
    failing_code,
    fingerprint,
    histories,
    instances,
    line_owners,
    ownership,
    root_causes,
    said,
    tokens,
    weights,
)
from correlator.backtest import Case
from correlator.blind import Rewind
from correlator.catalogue import catalogue
from correlator.hindsight import Hindsight
from correlator.inference import Facts, Inference
from correlator.original_frames import OriginalFrames
from correlator.trace_rows import TraceRows
from correlator.traffic import Operation
from schemas import tables
from schemas.errors import StoreError
from schemas.records import AttestedLines, RepositoryPort
from schemas.settings import Settings
from schemas.store import Row, Store, arrow, sql
from schemas.tables import Schema, Table
from schemas.vocabulary import Origin

T = TypeVar("T")
SHAPING_SETTINGS = {"services", "production_environments", "sampling_ratio"}
HISTORIES_HELD = 2
WORKING = (*root_causes.WORKING, *line_owners.WORKING, *drift.WORKING)
INFERENCES = tuple(t for t in tables.of(Schema.INFERENCES) if t not in (tables.CORRELATION_RUNS, *WORKING))
_MARK_ROWS = 65_536
_TRACE_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Correlation:
    """What one correlation did. ``digest`` is over every inference table but the log of runs."""

    as_of: datetime
    facts_digest: str
    digest: str
    is_new: bool
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class _Written:
    """Content of one inference table: ``mark`` of the rows in the order in which they were inferred, ``digest`` in key order."""

    mark: bytes
    digest: str


@dataclass(frozen=True, slots=True)
class _Said:
    """``now``: what the last correlation said. ``last``: the newest version in the ledger, which may say nearly the same."""

    now: Mapping[said.Key, Mapping[str, Any]]
    last: Mapping[said.Key, Mapping[str, Any]]


class Correlator:
    """Infers from the facts of one store. Thread-safe: correlations wait for each other.

    ``on_written`` is called, when it is set, in the transaction that writes new inferences: it reads what everybody reads
    once it has returned. Where it raises StoreError the inferences are written without it.
    """

    def __init__(self, store: Store, port: RepositoryPort, settings: Settings) -> None:
        self._store = store
        self._port = port
        self._settings = settings
        self.on_written: Callable[[], None] | None = None
        self._lock = threading.Lock()
        self._histories: dict[str, dict[str, histories.History]] = {}
        self._verdicts: histories.Verdicts = {}
        self._written_tables: dict[str, _Written] = {}
        self._said: _Said | None = None
        self._codes = failing_code.Codes(port)
        self._traces = TraceRows(store)

    def correlate(self, *, as_of: datetime, force: bool = False) -> Correlation:
        """Infer everything as of ``as_of`` (UTC); a run over unchanged facts writes nothing unless ``force``."""

        def job() -> Correlation:
            facts = self._facts_digest(as_of)
            last = self._store.row("SELECT * FROM correlation_runs")
            if last and last["facts_digest"] == facts and last["rules"] == rules() and not force:
                return Correlation(last["as_of"], facts, last["inferences_digest"], False, {})
            return self._written(self._store, as_of, facts)

        return self._in_turn(job)

    def rebuild(self, *, now: datetime) -> Correlation:
        """Delete every inference, forget what memory holds, and infer again as of the last correlation, else ``now``."""

        def job() -> Correlation:
            last = self._store.row("SELECT * FROM correlation_runs")
            as_of = last["as_of"] if last else now
            with self._store.transaction():
                self._keep_former_verdicts()
                # With the last run's row, or a rebuild that is cut off would pass for one that had nothing to do.
                for table in (*INFERENCES, *WORKING, tables.CORRELATION_RUNS):
                    self._store.replace_all(table, arrow(table, []))
            self._histories.clear()
            self._verdicts.clear()
            self._codes = failing_code.Codes(self._port)
            self._traces = TraceRows(self._store)
            self._written_tables.clear()
            return self._written(self._store, as_of, self._facts_digest(as_of))

        return self._in_turn(job)

    def originals(self, *, as_of: datetime) -> OriginalFrames:
        """The source maps that had been uploaded by then."""
        known = self._store.rows(sql("correlator", "source_maps"), until=as_of)
        return OriginalFrames(known, _StoreReader(self._store, as_of).source_map)

    def read_histories(self, *, as_of: datetime) -> list[histories.History]:
        """What git alone tells of every repository as of ``as_of`` (UTC); writes no answer."""
        with self._lock:
            return self._read_histories(as_of)

    def backtest(self, *, as_of: datetime, after: timedelta = backtest.AFTER) -> dict[str, Any]:
        """What the team said later of its failures until ``as_of``, and what we would have said ``after`` each began.

        Returns:
            ``backtest_figures.figures`` with ``as_of``, ``after_s``, ``rules`` and ``cases``, rows of ``backtest.cases``.
        """
        found, counts = self._store.at_work(lambda: self._tried(as_of, after))
        figures = backtest_figures.figures(found, counts)
        told = {"as_of": as_of, "after_s": after.total_seconds(), "rules": json.loads(rules())}
        return told | figures | {"cases": [case.row for case in found]}

    def _tried(self, as_of: datetime, after: timedelta) -> tuple[list[Case], dict[str, int]]:
        with self._lock:
            facts = self._read(self._store, as_of)
        try:
            reader = _StoreReader(self._store, as_of)
            present = Hindsight(facts, reader, self._port, self._settings)
            rewind = Rewind(present, facts, reader, self._port, self._settings)
            return backtest.cases(present, rewind, self._port, after=after, as_of=as_of)
        finally:
            self._store.execute("DROP TABLE IF EXISTS hours_until")

    def fork(self, name: str, *, as_of: datetime) -> Store:
        """A store whose inferences hold as of a past time; the caller drops it (``drop_fork``)."""

        def job() -> Store:
            forked = self._store.fork(name)
            try:
                self._written(forked, as_of, self._facts_digest(as_of))
            except BaseException:
                forked.drop_fork()
                raise
            return forked

        return self._in_turn(job)

    def _in_turn(self, job: Callable[[], T]) -> T:
        """``job`` alone, at work. The turn first: who has it must not wait for somebody who waits for it."""

        def alone() -> T:
            with self._lock:
                return job()

        return self._store.at_work(alone)

    def _written(self, store: Store, as_of: datetime, facts: str) -> Correlation:
        run = Inference(
            self._read(store, as_of),
            _StoreReader(self._store, as_of, store, self._traces if store is self._store else None),
            self._port,
            self._settings,
            self._codes,
        )
        inferred = {
            table.name: rows if isinstance(rows, pa.Table) else arrow(table, rows)
            for table, rows in run.tables().items()
        }
        self._store.execute("DROP TABLE hours_until")
        on_written = self.on_written if store is self._store else None
        try:
            digest = self._put_all(store, inferred, as_of, facts, on_written)
        except StoreError:
            if on_written is None:
                raise
            digest = self._put_all(store, inferred, as_of, facts, None)
        return Correlation(as_of, facts, digest, True, {name: t.num_rows for name, t in inferred.items()})

    def _put_all(
        self,
        store: Store,
        inferred: Mapping[str, pa.Table],
        as_of: datetime,
        facts: str,
        on_written: Callable[[], None] | None,
    ) -> str:
        """Make ``inferred`` what ``store`` holds, and return its digest."""
        known = self._written_tables if store is self._store else {}
        with ExitStack() as writing:
            # Only while rows are written: others wait for it.
            writing.enter_context(store.write_lock)
            with store.transaction():
                if store is self._store:
                    self._keep_former_verdicts()
                # Those are up to date by themselves; in an answer for the past they are not.
                kept = line_owners.KEPT if store is self._store else ()
                newly_said = self._keep_what_is_said(inferred, as_of, facts) if store is self._store else None
                written = {
                    t.name: _put(store, t, inferred[t.name], known.get(t.name), is_kept=t in kept)
                    for t in INFERENCES
                }
                digest = hashlib.sha256("".join(w.digest for w in written.values()).encode()).hexdigest()
                row = {"as_of": as_of, "facts_digest": facts, "rules": rules(), "inferences_digest": digest}
                store.replace_all(tables.CORRELATION_RUNS, arrow(tables.CORRELATION_RUNS, [row]))
                writing.close()
                if on_written is not None:
                    on_written()
        if store is self._store:
            self._written_tables, self._said = written, newly_said
        return digest

    def _keep_former_verdicts(self) -> None:
        """What another version of the catalogue said of each commit goes to the ledger before it is replaced."""
        self._store.execute(sql("correlator", "keep_former_verdicts"), catalogue_version=catalogue().version)

    def _keep_what_is_said(self, inferred: Mapping[str, pa.Table], as_of: datetime, facts: str) -> "_Said":
        """Answers that changed in substance go to the ledger, beside what was said before."""
        named = {
            "attributions": tables.INCIDENT_ATTRIBUTIONS,
            "states": tables.INCIDENT_STATES,
            "links": tables.INCIDENT_LINKS,
            "suspects": tables.GROUP_SUSPECTS,
        }
        now = said.answers(**{name: inferred[table.name].to_pylist() for name, table in named.items()})
        known = self._said
        if known is None:
            rows = self._store.rows(sql("correlator", "last_said"))
            known = _Said({}, {(row["subject"], row["subject_id"]): row for row in rows})
        moved = {key: answer for key, answer in now.items() if known.now.get(key) != answer}
        fresh = said.versions(moved, known.last, said_at=as_of, facts_digest=facts)
        self._store.append_rows(tables.SAID_ATTRIBUTIONS, fresh)
        newest = {(row["subject"], row["subject_id"]): row for row in fresh}
        return _Said(now, {**known.last, **newest})

    def _read_histories(self, as_of: datetime) -> list[histories.History]:
        """What every repository's history says; kept in memory until something that it depends on changes."""
        store, found = self._store, []
        rows = store.rows("SELECT * FROM repositories ORDER BY repository")
        line_owners.forget_others(store, [row["repository"] for row in rows])
        for row in rows:
            asked = {"repository": row["repository"], "until": as_of}
            key = str(store.value(sql("correlator", "history_key"), **asked))
            known = self._histories.setdefault(row["repository"], {})
            if key not in known:
                line_owners.follow(store, row["repository"])
                facts = histories.GitFacts(
                    repository=row,
                    commits=store.rows(sql("correlator", "git_commits"), **asked),
                    notes=_notes(store, row["repository"]),
                    mainline=store.arrow(sql("correlator", "git_mainline"), **asked),
                    change_paths=store.arrow(sql("correlator", "git_change_paths"), **asked),
                    hunks=store.arrow(sql("correlator", "git_hunks"), **asked),
                    change_requests=store.rows(sql("correlator", "git_change_requests"), **asked),
                    lines=line_owners.read(store, **asked),
                    side_paths=store.rows(sql("correlator", "git_side_paths"), **asked),
                    traced=_traced(store, **asked),
                    overrides={
                        row["sha"]: row
                        for row in store.rows(sql("correlator", "provenance_overrides"), **asked)
                    },
                )
                known[key] = histories.infer(facts, self._verdicts)
                # The present and one past, so that a report of last week does not cost the next correlation.
                while len(known) > HISTORIES_HELD:
                    known.pop(next(iter(known)))
            known[key] = known.pop(key)
            found.append(known[key])
        return found

    def _read(self, working: Store, as_of: datetime) -> Facts:
        """The facts as of a time. ``working``: where the root causes of that time are kept."""
        store, asked = self._store, {"until": as_of}
        # First, while little was counted that started after ``as_of``: its hour is then not read from raw spans.
        with store.transaction():
            counted = sql("correlator", "operation_hours")
            store.execute(
                f"CREATE OR REPLACE TEMP TABLE hours_until AS {counted}", **asked, **uncounted(store, as_of)
            )
        incident_events = store.rows(sql("correlator", "incident_events"), **asked)
        named = {
            e["trace_id"] for e in incident_events if e["trace_id"] and _TRACE_ID.fullmatch(e["trace_id"])
        }
        root_causes.follow(working, until=as_of)
        drift.follow(working, until=as_of)
        return Facts(
            as_of=as_of,
            histories=self._read_histories(as_of),
            repositories=store.rows("SELECT * FROM repositories ORDER BY repository"),
            shapes=root_causes.read(working, until=as_of, named=named),
            service_hours=store.rows(sql("correlator", "service_hours")),
            drifts=drift.read(working),
            deployments=store.rows(sql("correlator", "deployments"), **asked),
            running_names=store.rows(sql("correlator", "running_names")),
            builds=store.rows(sql("correlator", "artifacts"), **asked),
            flag_hours=store.rows(sql("correlator", "flag_hours"), **asked),
            setting_changes=store.rows(sql("correlator", "setting_changes"), **asked),
            service_mappings=store.rows("SELECT * FROM service_mappings ORDER BY service"),
            repository_urls=store.rows(sql("correlator", "repository_urls")),
            incident_events=incident_events,
            verdicts=store.rows(sql("correlator", "verdicts"), **asked),
            code_mappings=store.rows("SELECT * FROM code_mappings ORDER BY service, prefix"),
            source_maps=store.rows(sql("correlator", "source_maps"), **asked),
            groupings=store.rows(sql("correlator", "groupings"), **asked),
        )

    def _facts_digest(self, as_of: datetime) -> str:
        """SHA-256 over the sizes and newest receipts of the facts as of ``as_of``, and the settings that shape answers."""
        told = str(self._store.value(sql("correlator", "facts_digest"), until=as_of))
        settings = self._settings.model_dump_json(include=SHAPING_SETTINGS)
        return hashlib.sha256(f"{told}|{settings}".encode()).hexdigest()


class _StoreReader:
    """``inference.Reader`` over a store, as of a time."""

    def __init__(
        self,
        store: Store,
        as_of: datetime,
        working: Store | None = None,
        traces: TraceRows | None = None,
    ) -> None:
        """``working``: where the root causes of that time are kept, unless in ``store``. ``traces``: rows of traces that
        are known from earlier runs."""
        self._store = store
        self._known_traces = traces or TraceRows(store)
        self._working = working or store
        self._as_of = as_of

    @cached_property
    def _traces(self) -> TraceRows:
        self._known_traces.follow(until=self._as_of)
        return self._known_traces

    def hunks(self, changes: set[tuple[str, str]]) -> dict[str, list[Row]]:
        found: dict[str, list[Row]] = {}
        if changes:
            shas = sorted({sha for _, sha in changes})
            for row in self._store.rows(sql("correlator", "candidate_hunks"), shas=shas):
                if (row["repository"], row["sha"]) in changes:
                    found.setdefault(row["sha"], []).append(row)
        return found

    def traffic(self, operations: Collection[Operation]) -> list[Row]:
        if not operations:
            return []
        columns = [pa.array(column, pa.string()) for column in zip(*operations, strict=True)]
        asked = pa.table(columns, names=["service", "environment", "operation"])
        with self._store.registered("asked_operations", asked):
            return self._store.rows(sql("correlator", "operation_traffic"))

    def serving(self, routes: Collection[str], until: datetime) -> list[Row]:
        if not routes:
            return []
        return self._store.rows(sql("correlator", "serving_services"), routes=sorted(routes), until=until)

    def watched(self, asked: Sequence[Mapping[str, Any]]) -> list[Row]:
        if not asked:
            return []
        naive = [{key: _naive(value) for key, value in row.items()} for row in asked]
        with self._store.registered("asked_incidents", pa.Table.from_pylist(naive)):
            return self._store.rows(sql("correlator", "watched_incidents"))

    def durations(self, asked: Sequence[Mapping[str, Any]]) -> list[Row]:
        if not asked:
            return []
        naive = [{key: _naive(value) for key, value in row.items()} for row in asked]
        with self._store.registered("asked_incidents", pa.Table.from_pylist(naive)):
            return self._store.rows(sql("correlator", "incident_durations"))

    def instances(self, shapes: Sequence[Mapping[str, Any]], until: datetime) -> list[Row]:
        if not shapes:
            return []
        asked = pa.table(
            {
                "group_id": pa.array([row["group_id"] for row in shapes], pa.string()),
                "shape_id": pa.array([row["shape_id"] for row in shapes], pa.uint64()),
            }
        )
        with self._working.registered("asked_shapes", asked):
            failed = self._working.rows(
                sql("correlator", "instance_failures"), until=until, **instances.LOOKED_AT
            )
        found: list[Row] = []
        # Each stretch of time by itself: nothing between them is read.
        for since, last, rows in instances.stretches(failed):
            told = pa.Table.from_pylist([{key: _naive(value) for key, value in row.items()} for row in rows])
            with self._working.registered("lone_failures", told):
                traffic = sql("correlator", "instance_traffic")
                found += self._working.rows(traffic, since=since, until=min(last, until))
        return found

    def trace_spans(self, trace_ids: Sequence[str]) -> list[Row]:
        return self._traces.spans(trace_ids)

    def trace_exceptions(self, trace_ids: Sequence[str]) -> list[Row]:
        return self._traces.exceptions(trace_ids)

    def source_map(self, service: str, version: str, file: str) -> bytes:
        asked = {"service": service, "version": version, "file": file}
        row = self._store.row(
            "SELECT content FROM source_maps WHERE service = $service AND version = $version AND file = $file",
            **asked,
        )
        assert row is not None, "it was listed in this transaction's facts"
        return zstandard.decompress(row["content"])


@cache
def _code() -> str:
    """SHA-256 of all that this package holds, 12 hex digits: another program infers anew, whatever it says of itself."""
    digest = hashlib.sha256()
    folder = Path(__file__).parent
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".py", ".sql", ".toml"):
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def rules() -> str:
    """Versions of every rule that shapes an inference, as JSON."""
    versions: Mapping[str, str] = {
        "catalogue": catalogue().version,
        "categories": categories.VERSION,
        "code": _code(),
        "drift": drift.rules(),
        "fingerprint": fingerprint.VERSION,
        "ownership": ownership.VERSION,
        "weights": weights.load().version,
        "words": tokens.version(),
    }
    return json.dumps(versions, sort_keys=True)


def uncounted(store: Store, until: datetime) -> dict[str, Any]:
    """What ``operation_hours.sql`` must read from raw spans: its parameters ``first_ns``, ``last_ns`` and ``partial_at``."""
    found = store.row(sql("correlator", "uncounted_spans"), until=until)
    assert found is not None
    hour_at = found["parted_at"]
    # Raw spans that are gone cannot part an hour; to count them is a scan of it.
    if hour_at is not None:
        raw = store.value(sql("correlator", "raw_spans_of_hour"), hour_at=hour_at)
        hour_at = hour_at if raw >= found["parted_count"] else None
    return {"first_ns": found["first_ns"], "last_ns": found["last_ns"], "partial_at": hour_at}


def _put(store: Store, table: Table, rows: pa.Table, known: _Written | None, *, is_kept: bool) -> _Written:
    """Make ``rows`` the content of ``table``, unless it is: ``known`` is what this process wrote last, ``is_kept`` says
    that somebody else keeps it."""
    mark = hashlib.sha256(rows.schema.serialize())
    for batch in rows.combine_chunks().to_batches(max_chunksize=_MARK_ROWS):
        mark.update(batch.serialize())
    if known is not None and known.mark == mark.digest():
        return known
    if not is_kept:
        store.replace_all(table, rows)
    return _Written(mark.digest(), store.digest(table))


def _naive(value: Any) -> Any:
    return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) else value


def _traced(store: Store, **asked: object) -> dict[str, tuple[AttestedLines, ...]]:
    found: dict[str, list[AttestedLines]] = {}
    for row in store.rows(sql("correlator", "git_attested_lines"), **asked):
        line = AttestedLines(
            path=row["path"],
            start=row["start_line"],
            end=row["end_line"],
            origin=Origin(row["origin"]),
            tool=row["tool"],
            model=row["model"],
        )
        found.setdefault(row["sha"], []).append(line)
    return {sha: tuple(lines) for sha, lines in found.items()}


def _notes(store: Store, repository: str) -> dict[str, str]:
    rows = store.rows(sql("correlator", "git_notes"), repository=repository)
    return {row["sha"]: row["text"] for row in rows}
