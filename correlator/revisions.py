"""Which revision of a service ran when, and when each change first ran in production.

Truth order: the revision that spans carry, then deployment events; a deployment that spans confirm has basis
``both``. Rollbacks, canaries and missing deployments are normal. Source: DESIGN "Deployments".
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from correlator import environments, islands
from correlator.islands import Island
from correlator.occurrences import Times, micros
from schemas.vocabulary import DeploymentType

Row = Mapping[str, Any]

MATCH_WINDOW = timedelta(hours=6)
"""A deployment event and the first span of its revision lie this close together."""

ROLLOUT = timedelta(hours=1)
"""Events of one revision this close together are steps of one deployment: regions, clusters, a canary made whole."""

UNNAMED_WINDOW = timedelta(minutes=30)
"""A deployment event whose revision nobody can read belongs to the revision that spans show this soon around it."""

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
    version: str | None = None


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
        observed: rows of ``service_hours.sql``; those without a revision say nothing here.
        deployments: rows of ``deployments``.
        repository_of: service -> repository.
        resolve: (service, revision text) -> full sha or None.
        position_of: (repository, sha) -> position on the mainline, or None.
    """

    def sha_of(service: str, text: str | None) -> str | None:
        return resolve(service, text) if text and repository_of.get(service) else None

    told = [row for row in deployments if row["status"] not in FAILED_STATUSES]
    seen = [row for row in observed if row["revision"]]
    names = environments.unnamed(told, seen)
    starts: dict[tuple[str, str], list[_Start]] = defaultdict(list)
    for row in told:
        at = row["finished_at"] or row["started_at"]
        if at is None:
            continue
        text = row["revision"] or row["version"]
        is_rollback = row["type"] == DeploymentType.ROLLBACK
        start = _Start(
            at,
            sha_of(row["service"], text),
            text,
            "deployment",
            row["deployment_id"],
            is_rollback,
            row["version"],
        )
        starts[_place(row, names)].append(start)
    for place, stretches in islands.of_spans(seen, sha_of, names).items():
        _confirm(starts[place], stretches)
    rows: list[dict[str, Any]] = []
    for (service, environment), found in sorted(starts.items()):
        rows += _intervals(service, environment, found, repository_of.get(service), position_of)
    return rows


def _place(row: Row, names: Mapping[str, str]) -> tuple[str, str]:
    return row["service"], row["environment"] or names.get(row["service"], "")


def traced(hours: Iterable[Row]) -> dict[tuple[str, str], tuple[bool, bool]]:
    """(service, environment) -> (sent spans, spans carried a revision); from rows of ``service_hours.sql``."""
    found: dict[tuple[str, str], tuple[bool, bool]] = {}
    for row in hours:
        key = (row["service"], row["environment"])
        found[key] = (True, found.get(key, (True, False))[1] or bool(row["revision"]))
    return found


def _confirm(known: list[_Start], stretches: Sequence[Island]) -> None:
    """Join what spans show to what deployment events said; ``known`` is changed in place.

    A text that names no commit and outlives deployments of known commits is no revision (a constant
    ``service.version``): it must not hide them.
    """
    events = list(enumerate(known))
    by_name: dict[str | None, list[int]] = defaultdict(list)
    for index, start in events:
        for name in {start.sha or start.revision, start.version}:
            by_name[name].append(index)
    unread = sorted((s.at, i) for i, s in events if s.sha is None)
    resolved = sorted(s.at for s in known if s.sha)
    for number, island in enumerate(stretches):
        same = [i for i in by_name[island.sha or island.revision] if _is_near(known[i], island)]
        if not same and island.sha:
            low = bisect_left(unread, island.first - UNNAMED_WINDOW, key=lambda u: u[0])
            high = bisect_right(unread, island.first + UNNAMED_WINDOW, key=lambda u: u[0])
            same = [i for _, i in unread[low:high] if known[i].sha is None]
        if same:
            index = min(same, key=lambda i: (abs(known[i].at - island.first), known[i].deployment_id or ""))
            known[index] = _confirmed(known[index], island)
        elif island.sha or not _is_constant(island, number == 0, resolved):
            known.append(_Start(island.first, island.sha, island.revision, "spans"))
    for island, again_at in islands.put_back(stretches):
        known.append(_Start(again_at, island.sha, island.revision, "spans"))


def _is_constant(island: Island, is_first: bool, resolved: Sequence[datetime]) -> bool:
    before = bisect_right(resolved, island.first + MATCH_WINDOW)
    is_outlived = bisect_left(resolved, island.last) > before
    return is_outlived or (is_first and before > 0)


def _is_near(start: _Start, island: Island) -> bool:
    """An event that nobody confirmed yet, shortly after or up to 30 days before the island's first span."""
    age = island.first - start.at
    return start.basis == "deployment" and -MATCH_WINDOW <= age <= islands.ISLAND_GAP * 30


def _confirmed(start: _Start, island: Island) -> _Start:
    sha, revision = (start.sha, start.revision) if start.sha else (island.sha, island.revision)
    return replace(start, at=min(island.first, start.at), sha=sha, revision=revision, basis="both")


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
        if merged and _is_same(merged[-1], start) and not _is_anew(merged[-1], start):
            merged[-1] = _joined(merged[-1], start)
            continue
        is_tie = bool(merged) and merged[-1].at >= start.at
        merged.append(replace(start, at=merged[-1].at + timedelta(microseconds=1)) if is_tie else start)
    previous: str | None = None
    rows = []
    for index, start in enumerate(merged):
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
        # Behind a revision that nobody can read, the last one that is known bounds the range.
        previous = start.sha or previous
    return rows


