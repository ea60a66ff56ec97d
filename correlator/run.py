"""The correlator's shell: reads facts, has them inferred from, writes the inferences in one transaction.

With ``root_causes.py``, which keeps up with the failing spans, and ``drift.py``, which keeps up with the hourly counts,
the only file of this room that touches the store.
``correlate`` writes what holds as of a time; ``rebuild`` deletes every inference and gets the same bytes again;
``fork`` answers for the past and leaves the present as it is.
"""

import hashlib
import json
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from correlator import categories, drift, fingerprint, histories, root_causes, tokens, weights
from correlator.catalogue import catalogue
from correlator.inference import Facts, Inference
from schemas import tables
from schemas.records import RepositoryPort
from schemas.settings import Settings
from schemas.store import Row, Store, arrow, sql
from schemas.tables import Schema

SHAPING_SETTINGS = {"services", "production_environments", "sampling_ratio"}
WORKING = (*root_causes.WORKING, *drift.WORKING)
INFERENCES = tuple(t for t in tables.of(Schema.INFERENCES) if t not in (tables.CORRELATION_RUNS, *WORKING))
_TRACE_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Correlation:
    """What one correlation did. ``digest`` is over every inference table but the log of runs."""

    as_of: datetime
    facts_digest: str
    digest: str
    is_new: bool
    counts: dict[str, int]


class Correlator:
    """Infers from the facts of one store. Thread-safe: correlations wait for each other."""

    def __init__(self, store: Store, port: RepositoryPort, settings: Settings) -> None:
        self._store = store
        self._port = port
        self._settings = settings
        self._lock = threading.Lock()
        self._histories: dict[str, tuple[str, histories.History]] = {}
        self._verdicts: histories.Verdicts = {}

    def correlate(self, *, as_of: datetime, force: bool = False) -> Correlation:
        """Infer everything as of ``as_of`` (UTC); a run over unchanged facts writes nothing unless ``force``."""
        with self._lock:
            facts = self._facts_digest(as_of)
            last = self._store.row("SELECT * FROM correlation_runs")
            if last and last["facts_digest"] == facts and last["rules"] == rules() and not force:
                return Correlation(last["as_of"], facts, last["inferences_digest"], False, {})
            return self._write(self._store, as_of, facts)

    def rebuild(self, *, now: datetime) -> Correlation:
        """Delete every inference, forget what memory holds, and infer again as of the last correlation, else ``now``."""
        with self._lock:
            last = self._store.row("SELECT * FROM correlation_runs")
            as_of = last["as_of"] if last else now
            with self._store.transaction():
                for table in (*INFERENCES, *WORKING):
                    self._store.replace_all(table, arrow(table, []))
            self._histories.clear()
            self._verdicts.clear()
            return self._write(self._store, as_of, self._facts_digest(as_of))

    def fork(self, name: str, *, as_of: datetime) -> Store:
        """A store whose inferences hold as of a past time; the caller drops it (``drop_fork``)."""
        with self._lock:
            forked = self._store.fork(name)
            self._write(forked, as_of, self._facts_digest(as_of))
            return forked

    def _write(self, store: Store, as_of: datetime, facts: str) -> Correlation:
        with self._store.at_work():
            return self._written(store, as_of, facts)

    def _written(self, store: Store, as_of: datetime, facts: str) -> Correlation:
        run = Inference(
            self._read(store, as_of), _StoreReader(self._store, as_of), self._port, self._settings
        )
        inferred = {
            table.name: rows if isinstance(rows, pa.Table) else arrow(table, rows)
            for table, rows in run.tables().items()
        }
        with store.write_lock, store.transaction():
            for table in INFERENCES:
                store.replace_all(table, inferred[table.name])
            digest = store.digest(INFERENCES)
            row = {"as_of": as_of, "facts_digest": facts, "rules": rules(), "inferences_digest": digest}
            store.replace_all(tables.CORRELATION_RUNS, arrow(tables.CORRELATION_RUNS, [row]))
        return Correlation(as_of, facts, digest, True, {name: t.num_rows for name, t in inferred.items()})

    def _read_histories(self, as_of: datetime) -> list[histories.History]:
        """What every repository's history says; kept in memory until something that it depends on changes."""
        store, found = self._store, []
        for row in store.rows("SELECT * FROM repositories ORDER BY repository"):
            asked = {"repository": row["repository"], "until": as_of}
            key = str(store.value(sql("correlator", "history_key"), **asked))
            known = self._histories.get(row["repository"])
            if known is None or known[0] != key:
                facts = histories.GitFacts(
                    repository=row,
                    commits=store.rows(sql("correlator", "git_commits"), **asked),
                    notes=_notes(store, row["repository"]),
                    mainline=store.arrow(sql("correlator", "git_mainline"), **asked),
                    change_paths=store.arrow(sql("correlator", "git_change_paths"), **asked),
                    hunks=store.arrow(sql("correlator", "git_hunks"), **asked),
                    change_requests=store.rows(sql("correlator", "git_change_requests"), **asked),
                )
                known = (key, histories.infer(facts, self._verdicts))
                self._histories[row["repository"]] = known
            found.append(known[1])
        return found

    def _read(self, working: Store, as_of: datetime) -> Facts:
        """The facts as of a time. ``working``: where the root causes of that time are kept."""
        store, asked = self._store, {"until": as_of}
        # First, while little was counted that started after ``as_of``: its hour is then not read from raw spans.
        with store.transaction():
            uncounted = store.row(sql("correlator", "uncounted_spans"), **asked)
            assert uncounted is not None
            hours = store.rows(sql("correlator", "operation_hours"), **asked, **uncounted)
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
            drifts=drift.read(working),
            operation_hours=hours,
            deployments=store.rows(sql("correlator", "deployments"), **asked),
            service_mappings=store.rows("SELECT * FROM service_mappings ORDER BY service"),
            repository_urls=store.rows(sql("correlator", "repository_urls")),
            incident_events=incident_events,
            verdicts=store.rows(sql("correlator", "verdicts"), **asked),
        )

    def _facts_digest(self, as_of: datetime) -> str:
        """SHA-256 over the sizes and newest receipts of the facts as of ``as_of``, and the settings that shape answers."""
        told = str(self._store.value(sql("correlator", "facts_digest"), until=as_of))
        settings = self._settings.model_dump_json(include=SHAPING_SETTINGS)
        return hashlib.sha256(f"{told}|{settings}".encode()).hexdigest()


