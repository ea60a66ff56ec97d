"""One installation: a data folder with its store, its mirrors and its correlator, and what can be done with them.

The server and, when none runs, the command line build it; both do the same things through the same methods. With
``api/serve.py`` and ``api/cli.py`` this is the only part of the room that knows the collector.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import structlog

from api import explain, folder, queries, report, report_files, status
from api.recent import Recent
from collector import repositories, retention, rollups, segments
from collector.counters import Counters
from collector.git_answers import GitAnswers
from collector.intake.door import Accepted, Door
from collector.loader import Loader
from collector.policy import Policy
from collector.spool import Spool
from correlator.mappings import TRANSPILED, Mapper
from correlator.run import INFERENCES, Correlation, Correlator, rules
from correlator.services import tag_names
from schemas import tables
from schemas.errors import AftermergeError, MalformedInput, SourceUnavailable, StoreError
from schemas.records import CommitSha, Progress, RepositoryName
from schemas.settings import RepositorySettings, Settings
from schemas.store import Row, Store, sql

log = structlog.get_logger()

LOAD_S_MAX = 600.0
"""How long a command waits for the spool of a killed server; a full backlog of 1 GiB takes about a minute."""


class Installation:
    """The parts of one data folder. ``close`` it, or use it as a context manager."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.settings = settings
        self.store = store
        self.answers = GitAnswers(store, settings)
        self.correlator = Correlator(store, self.answers, settings)
        self._backtests: Recent[dict[str, Any]] = Recent(most=4)
        self._last_backtest: dict[str, Any] | None = None
        self._forks = threading.Lock()
        self._sync_lock = threading.Lock()
        self._rollup_lock = threading.Lock()

    @classmethod
    def open(cls, settings: Settings) -> "Installation":
        """Open (and on first use make) the data folder.

        Raises:
            StoreError: another process has it open, it is newer than this program, or cannot be written.
        """
        try:
            settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"cannot write to {settings.data}: {error.strerror}",
                hint="name a folder that you may write to with --data",
            ) from error
        store = Store.open(
            settings.store_path,
            memory_limit=settings.duckdb_memory_limit,
            memory_working=settings.duckdb_memory_working,
            memory_resting=settings.duckdb_memory_resting,
            memory_behind=settings.duckdb_memory_behind,
            threads=settings.duckdb_threads,
        )
        return cls(settings, store)

    def close(self) -> None:
        """Release the store."""
        self.store.close()

    def __enter__(self) -> "Installation":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def load_spool(self) -> int:
        """Load what a server that was killed had acknowledged; returns how many segments. Only without a server.

        Raises:
            StoreError: not all of it could be loaded; it stays in the spool.
        """
        if not self.settings.spool_path.is_dir():
            return 0
        found = len(segments.find(self.settings.spool_path))
        if found:
            counters = Counters()
            spool = Spool(self.settings.spool_path, counters=counters)
            policy = Policy.of(self.settings, folder.hash_key(self.settings.data))
            loader = Loader(self.store, spool, self.settings, counters, policy=policy)
            loader.start()
            is_loaded = loader.stop(LOAD_S_MAX)
            asyncio.run(spool.close())
            if not is_loaded:
                raise StoreError("the spool could not be loaded", hint="start the server and see its log")
        self.count(is_thorough=True)
        return found

    def status(self) -> dict[str, Any]:
        """What the store holds and what waits in the spool; the server adds what it counted."""
        folder = self.settings.spool_path
        waiting = segments.find(folder) if folder.is_dir() else []
        return status.of_store(self.store, backlog_bytes=sum(s.size_bytes for s in waiting))

    # --- repositories and services ----------------------------------------------------------------

    def add_repository(
        self,
        repository: str,
        source: str,
        *,
        url: str | None = None,
        assume_unmarked: str | None = None,
        assume_unmarked_from: date | None = None,
    ) -> Row:
        """State a repository; a statement of the settings file fills what is not given. Its history comes by sync."""
        stated = self.settings.repositories.get(repository)
        start = assume_unmarked_from
        if assume_unmarked is None and start is None and stated:
            assume_unmarked, start = stated.assume_unmarked, stated.assume_unmarked_from
        repositories.add(
            self.store,
            self.settings,
            repository=repository,
            source=source,
            url=url or (stated.url if stated else None),
            assume_unmarked=assume_unmarked,
            assume_unmarked_from=datetime(start.year, start.month, start.day, tzinfo=UTC) if start else None,
        )
        found = self.store.row("SELECT * FROM repositories WHERE repository = $name", name=repository)
        assert found is not None
        return found

    def list_repositories(self) -> list[Row]:
        """Rows of ``repositories`` with their counts of commits and changes."""
        return repositories.listed(self.store)

    def state_settings(self) -> None:
        """Add the repositories of the settings file, and let what is known of them follow the file.

        Raises:
            SourceUnavailable: names each that could not be reached; the others are stated.
        """
        with self._sync_lock:
            _try_all(sorted(self.settings.repositories), self._state)

    def _state(self, name: str) -> None:
        stated = self.settings.repositories[name]
        known = self.store.row("SELECT * FROM repositories WHERE repository = $name", name=name)
        if known is None or not _agrees(stated, known):
            self.add_repository(name, stated.source)

    def sync(self, repository: str | None = None, progress: Progress | None = None) -> list[Row]:
        """Fetch one repository, or all; returns what is known of each afterwards.

        One that fails does not keep the others from syncing.

        Raises:
            MalformedInput: no such repository.
            SourceUnavailable: names each that git could not fetch.
        """
        names = [
            row["repository"] for row in self.store.rows("SELECT repository FROM repositories ORDER BY 1")
        ]
        if repository is not None and repository not in names:
            raise MalformedInput(f"no repository is called {repository}", hint="see: aftermerge repo list")

        def fetch(name: str) -> None:
            # One at a time, but not one lock for all: a new repository does not wait for the whole round.
            with self._sync_lock:
                synced = repositories.sync(self.store, self.settings, name, progress=_steps(name, progress))
            if synced.changes_unread:
                # Told once: the next sync does not read them again.
                log.warning(
                    "changes whose lines git cannot read: they count as binary; run git fsck in the source",
                    repository=name,
                    count=len(synced.changes_unread),
                    first=synced.changes_unread[0],
                )

        _try_all(names if repository is None else [repository], fetch)
        return [row for row in self.list_repositories() if repository in (None, row["repository"])]

    def follow(self, progress: Progress | None = None) -> None:
        """What the server does on its own: state the settings file's repositories, then sync all.

        Args:
            progress: told the steps of repositories that were never synced; the others are silent.

        Raises:
            SourceUnavailable: as :meth:`sync`, after everything that could be done was done.
        """
        failed: AftermergeError | None = None
        try:
            self.state_settings()
        except (SourceUnavailable, MalformedInput) as error:
            failed = error
        new = {row["repository"] for row in self.list_repositories() if row["synced_at"] is None}

        def tell(text: str, done: int, total: int) -> None:
            if progress is not None and text.partition(":")[0] in new:
                progress(text, done, total)

        self.sync(progress=tell)
        if failed is not None:
            raise failed

    def remove_repository(self, repository: str) -> None:
        """Forget a repository and its mirror; what was inferred of it goes with the next correlation."""
        repositories.remove(self.store, self.settings, repository)

    def take(self, noun: str, body: bytes) -> Accepted:
        """Take an intake body as the server's door does.

        Raises:
            MalformedInput: it is not understood.
        """
        return Door(self.store, self.settings).accept(noun, body, {})

    def map_service(self, service: str, repository: str, path: str = "") -> Row:
        """State where a service's code lives.

        Raises:
            MalformedInput: no such repository.
        """
        if (
            self.store.row("SELECT 1 AS found FROM repositories WHERE repository = $name", name=repository)
            is None
        ):
            raise MalformedInput(
                f"no repository is called {repository}",
                hint=f"add it: aftermerge repo add {repository} PATH_OR_URL",
            )
        row = {
            "service": service,
            "repository": repository,
            "path": path.strip("/"),
            "stated_at": datetime.now(UTC),
        }
        with self.store.write_lock:
            self.store.append_rows(tables.SERVICE_MAPPINGS, [row], replace=True)
        return row

    def map_files(self, service: str, prefix: str, path: str) -> Row:
        """State what the files in a service's stacks stand for in its repository."""
        row = {"service": service, "prefix": prefix, "path": path.strip("/"), "stated_at": datetime.now(UTC)}
        with self.store.write_lock:
            self.store.append_rows(tables.CODE_MAPPINGS, [row], replace=True)
        return row

    def explain_frame(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Which line of which repository a frame of a service stands for, and why (``api.explain.frame``).

        Args:
            asked: ``{service, file?, function?, module?, line?, column?, revision?, version?, id?}``; without a
                revision what runs now counts, else the head.

        Raises:
            MalformedInput: no service is stated.
        """
        service = asked.get("service")
        if not isinstance(service, str) or not service:
            raise MalformedInput(
                "a frame belongs to a service", hint='for example {"service": "checkout", "file": "a.py"}'
            )
        code = self.store.row(sql("api", "service_code"), service=service) or {}
        repository = RepositoryName(code["repository"]) if code.get("repository") else None
        named = asked.get("revision") or asked.get("version")
        stated = (
            self.answers.resolve(repository, str(named), tag_names(service, code.get("path") or ""))
            if repository and named
            else None
        )
        running = None if asked.get("revision") else code.get("running_sha") or code.get("head_sha")
        revision = stated or (CommitSha(running) if running else None)
        frame = explain.frame_of(asked, self.correlator.originals(as_of=datetime.now(UTC)))
        mappings = self.store.rows(
            "SELECT prefix, path FROM code_mappings WHERE service = $service", service=service
        )
        tree = self.answers.tree(repository, revision) if repository and revision else ()
        stated_by_hand = [(row["prefix"], row["path"]) for row in mappings]
        explained = Mapper(tree, code.get("path") or "", stated_by_hand).explain(frame)
        mapped, blamed = explained.mapped, None
        if repository and revision and mapped and frame.line and mapped.how != TRANSPILED:
            answer = self.answers.blame(repository, revision, mapped.path, (frame.line,))
            blamed = answer.get(frame.line)
        return explain.frame(
            asked, explained=explained, original=frame, code=code, revision=revision, blamed=blamed
        )

    # --- counts and retention ----------------------------------------------------------------------

    def count(self, *, is_thorough: bool = False) -> int:
        """Count new spans by operation and hour, and return how many there were; ``is_thorough``: late ones too, whatever it costs."""

        def fold() -> int:
            return rollups.fold(self.store, self.settings, now=datetime.now(UTC), is_thorough=is_thorough)

        with self._rollup_lock:
            return self.store.at_work(fold)

    def retain(self) -> None:
        """Forget what is older than its days; what is to be kept of it is counted first."""
        self.count()
        with self._rollup_lock:
            self.store.at_work(lambda: retention.expire(self.store, self.settings, now=datetime.now(UTC)))

    # --- correlation and answers --------------------------------------------------------------------

    def correlate(self) -> Correlation:
        """Infer as of now; facts that did not change cost nothing."""
        if rollups.is_small(self.store):
            self.count()
        return self._correlated_now()

    def _correlated_now(self, *, force: bool = False) -> Correlation:
        # Now is when its turn comes: what was counted while it waited would lie after that, and had to be told apart.
        return self.store.at_work(lambda: self.correlator.correlate(as_of=datetime.now(UTC), force=force))

    def correlated(self, *, as_of: datetime | None = None) -> dict[str, Any]:
        """:meth:`correlate` for the outside; with ``as_of`` an answer for the past that leaves the present as it is."""
        self.count(is_thorough=True)
        if as_of is None:
            return _told(self._correlated_now(force=True))
        with self.as_of(as_of) as past:
            run = past.row("SELECT * FROM correlation_runs")
            assert run is not None
            counts = {t.name: int(past.value(f"SELECT count(*) FROM {t.name}")) for t in INFERENCES}  # noqa: S608
        return {
            "as_of": run["as_of"],
            "digest": run["inferences_digest"],
            "facts_digest": run["facts_digest"],
            "is_new": True,
            "counts": counts,
        }

    def rebuilt(self) -> dict[str, Any]:
        """Delete the inferences and infer them again as of the last correlation; equal facts give the same digest.

        ``are_facts_same`` is False when something arrived since that correlation (a repository was fetched, say), and
        ``are_rules_same`` when this program infers by other rules: the digests then need not be equal.
        """
        last = self.store.row("SELECT facts_digest, rules, inferences_digest FROM correlation_runs") or {}
        told = _told(self.correlator.rebuild(now=datetime.now(UTC)))
        before = last.get("inferences_digest")
        return {
            **told,
            "digest_before": before,
            "is_same": before in (None, told["digest"]),
            "are_facts_same": last.get("facts_digest") in (None, told["facts_digest"]),
            "are_rules_same": last.get("rules") in (None, rules()),
        }

    @contextmanager
    def as_of(self, moment: datetime) -> Iterator[Store]:
        """A store whose inferences hold as of ``moment``, for as long as the context lasts."""
        with self._forks:
            forked = self.correlator.fork("past", as_of=moment)
            try:
                yield forked
            finally:
                forked.drop_fork()

    def report(self, week: str, *, publish: bool = True) -> dict[str, Any]:
        """The incident attribution report of an ISO week, as of its end (or now, while it lasts).

        Raises:
            MalformedInput: ``week`` is not of the form 2026-W47, or lies in the future.
        """
        now = datetime.now(UTC)
        end = min(report.week_end(week), now)
        with self.as_of(end) as past:
            document = report.document(past, self.settings, week, as_of=end)
        if publish:
            report.publish(self.store, document, now)
        return document

    def backtest(self, after_hours: float = 1.0) -> dict[str, Any]:
        """Attribution held against what the team said later (``Correlator.backtest``), as of the last correlation.

        Args:
            after_hours: how long after its onset each failure is answered, blind to what came after that.
        """
        run = queries.correlation(self.store)
        as_of = run["as_of"] if run else datetime.now(UTC)
        key = (run["inferences_digest"] if run else None, as_of, after_hours)
        after = timedelta(hours=after_hours)
        found = self._backtests.get(key, lambda: self.correlator.backtest(as_of=as_of, after=after))
        self._last_backtest = found
        return found

    @property
    def last_backtest(self) -> dict[str, Any] | None:
        """The backtest that was asked for last, None when none was since the start."""
        return self._last_backtest

    def scheduled_report(self, week: str) -> list[Path]:
        """:meth:`report`, and its three files in the data folder; returns their paths."""
        return report_files.write(self.report(week), self.settings.data / report_files.FOLDER)

    def doctor(self) -> list[Row]:
        """Per service: what is known, and what is missing for an answer."""
        return queries.services(self.store, self.settings)


def _steps(name: str, progress: Progress | None) -> Progress | None:
    """The steps of a sync with the name of its repository, for whoever watches."""
    if progress is None:
        return None
    return lambda step, done, total: progress(f"{name}: {step}", done, total)


def _told(found: Correlation) -> dict[str, Any]:
    return {
        "as_of": found.as_of,
        "digest": found.digest,
        "facts_digest": found.facts_digest,
        "is_new": found.is_new,
        "counts": found.counts,
    }


def _agrees(stated: RepositorySettings, known: Row) -> bool:
    """Does the store know what the file states? What the file leaves out is the command line's."""
    start, known_from = stated.assume_unmarked_from, known["assume_unmarked_from"]
    return (
        stated.url in (None, known["url"])
        and stated.assume_unmarked in (None, known["assume_unmarked"])
        and (start is None or (known_from is not None and known_from.date() == start))
        and (known["source"] in (stated.source, str(Path(stated.source).expanduser().resolve())))
    )


def _try_all(names: list[str], act: Callable[[str], None]) -> None:
    """``act`` on each of ``names``; what failed is told at the end, in one error that names each."""
    failed: list[tuple[str, AftermergeError]] = []
    for name in names:
        try:
            act(name)
        except (SourceUnavailable, MalformedInput) as error:
            failed.append((name, error))
    if not failed:
        return
    first = failed[0][1]
    if len(names) == 1:
        raise first
    told = "; ".join(str(e) if name in str(e) else f"{name}: {e}" for name, e in failed)
    raise SourceUnavailable(
        f"{len(failed)} of {len(names)} repositories failed: {told}",
        hint=first.hint,
        repositories=[name for name, _ in failed],
    ) from first
