"""What became of the lines of each change: reworked, mended, reverted, alive.

Counts are of lines of production and test code; lines that tools or others wrote are left out, moved lines do not
die. Numbers of a change are complete only ``observed_days`` after it landed: who averages must leave out those that
have not had their window yet (METRICS.md), and the number that says so stands in the row.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

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


def measure(
    changes: Sequence[Row],
    lines: Lines,
    authors: Mapping[str, str],
    as_of: datetime,
    *,
    generated: frozenset[str] = frozenset(),
    synced_at: Mapping[str, datetime] | None = None,
    counts: Callable[[str], bool] = paths.is_counted,
) -> list[dict[str, Any]]:
    """The rows of ``change_rework``, in the order of ``changes``.

    Args:
        changes: Rows of ``changes`` (``landed_at`` timezone-aware). One that landed after ``as_of`` has no row, and
            nothing that it did counts.
        lines: Of the same repositories.
        authors: Commit sha -> address of its author, lower case. Two changes have the same author when their commits
            share one.
        as_of: End of the observed history, UTC.
        generated: Paths that are left out because of what they hold.
        synced_at: Per repository when it was last fetched: what landed later cannot have been seen, so its
            observation ends there. A repository in which nothing happens is still observed until then.
        counts: Whether the lines of a path count, by its name.

    Returns:
        ``lines_reworked_Nd``: lines removed by a later change that landed at most N days after;
        ``lines_alive_Nd``: lines written less those removed within N days, whoever removed them; ``*_test``: the
        part of it in test code. A change that restyles removes nothing.
        lines_reworked_14d <= _21d <= _30d <= lines_added, and lines_alive_90d <= _30d <= _7d <= lines_added.
    """
    seen = {(c["repository"], c["sha"]): c for c in changes if c["landed_at"] <= as_of}
    written: Counter[Key] = Counter()
    written_test: Counter[Key] = Counter()
    for repository, sha, path, count in _columns(
        lines.lines_written, "repository", "sha", "path", "lines_added"
    ):
        if counts(path) and path not in generated:
            written[repository, sha] += count
            written_test[repository, sha] += count if paths.is_test(path) else 0
    deaths: dict[Key, list[_Death]] = {}
    for repository, killer, victim, path, count in _columns(
        lines.death_edges, "repository", "killer", "victim", "path", "lines"
    ):
        if (
            (repository, killer) in seen
            and (repository, victim) in seen
            and killer not in lines.ignored
            and counts(path)
            and path not in generated
        ):
            death = _Death(seen[repository, killer], count, paths.is_test(path))
            deaths.setdefault((repository, victim), []).append(death)
    reverted = _reverted(seen, deaths, written)
    rows = []
    for key, change in seen.items():
        end = min(as_of, (synced_at or {}).get(change["repository"], as_of))
        by = reverted.get(key)
        rows.append(
            {
                "repository": change["repository"],
                "sha": change["sha"],
                "observed_days": round(max(0.0, (end - change["landed_at"]).total_seconds() / _DAY_S), 6),
                "lines_added": written[key],
                "lines_added_test": written_test[key],
                **_fate(change, written[key], deaths.get(key, ()), authors),
                "reverted_by": by["sha"] if by else None,
                "reverted_at": by["landed_at"] if by else None,
            }
        )
    return rows


class _Death(NamedTuple):
    """Lines of one change in one path that ``killer`` removed."""

    killer: Row
    lines: int
    is_test: bool


def _fate(
    change: Row,
    written: int,
    deaths: Iterable[_Death],
    authors: Mapping[str, str],
) -> dict[str, Any]:
    """Counts of one change. A line can be unseen at birth (a file that was binary), so no count passes ``written``."""
    mine = _authors(change, authors)
    within = dict.fromkeys((*REWORK_DAYS, *ALIVE_DAYS), 0)
    within_test = dict.fromkeys(REWORK_DAYS, 0)
    same_author = fixed = 0
    for killer, lines, is_test in deaths:
        age = killer["landed_at"] - change["landed_at"]
        for days in within:
            if age <= timedelta(days=days):
                within[days] += lines
                if is_test and days in within_test:
                    within_test[days] += lines
        if age <= timedelta(days=30):
            same_author += lines if mine & _authors(killer, authors) else 0
            fixed += lines if killer["kind"] in _MENDING else 0
    return {
        **{f"lines_reworked_{days}d": within[days] for days in REWORK_DAYS},
        **{f"lines_reworked_{days}d_test": within_test[days] for days in REWORK_DAYS},
        "lines_reworked_30d_same_author": same_author,
        "lines_fixed_30d": fixed,
        **{f"lines_alive_{days}d": written - within[days] for days in ALIVE_DAYS},
    }


def _authors(change: Row, authors: Mapping[str, str]) -> set[str]:
    return {authors[sha] for sha in (change["commits"] or [change["sha"]]) if sha in authors}


def _reverted(
    seen: Mapping[Key, Row], deaths: Mapping[Key, Sequence["_Death"]], written: Mapping[Key, int]
) -> dict[Key, Row]:
    """The first change that reverts each: one that names it, or a revert that removes nearly all of its lines."""
    candidates: dict[Key, list[Row]] = {}
    for (repository, _), change in seen.items():
        for sha in change["reverts"]:
            if (repository, sha) in seen:
                candidates.setdefault((repository, sha), []).append(change)
    for key, edges in deaths.items():
        removed: Counter[str] = Counter()
        for killer, lines, _ in edges:
            # A revert that names another change is that one's revert; overlapping lines do not make it this one's.
            if killer["kind"] == ChangeKind.REVERT and not killer["reverts"]:
                removed[killer["sha"]] += lines
        for sha, lines in removed.items():
            if lines >= REVERTED_SHARE * written.get(key, 0):
                candidates.setdefault(key, []).append(seen[key[0], sha])
    return {key: min(found, key=lambda c: c["position"]) for key, found in candidates.items()}


def _columns(table: pa.Table, *names: str) -> Iterable[tuple[Any, ...]]:
    return zip(*(table[name].to_pylist() for name in names), strict=True)
