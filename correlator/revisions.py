"""Which revision of a service ran when, and when each change first ran in production.

Truth order: the revision that spans carry, then deployment events; a deployment that spans confirm has basis
``both``. Rollbacks, canaries and missing deployments are normal. Source: DESIGN "Deployments".
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from schemas.vocabulary import DeploymentType

Row = Mapping[str, Any]

MATCH_WINDOW = timedelta(hours=6)
"""A deployment event and the first span of its revision lie this close together."""

ISLAND_GAP = timedelta(hours=24)
"""A revision that is silent for longer while another one runs has stopped; if it returns, it was put back."""

FAILED_STATUSES = frozenset(
    {"failed", "failure", "error", "cancelled", "canceled", "aborted", "pending", "started", "in_progress"}
)


@dataclass(frozen=True, slots=True)
class _Start:
    """One moment at which a revision began to run."""

    at: datetime
    sha: str | None
    revision: str | None
    basis: str
    deployment_id: str | None = None
    is_rollback: bool = False


def running(
    observed: Iterable[Row],
    deployments: Iterable[Row],
    *,
    repository_of: Mapping[str, str],
    resolve: Callable[[str, str], str | None],
    position_of: Callable[[str, str], int | None],
) -> list[dict[str, Any]]:
    """Rows of ``running_revisions``.

    Args:
        observed: per (service, environment, revision, hour): ``first_seen_at``, ``last_seen_at``, from spans.
        deployments: rows of ``deployments``.
        repository_of: service -> repository.
        resolve: (repository, revision text) -> full sha or None.
        position_of: (repository, sha) -> position on the mainline, or None.
    """
    starts: dict[tuple[str, str], list[_Start]] = defaultdict(list)
    for row in deployments:
        if row["status"] in FAILED_STATUSES:
            continue
        at = row["finished_at"] or row["started_at"]
        if at is None:
            continue
        text = row["revision"] or row["version"]
        repository = repository_of.get(row["service"])
        sha = resolve(repository, text) if repository and text else None
        key = (row["service"], row["environment"] or "")
        is_rollback = row["type"] == DeploymentType.ROLLBACK
        starts[key].append(_Start(at, sha, text, "deployment", row["deployment_id"], is_rollback))
    for (service, environment), islands in _islands(observed).items():
        repository = repository_of.get(service)
        known = starts[(service, environment)]
        for revision, first, last in islands:
            sha = resolve(repository, revision) if repository else None
            match = _matching(known, sha, revision, first, last)
            if match is None:
                known.append(_Start(first, sha, revision, "spans"))
            else:
                known[match] = _confirmed(known[match], first)
    rows: list[dict[str, Any]] = []
    for (service, environment), found in sorted(starts.items()):
        rows += _intervals(service, environment, found, repository_of.get(service), position_of)
    return rows


def observed(hours: Iterable[Row]) -> list[Row]:
    """Rows of ``operation_hours.sql`` folded to (service, environment, revision, hour), in that order."""
    folded: dict[tuple[str, str, str, datetime], dict[str, Any]] = {}
    for row in hours:
        if row["revision"]:
            key = (row["service"], row["environment"], row["revision"], row["hour_at"])
            known = folded.setdefault(key, dict(row))
            known["first_seen_at"] = min(known["first_seen_at"], row["first_seen_at"])
            known["last_seen_at"] = max(known["last_seen_at"], row["last_seen_at"])
    return [folded[key] for key in sorted(folded)]


def traced(hours: Iterable[Row]) -> dict[tuple[str, str], tuple[bool, bool]]:
    """(service, environment) -> (sent spans, spans carried a revision)."""
    found: dict[tuple[str, str], tuple[bool, bool]] = {}
    for row in hours:
        key = (row["service"], row["environment"])
        found[key] = (True, found.get(key, (True, False))[1] or bool(row["revision"]))
    return found


def _islands(observed: Iterable[Row]) -> dict[tuple[str, str], list[tuple[str, datetime, datetime]]]:
    """Stretches of time in which a revision sent spans, per (service, environment)."""
    hours: dict[tuple[str, str, str], list[tuple[datetime, datetime]]] = defaultdict(list)
    for row in observed:
        if row["revision"]:
            key = (row["service"], row["environment"] or "", row["revision"])
            hours[key].append((row["first_seen_at"], row["last_seen_at"]))
    firsts: dict[tuple[str, str], list[tuple[datetime, str]]] = defaultdict(list)
    for (service, environment, revision), spans in hours.items():
        firsts[(service, environment)] += [(first, revision) for first, _ in spans]
    islands: dict[tuple[str, str], list[tuple[str, datetime, datetime]]] = defaultdict(list)
    for (service, environment, revision), spans in sorted(hours.items()):
        others = sorted(at for at, other in firsts[(service, environment)] if other != revision)
        spans.sort()
        start, end = spans[0]
        for first, last in spans[1:]:
            other_between = any(end < at < first for at in others)
            if other_between and first - end > ISLAND_GAP:
                islands[(service, environment)].append((revision, start, end))
                start = first
            end = max(end, last)
        islands[(service, environment)].append((revision, start, end))
    return islands


def _matching(
    known: Sequence[_Start], sha: str | None, revision: str, first: datetime, last: datetime
) -> int | None:
    """Index of the deployment event that put this island's revision in place, or None."""
    best: int | None = None
    for index, start in enumerate(known):
        same = start.sha == sha if sha and start.sha else start.revision == revision
        near = start.at - MATCH_WINDOW <= last and first <= start.at + ISLAND_GAP * 30
        if same and near and start.basis != "spans":
            is_better = best is None or abs(start.at - first) < abs(known[best].at - first)
            best = index if is_better else best
    return best