class _StoreReader:
    """``inference.Reader`` over a store, as of a time."""

    def __init__(self, store: Store, as_of: datetime) -> None:
        self._store = store
        self._as_of = as_of

    def hunks(self, changes: set[tuple[str, str]]) -> dict[str, list[Row]]:
        found: dict[str, list[Row]] = {}
        if changes:
            shas = sorted({sha for _, sha in changes})
            for row in self._store.rows(sql("correlator", "candidate_hunks"), shas=shas):
                if (row["repository"], row["sha"]) in changes:
                    found.setdefault(row["sha"], []).append(row)
        return found

    def trace_spans(self, trace_ids: Sequence[str]) -> list[Row]:
        return self._of_traces("trace_services", trace_ids)

    def trace_exceptions(self, trace_ids: Sequence[str]) -> list[Row]:
        return self._of_traces("trace_exceptions", trace_ids)

    def _of_traces(self, name: str, trace_ids: Sequence[str]) -> list[Row]:
        if not trace_ids:
            return []
        return self._store.rows(sql("correlator", name), trace_ids=list(trace_ids), until=self._as_of)


def rules() -> str:
    """Versions of every rule that shapes an inference, as JSON."""
    versions: Mapping[str, str] = {
        "catalogue": catalogue().version,
        "categories": categories.VERSION,
        "drift": drift.rules(),
        "fingerprint": fingerprint.VERSION,
        "weights": weights.load().version,
        "words": tokens.version(),
    }
    return json.dumps(versions, sort_keys=True)


def _notes(store: Store, repository: str) -> dict[str, str]:
    rows = store.rows(sql("correlator", "git_notes"), repository=repository)
    return {row["sha"]: row["text"] for row in rows}