def _is_same(earlier: _Start, later: _Start) -> bool:
    if earlier.sha or later.sha:
        return earlier.sha == later.sha
    return earlier.revision is not None and earlier.revision == later.revision


def _is_anew(earlier: _Start, later: _Start) -> bool:
    """True when an event deploys again, later than one rollout takes, what runs already."""
    if later.deployment_id is None:
        return False
    return later.at - earlier.at > (ROLLOUT if earlier.deployment_id else MATCH_WINDOW)


def _joined(earlier: _Start, later: _Start) -> _Start:
    bases = {earlier.basis, later.basis}
    basis = next(iter(bases)) if len(bases) == 1 else "both"
    is_rollback = earlier.is_rollback or later.is_rollback
    return replace(
        earlier,
        basis=basis,
        deployment_id=earlier.deployment_id or later.deployment_id,
        is_rollback=is_rollback,
    )


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
    landed_at: Callable[[str, str], datetime | None] | None = None,
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
        landed_at: (repository, sha) -> when a commit reached the mainline. A branch that ran before it was merged
            (a hotfix) then says nothing of the changes that landed beside it; without this it would carry them all.
    """
    ordered = sorted(revisions, key=lambda r: (r["service"], r["environment"], r["started_at"]))
    repository_of = {row["service"]: row["repository"] for row in ordered if row["repository"]}
    reached: dict[tuple[str, str], int] = {}
    rows: list[dict[str, Any]] = []
    for row in ordered:
        if row["environment"] not in production or not row["repository"] or not row["sha"]:
            continue
        key = (row["service"], row["environment"])
        position = position_of(row["repository"], row["sha"])
        if position is None:
            continue
        landed = landed_at(row["repository"], row["sha"]) if landed_at else None
        if landed is not None and landed > row["started_at"]:
            continue
        if key not in reached:
            reached[key] = position
            continue
        if position <= reached[key]:
            continue
        has_traces, has_revision = traced.get(key) or traced.get((row["service"], ""), (False, False))
        path = service_path.get(row["service"], "")
        others = [
            other
            for service, other in sorted(service_path.items())
            if repository_of.get(service, row["repository"]) == row["repository"]
        ]
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


def touches(paths: Iterable[str], directory: str, others: Iterable[str] | None = None) -> bool:
    """True when one of ``paths`` belongs to the service in ``directory``, '' for the root.

    A path belongs to the innermost directory of a service that holds it. Given the directories of the ``others`` in
    the repository, a path in none of them is code that services share, and belongs to every one; files at the top
    (a README) to none but the service at the root.
    """
    rivals = [other.rstrip("/") + "/" for other in others or () if other and other != directory]
    if not directory:
        foreign = tuple(rivals)
        return not foreign or any(not path.startswith(foreign) for path in paths)
    prefix = directory.rstrip("/") + "/"
    inner = tuple(rival for rival in rivals if rival.startswith(prefix))
    foreign = tuple(rivals)
    has_shared = others is not None
    return any(
        not path.startswith(inner)
        if path.startswith(prefix)
        else has_shared and "/" in path and not path.startswith(foreign)
        for path in paths
    )


class Timeline:
    """Rows of ``running_revisions``, to be asked by time.

    An environment that has no rows of its own is read as another spelling of production, else as the one that was
    not named, or, when it is the one that was not named, as the only one there is.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in sorted(rows, key=lambda r: (r["service"], r["environment"], r["started_at"])):
            self._rows[(row["service"], row["environment"])].append(row)
        self._starts = {key: [row["started_at"] for row in rows_] for key, rows_ in self._rows.items()}
        self._environments: dict[str, list[str]] = defaultdict(list)
        for service, environment in sorted(self._rows):
            self._environments[service].append(environment)

    def environment(self, service: str, environment: str) -> str | None:
        """The environment under which the rows of a service stand; None when there is no fitting one."""
        return environments.fitting(environment, self._environments.get(service, []))

    def index_at(self, service: str, environment: str, moment: datetime) -> int | None:
        """Index of the interval in force at ``moment`` among those of the service, or None before the first."""
        found = self.environment(service, environment)
        index = bisect_right(self._starts[(service, found)], moment) - 1 if found is not None else -1
        return index if index >= 0 else None

    def parts(self, service: str, environment: str, moments: Times) -> list[tuple[str | None, int, int]]:
        """(sha that ran, start, end) of the stretches of ``moments``, which are sorted; None before the first interval."""
        intervals = self.of(service, environment)
        starts = np.array([micros(row["started_at"]) for row in intervals], np.int64)
        edges = [0, *np.searchsorted(moments, starts, side="left").tolist(), len(moments)]
        shas = [None, *(row["sha"] for row in intervals)]
        return [
            (sha, start, end)
            for sha, start, end in zip(shas, edges[:-1], edges[1:], strict=True)
            if end > start
        ]

    def at(self, service: str, environment: str, moment: datetime) -> Row | None:
        """The interval in force at ``moment``, or None before the first."""
        index = self.index_at(service, environment, moment)
        return None if index is None else self.of(service, environment)[index]

    def of(self, service: str, environment: str) -> Sequence[Row]:
        """Every interval of a service in an environment, oldest first."""
        found = self.environment(service, environment)
        return [] if found is None else self._rows[(service, found)]