def _confirmed(start: _Start, first_seen: datetime) -> _Start:
    at = first_seen if start.at - MATCH_WINDOW <= first_seen < start.at else start.at
    return _Start(at, start.sha, start.revision, "both", start.deployment_id, start.is_rollback)


def _intervals(
    service: str,
    environment: str,
    found: list[_Start],
    repository: str | None,
    position_of: Callable[[str, str], int | None],
) -> list[dict[str, Any]]:
    found.sort(key=lambda s: (s.at, s.deployment_id or "", s.sha or "", s.revision or ""))
    merged: list[_Start] = []
    for start in found:
        is_same = merged and merged[-1].sha == start.sha and merged[-1].revision == start.revision
        if is_same and (start.deployment_id is None or merged[-1].deployment_id is None):
            continue
        is_tie = bool(merged) and merged[-1].at >= start.at
        merged.append(replace(start, at=merged[-1].at + timedelta(microseconds=1)) if is_tie else start)
    rows = []
    for index, start in enumerate(merged):
        previous = merged[index - 1].sha if index else None
        rows.append(
            {
                "service": service,
                "environment": environment,
                "started_at": start.at,
                "ended_at": merged[index + 1].at if index + 1 < len(merged) else None,
                "repository": repository,
                "revision": start.revision,
                "sha": start.sha,
                "previous_sha": previous,
                "is_rollback": start.is_rollback or _is_older(repository, start.sha, previous, position_of),
                "basis": start.basis,
                "deployment_id": start.deployment_id,
            }
        )
    return rows


def _is_older(
    repository: str | None,
    sha: str | None,
    previous: str | None,
    position_of: Callable[[str, str], int | None],
) -> bool:
    if not (repository and sha and previous):
        return False
    new, old = position_of(repository, sha), position_of(repository, previous)
    return new is not None and old is not None and new < old


def first_deployments(
    revisions: Iterable[Row],
    *,
    production: Sequence[str],
    position_of: Callable[[str, str], int | None],
    changes_between: Callable[[str, int, int], Sequence[tuple[str, Sequence[str]]]],
    service_path: Mapping[str, str],
    traced: Mapping[tuple[str, str], tuple[bool, bool]],
) -> list[dict[str, Any]]:
    """Rows of ``change_deployments``: when each change first ran in production, per service whose files it touches.

    The first revision that we saw of a service carries an unknown number of older changes: they have no deployment
    time that we know of, and are left out.

    Args:
        revisions: rows of ``running_revisions``.
        production: names of the production environments.
        changes_between: (repository, after position, up to position) -> (sha, paths) of the changes in between.
        service_path: service -> directory inside its repository, '' for the root.
        traced: (service, environment) -> (sent spans, spans carried a revision).
    """
    others = sorted(set(service_path.values()))
    reached: dict[tuple[str, str], int] = {}
    rows: list[dict[str, Any]] = []
    ordered = sorted(revisions, key=lambda r: (r["service"], r["environment"], r["started_at"]))
    for row in ordered:
        if row["environment"] not in production or not row["repository"] or not row["sha"]:
            continue
        key = (row["service"], row["environment"])
        position = position_of(row["repository"], row["sha"])
        if position is None:
            continue
        if key not in reached:
            reached[key] = position
            continue
        if position <= reached[key]:
            continue
        has_traces, has_revision = traced.get(key, (False, False))
        path = service_path.get(row["service"], "")
        for sha, paths in changes_between(row["repository"], reached[key], position):
            if not touches(paths, path, others):
                continue
            rows.append(
                {
                    "repository": row["repository"],
                    "sha": sha,
                    "service": row["service"],
                    "environment": row["environment"],
                    "deployed_at": row["started_at"],
                    "deployment_sha": row["sha"],
                    "has_traces": has_traces,
                    "has_revision": has_revision,
                }
            )
        reached[key] = position
    return rows


def touches(paths: Iterable[str], directory: str, others: Iterable[str] = ()) -> bool:
    """True when one of ``paths`` lies in ``directory``, or in none of the ``others`` (code that services share)."""
    if not directory:
        return True
    prefix = directory.rstrip("/") + "/"
    foreign = tuple(other.rstrip("/") + "/" for other in others if other and other != directory)
    return any(path.startswith(prefix) or ("/" in path and not path.startswith(foreign)) for path in paths)


class Timeline:
    """Rows of ``running_revisions``, to be asked by time."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in sorted(rows, key=lambda r: (r["service"], r["environment"], r["started_at"])):
            self._rows[(row["service"], row["environment"])].append(row)
        self._starts = {key: [row["started_at"] for row in rows_] for key, rows_ in self._rows.items()}

    def index_at(self, service: str, environment: str, moment: datetime) -> int | None:
        """Index of the interval in force at ``moment`` among those of the service, or None before the first."""
        index = bisect_right(self._starts.get((service, environment), []), moment) - 1
        return index if index >= 0 else None

    def at(self, service: str, environment: str, moment: datetime) -> Row | None:
        """The interval in force at ``moment``, or None before the first."""
        index = self.index_at(service, environment, moment)
        return None if index is None else self._rows[(service, environment)][index]

    def of(self, service: str, environment: str) -> Sequence[Row]:
        """Every interval of a service in an environment, oldest first."""
        return self._rows.get((service, environment), [])
