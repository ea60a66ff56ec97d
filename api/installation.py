"""One installation: a data folder with its store, its mirrors and its correlator, and what can be done with them.

The server and, when none runs, the command line build it; both do the same things through the same methods. With
``api/serve.py`` and ``api/cli.py`` this is the only part of the room that knows the collector.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from api import queries, report
from collector import repositories
from collector.git_answers import GitAnswers
from correlator.run import INFERENCES, Correlation, Correlator
from schemas import tables
from schemas.errors import MalformedInput, StoreError
from schemas.settings import Settings
from schemas.store import Row, Store


class Installation:
    """The parts of one data folder. ``close`` it, or use it as a context manager."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.settings = settings
        self.store = store
        self.answers = GitAnswers(store, settings)
        self.correlator = Correlator(store, self.answers, settings)
        self._forks = threading.Lock()
        self._sync_lock = threading.Lock()

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
            settings.store_path, memory_limit=settings.duckdb_memory_limit, threads=settings.duckdb_threads
        )
        installation = cls(settings, store)
        installation._state_settings()
        return installation

    def close(self) -> None:
        """Release the store."""
        self.store.close()

    def __enter__(self) -> "Installation":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _state_settings(self) -> None:
        """Repositories of the settings file are added once; their policy follows the file."""
        for name, stated in self.settings.repositories.items():
            known = self.store.row("SELECT * FROM repositories WHERE repository = $name", name=name)
            if known is None:
                self.add_repository(
                    name,
                    stated.source,
                    url=stated.url,
                    assume_unmarked=stated.assume_unmarked,
                    assume_unmarked_from=stated.assume_unmarked_from,
                )

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
        start = assume_unmarked_from or (stated.assume_unmarked_from if stated else None)
        repositories.add(
            self.store,
            self.settings,
            repository=repository,
            source=source,
            url=url or (stated.url if stated else None),
            assume_unmarked=assume_unmarked or (stated.assume_unmarked if stated else None),
            assume_unmarked_from=datetime(start.year, start.month, start.day, tzinfo=UTC) if start else None,
        )
        found = self.store.row("SELECT * FROM repositories WHERE repository = $name", name=repository)
        assert found is not None
        return found

    def list_repositories(self) -> list[Row]:
        """Rows of ``repositories`` with their counts of commits and changes."""
        return repositories.listed(self.store)

    def sync(self, repository: str | None = None, progress: Callable[[str], None] | None = None) -> list[Row]:
        """Fetch one repository, or all; returns what is known of each afterwards.

        Raises:
            MalformedInput: no such repository.
            SourceUnavailable: git could not fetch it.
        """
        names = [
            row["repository"] for row in self.store.rows("SELECT repository FROM repositories ORDER BY 1")
        ]
        if repository is not None and repository not in names:
            raise MalformedInput(f"no repository is called {repository}", hint="see: aftermerge repo list")
        with self._sync_lock:
            for name in names if repository is None else [repository]:
                repositories.sync(self.store, self.settings, name, progress=_steps(name, progress))
        return [row for row in self.list_repositories() if repository in (None, row["repository"])]

    def remove_repository(self, repository: str) -> None:
        """Forget a repository and its mirror; what was inferred of it goes with the next correlation."""
        repositories.remove(self.store, self.settings, repository)

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

    # --- correlation and answers --------------------------------------------------------------------

    def correlate(self) -> Correlation:
        """Infer as of now; facts that did not change cost nothing."""
        return self.correlator.correlate(as_of=datetime.now(UTC))

    def correlated(self, *, as_of: datetime | None = None) -> dict[str, Any]:
        """:meth:`correlate` for the outside; with ``as_of`` an answer for the past that leaves the present as it is."""
        if as_of is None:
            return _told(self.correlator.correlate(as_of=datetime.now(UTC), force=True))
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
        """Delete the inferences and infer them again as of the last correlation; equal facts give the same digest."""
        before = self.store.value("SELECT inferences_digest FROM correlation_runs")
        told = _told(self.correlator.rebuild(now=datetime.now(UTC)))
        return {**told, "digest_before": before, "is_same": before in (None, told["digest"])}

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

    def doctor(self) -> list[Row]:
        """Per service: what is known, and what is missing for an answer."""
        return queries.services(self.store)


def _steps(name: str, progress: Callable[[str], None] | None) -> Callable[[str, int, int], None] | None:
    """One line per step of a sync for whoever watches."""
    if progress is None:
        return None
    return lambda step, done, total: progress(f"{name}: {step} {done}/{total}" if total else f"{name}: {step}")


def _told(found: Correlation) -> dict[str, Any]:
    return {
        "as_of": found.as_of,
        "digest": found.digest,
        "facts_digest": found.facts_digest,
        "is_new": found.is_new,
        "counts": found.counts,
    }


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read (mode 600), whole or not at all."""
    temporary = path.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)
