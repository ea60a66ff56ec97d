"""Line rework of a repository that no installation knows: mirrored into a folder that is gone afterwards.

With ``api/installation.py``, which it builds there, a composition root: it knows every room. Nothing is served, and
the repository given is only read, through git's own transport.
"""

import csv
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from api.installation import Installation
from collector import mirror
from correlator import line_owners, paths, rework
from correlator.ownership import Lines
from correlator.rework import Fate
from schemas.records import Progress
from schemas.settings import Settings

COLUMNS = (
    "sha",
    "added",
    "reworked",
    "landed_at",
    "kind",
    "origin",
    "tools",
    "number",
    "added_test",
    "reworked_test",
    "reworked_same_author",
    "reworked_other_author",
    "fixed",
    "alive_7d",
    "alive_30d",
    "alive_90d",
    "reverted_by",
    "observed_days",
)
"""Of the CSV, one mature change a row. Lines are production and test code unless all files were asked for;
``alive_Nd`` is empty where the change was not observed so long."""


@dataclass(frozen=True, slots=True)
class Counting:
    """What counts as rework. The defaults are those of METRICS.md; all three off is what ``git blame`` sees."""

    moves: bool = True
    ignored_revisions: bool = True
    code_only: bool = True


@dataclass(frozen=True, slots=True)
class Measured:
    """One repository at one commit. ``fates``: of every change, oldest first."""

    name: str
    head: str
    last_landed_at: datetime | None
    fates: Sequence[Fate]

    def observed_days(self, fate: Fate) -> float:
        """Days from landing to the last change: a copy may have been fetched long ago, so today observes nothing."""
        return rework.observed_days(fate.change, self.last_landed_at or fate.change["landed_at"])

    def mature(self, days: float) -> list[Fate]:
        """Those whose window has been observed to its end."""
        return [fate for fate in self.fates if self.observed_days(fate) >= days]


def measure(
    source: str,
    settings: Settings,
    *,
    counting: Counting,
    progress: Progress | None = None,
) -> Measured:
    """Mirror ``source`` and follow its lines.

    Args:
        source: Path of a repository, bare or with a work tree, or an https or ssh URL; ``OWNER/NAME=`` before it
            names it.
        settings: Limits of git and memory are taken from here; its data folder is not touched.

    Raises:
        MalformedInput: ``source`` is neither, or its name is none.
        SourceUnavailable: git cannot read it: not a repository, shallow, or an object is missing.
    """
    name, source = _named(source)
    with _passing(settings) as installation:
        installation.add_repository(name, source)
        (row,) = installation.sync(name, progress=progress)
        if progress:
            progress(f"{name}: lines", 0, 0)
        (history,) = installation.correlator.read_histories(as_of=datetime.now(UTC))
        last = max((change["landed_at"] for change in history.changes), default=None)
        fates = rework.fates(
            history.changes,
            _lines(installation, name, history.lines, counting),
            history.authors,
            generated=history.generated if counting.code_only else frozenset(),
            counts=paths.is_counted if counting.code_only else _always,
        )
    return Measured(name.removeprefix("local/"), row["head_sha"] or "", last, fates)


def write_csv(target: IO[str], measured: Measured, *, days: float) -> None:
    """One row of :data:`COLUMNS` per mature change."""
    writer = csv.DictWriter(target, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for fate in measured.mature(days):
        writer.writerow(_row(fate, days, measured.observed_days(fate)))


def _row(fate: Fate, days: float, observed_days: float) -> dict[str, Any]:
    change, dead = fate.change, fate.reworked(days)
    return {
        "sha": change["sha"],
        "added": fate.lines_added,
        "reworked": dead.lines,
        "landed_at": change["landed_at"].isoformat(),
        "kind": change["kind"],
        "origin": change["origin"],
        "tools": " ".join(change["tools"]),
        "number": change["number"],
        "added_test": fate.lines_added_test,
        "reworked_test": dead.lines_test,
        "reworked_same_author": dead.lines_same_author,
        "reworked_other_author": dead.lines - dead.lines_same_author,
        "fixed": dead.lines_fixed,
        **{f"alive_{n}d": fate.alive(n) if observed_days >= n else None for n in rework.ALIVE_DAYS},
        "reverted_by": fate.reverted_by["sha"] if fate.reverted_by else None,
        "observed_days": observed_days,
    }


def _lines(installation: Installation, name: str, kept: Lines, counting: Counting) -> Lines:
    """The lines as they are kept, or followed anew where something else shall count."""
    if counting.moves and (counting.ignored_revisions or not kept.ignored):
        return kept
    ignored = kept.ignored if counting.ignored_revisions else frozenset()
    found = line_owners.replay(installation.store, name, moves=counting.moves, ignored=ignored)
    return Lines(found.death_edges, found.lines_written, ignored)


@contextmanager
def _passing(settings: Settings) -> Iterator[Installation]:
    """An installation in a folder of its own, removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="aftermerge-") as folder:
        own = settings.model_copy(update={"data": Path(folder), "repositories": {}, "services": {}})
        with Installation.open(own) as installation:
            yield installation


def _named(source: str) -> tuple[str, str]:
    """What the repository is called for as long as it is looked at, and where it is."""
    stated, is_named, where = source.partition("=")
    if is_named and not Path(source).exists():
        return mirror.checked_name(stated), where
    parts = [part for part in re.split(r"[/:\\]", source.removesuffix("/").removesuffix(".git")) if part]
    name = re.sub(r"[^A-Za-z0-9._-]+|\.{2,}", "-", parts[-1] if parts else "").strip("-._")
    return f"local/{name or 'repository'}", source


def _always(_path: str) -> bool:
    return True
