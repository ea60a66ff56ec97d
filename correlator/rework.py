"""What became of the lines of each change: reworked, mended, reverted, alive.

Counts are of lines of production and test code; lines that tools or others wrote are left out, moved lines do not
die. Numbers of a change are complete only ``observed_days`` after it landed: who averages must leave out those that
have not had their window yet (METRICS.md), and the number that says so stands in the row.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from correlator import paths
from correlator.ownership import Lines
from schemas.vocabulary import ChangeKind

REWORK_DAYS = (14, 21, 30)
ALIVE_DAYS = (7, 30, 90)
REVERTED_SHARE = 0.9
"""Share of a change's lines that a change which calls itself a revert must remove to be one without naming it."""
_DAY_S = 86_400.0
_MENDING = frozenset({str(ChangeKind.FIX), str(ChangeKind.REVERT)})

Key = tuple[str, str]
"""(repository, full sha)."""
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Death:
    """Lines of one change in one path that a later change removed, ``age`` after they landed."""

    age: timedelta
    lines: int
    is_test: bool
    is_same_author: bool
    is_mended: bool


@dataclass(frozen=True, slots=True)
class Reworked:
    """Lines of one change that were removed within some days of landing: all, those in test code, those that a change
    of the same author removed, those that a fix or a revert removed."""

    lines: int
    lines_test: int
    lines_same_author: int
    lines_fixed: int


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of the lines of one change."""

    change: Row
    lines_added: int
    lines_added_test: int
    deaths: Sequence[Death]
    reverted_by: Row | None

    def reworked(self, days: float) -> Reworked:
        """Whatever later changes removed at most ``days`` after landing."""
        dead = [death for death in self.deaths if death.age <= timedelta(days=days)]
        return Reworked(
            lines=sum(death.lines for death in dead),
            lines_test=sum(death.lines for death in dead if death.is_test),
            lines_same_author=sum(death.lines for death in dead if death.is_same_author),
            lines_fixed=sum(death.lines for death in dead if death.is_mended),
        )

    def alive(self, days: float) -> int:
        """Lines still there ``days`` after landing."""
        return self.lines_added - self.reworked(days).lines


def fates(
    changes: Sequence[Row],
    lines: Lines,
    authors: Mapping[str, str],
    *,
    generated: frozenset[str] = frozenset(),
    counts: Callable[[str], bool] = paths.is_counted,
) -> list[Fate]:
    """What became of each of ``changes``, in their order.

    Args:
        changes: Rows of ``changes``: those that had landed by the time asked for. Nothing that another one did counts.
        lines: Of the same repositories. A change that restyles removes nothing.
        authors: Commit sha -> address of its author, lower case. Two changes have the same author when their commits
            share one.
        generated: Paths that are left out because of what they hold.
        counts: Whether the lines of a path count, by its name.
    """
    seen = {(c["repository"], c["sha"]): c for c in changes}
    people = {key: _authors(change, authors) for key, change in seen.items()}
    written: Counter[Key] = Counter()
    written_test: Counter[Key] = Counter()
    for repository, sha, path, count in _columns(
        lines.lines_written, "repository", "sha", "path", "lines_added"
    ):
        if counts(path) and path not in generated:
            written[repository, sha] += count
            written_test[repository, sha] += count if paths.is_test(path) else 0
    deaths: dict[Key, list[Death]] = {}
    killers: dict[Key, Counter[str]] = {}
    for repository, killer, victim, path, count in _columns(
        lines.death_edges, "repository", "killer", "victim", "path", "lines"
    ):
        mine, its = (repository, victim), (repository, killer)
        if (
            mine in seen
            and its in seen
            and killer not in lines.ignored
            and counts(path)
            and path not in generated
        ):
            death = Death(
                age=seen[its]["landed_at"] - seen[mine]["landed_at"],
                lines=count,
                is_test=paths.is_test(path),
                is_same_author=not people[mine].isdisjoint(people[its]),
                is_mended=seen[its]["kind"] in _MENDING,
            )
            deaths.setdefault(mine, []).append(death)
            killers.setdefault(mine, Counter())[killer] += count
    reverted = _reverted(seen, killers, written)
    return [
        Fate(
            change=change,
            lines_added=written[key],
            lines_added_test=written_test[key],
            deaths=deaths.get(key, ()),
            reverted_by=reverted.get(key),
        )
        for key, change in seen.items()
    ]


def row(fate: Fate) -> dict[str, Any]:
    """A row of ``change_rework`` but for ``observed_days``, the one figure that ages.

    lines_reworked_14d <= _21d <= _30d <= lines_added, and lines_alive_90d <= _30d <= _7d <= lines_added.
    """
    by, within = fate.reverted_by, {days: fate.reworked(days) for days in REWORK_DAYS}
    return {
        "repository": fate.change["repository"],
        "sha": fate.change["sha"],
        "lines_added": fate.lines_added,
        "lines_added_test": fate.lines_added_test,
        **{f"lines_reworked_{days}d": found.lines for days, found in within.items()},
        **{f"lines_reworked_{days}d_test": found.lines_test for days, found in within.items()},
        "lines_reworked_30d_same_author": within[30].lines_same_author,
        "lines_fixed_30d": within[30].lines_fixed,
        **{f"lines_alive_{days}d": fate.alive(days) for days in ALIVE_DAYS},
        "reverted_by": by["sha"] if by else None,
        "reverted_at": by["landed_at"] if by else None,
    }


def observed_days(change: Row, as_of: datetime, synced_at: datetime | None = None) -> float:
    """Days from landing to the end of the observed history.

    Args:
        change: a row of ``changes`` (``landed_at`` timezone-aware).
        as_of: UTC.
        synced_at: when its repository was last fetched: what landed later cannot have been seen. A repository in which
            nothing happens is still observed until then.
    """
    observed: timedelta = min(as_of, synced_at or as_of) - change["landed_at"]
    return round(max(0.0, observed.total_seconds() / _DAY_S), 6)


def _authors(change: Row, authors: Mapping[str, str]) -> set[str]:
    return {authors[sha] for sha in (change["commits"] or [change["sha"]]) if sha in authors}


def _reverted(
    seen: Mapping[Key, Row], killers: Mapping[Key, Mapping[str, int]], written: Mapping[Key, int]
) -> dict[Key, Row]:
    """The first change that reverts each: one that names it, or a revert that removes nearly all of its lines."""
    candidates: dict[Key, list[Row]] = {}
    for (repository, _), change in seen.items():
        for sha in change["reverts"]:
            if (repository, sha) in seen:
                candidates.setdefault((repository, sha), []).append(change)
    for key, removed in killers.items():
        for sha, lines in removed.items():
            killer = seen[key[0], sha]
            # A revert that names another change is that one's revert; overlapping lines do not make it this one's.
            is_unnamed_revert = killer["kind"] == ChangeKind.REVERT and not killer["reverts"]
            if is_unnamed_revert and lines >= REVERTED_SHARE * written.get(key, 0):
                candidates.setdefault(key, []).append(killer)
    return {key: min(found, key=lambda c: c["position"]) for key, found in candidates.items()}


def _columns(table: pa.Table, *names: str) -> Iterable[tuple[Any, ...]]:
    return zip(*(table[name].to_pylist() for name in names), strict=True)
