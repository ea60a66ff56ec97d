"""What happened to changes after they ran: the long table that every incident and failure rate counts from.

One outcome (an incident, a new failure group, a rollback, a revert, a hotfix) is shared among who may have caused it;
the shares of one outcome sum to one. Source: METRICS.md; DESIGN section 8 "Outcomes".
"""

import json
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from datetime import datetime, timedelta
from itertools import chain
from math import fsum
from statistics import median
from typing import Any

from correlator import environments
from correlator.incident_links import Link
from correlator.mainlines import Mainline
from correlator.revisions import Timeline, touches
from schemas.records import CommitSha, Suspect
from schemas.vocabulary import Candidate, ChangeKind, FailureCategory, OutcomeKind

Row = Mapping[str, Any]

HOTFIX_WINDOW = timedelta(hours=24)
"""A fix that lands this soon after an incident of its service was opened was made to mend it."""

FAILED_WINDOW = timedelta(hours=72)
"""An incident or failure linked to a deployment's range counts against the deployment within this time."""


def _rows(
    kind: OutcomeKind,
    outcome_id: str,
    suspects: Sequence[Suspect],
    *,
    occurred_at: Any,
    repository_of: Mapping[str, str],
    service: str = "",
    category: str = FailureCategory.UNKNOWN,
    severity: str | None = None,
) -> list[dict[str, Any]]:
    return [
        {
            "kind": str(kind),
            "outcome_id": outcome_id,
            "rank": rank,
            "occurred_at": occurred_at,
            "service": service,
            "category": str(category),
            "severity": severity,
            "candidate": str(suspect.candidate),
            "repository": repository_of.get(suspect.sha) if suspect.sha else None,
            "sha": suspect.sha,
            "weight": suspect.weight,
        }
        for rank, suspect in enumerate((s for s in suspects if s.weight > 0), start=1)
    ]


def _sole(sha: str) -> list[Suspect]:
    return [Suspect(Candidate.CHANGE, CommitSha(sha), 1.0)]


def of_groups(
    groups: Iterable[Row],
    suspects: Mapping[str, Sequence[Suspect]],
    *,
    repository_of: Mapping[str, str],
    production: Collection[str] | None = None,
) -> list[dict[str, Any]]:
    """One outcome per failure group, at its onset.

    Args:
        production: names of the environments whose failures count; None: all do.
    """
    rows: list[dict[str, Any]] = []
    for group in groups:
        if production is not None and group["environment"] not in production:
            continue
        rows += _rows(
            OutcomeKind.FAILURE_GROUP,
            group["group_id"],
            suspects[group["group_id"]],
            occurred_at=group["first_seen_at"],
            repository_of=repository_of,
            service=group["service"],
            category=group["category"],
        )
    return rows


def of_incidents(
    states: Iterable[Row],
    suspects: Mapping[str, Sequence[Suspect]],
    *,
    repository_of: Mapping[str, str],
    production: Collection[str] | None = None,
) -> list[dict[str, Any]]:
    """One outcome per incident; duplicates and false alarms are none.

    Args:
        production: as for :func:`of_groups`; an incident that names no environment counts.
    """
    rows: list[dict[str, Any]] = []
    for state in states:
        named = state["environment"] if production is not None else None
        is_ours = not named or any(environments.is_same(named, name) for name in production or () if name)
        if is_ours and state["duplicate_of"] is None and not state["is_false_alarm"]:
            rows += _rows(
                OutcomeKind.INCIDENT,
                state["incident_id"],
                suspects[state["incident_id"]],
                occurred_at=state["opened_at"],
                repository_of=repository_of,
                service=state["service"] or "",
                category=state["category"],
                severity=state["severity"],
            )
    return rows


def of_history(
    mainlines: Mapping[str, Mainline],
    states: Sequence[Row],
    *,
    paths_of: Mapping[tuple[str, str], Sequence[str]],
    services: Mapping[str, tuple[str | None, str]],
) -> list[dict[str, Any]]:
    """Reverts and hotfixes: the changes that they name.

    A fix is a hotfix when it names the change that it mends and landed within a day of an incident in a service whose
    files it touches.

    Args:
        services: service -> (repository, path).
    """
    rows: list[dict[str, Any]] = []
    told: set[str] = set()
    for repository, mainline in sorted(mainlines.items()):
        alarms = _Alarms(repository, states, services)
        for change in mainline.menders():
            # A fork that was added too tells the same history again.
            if change["sha"] in told:
                continue
            told.add(change["sha"])
            for victim in change["reverts"]:
                reverted = mainline.change(victim)
                if reverted is not None and reverted["kind"] == ChangeKind.REVERT:
                    # Landing again what was taken back is no failure of the revert.
                    continue
                rows += _rows(
                    OutcomeKind.REVERT,
                    f"{change['sha']}:{victim}",
                    _sole(victim),
                    occurred_at=change["landed_at"],
                    repository_of={victim: repository},
                )
            if not change["fixes"] or change["kind"] != ChangeKind.FIX:
                continue
            if alarms.are_mended(change["landed_at"], paths_of.get((repository, change["sha"]), ())):
                for victim in change["fixes"]:
                    rows += _rows(
                        OutcomeKind.HOTFIX,
                        f"{change['sha']}:{victim}",
                        _sole(victim),
                        occurred_at=change["landed_at"],
                        repository_of={victim: repository},
                    )
    return rows


class _Alarms:
    """When incidents were opened in the services of one repository, and where the code of those services lies."""

    def __init__(
        self, repository: str, states: Sequence[Row], services: Mapping[str, tuple[str | None, str]]
    ) -> None:
        self._directories = sorted({path for name, path in services.values() if name == repository})
        found = []
        for state in states:
            name, path = services.get(state["service"] or "", (None, ""))
            if name == repository and not state["is_false_alarm"]:
                found.append((state["opened_at"], path))
        self._opened = sorted(found)

    def are_mended(self, landed_at: datetime, touched: Sequence[str]) -> bool:
        """True when a change that landed then and touches these paths came within a day of an incident there."""
        low = bisect_left(self._opened, landed_at - HOTFIX_WINDOW, key=lambda alarm: alarm[0])
        high = bisect_right(self._opened, landed_at, key=lambda alarm: alarm[0])
        directories = {path for _, path in self._opened[low:high]}
        return any(touches(touched, directory, self._directories) for directory in sorted(directories))


def of_rollbacks(
    timeline_rows: Sequence[Row],
    groups: Sequence[Row],
    suspects: Mapping[str, Sequence[Suspect]],
    *,
    mainlines: Mapping[str, Mainline],
    repository_of: Mapping[str, str],
    production: Collection[str] | None = None,
) -> list[dict[str, Any]]:
    """One outcome per rollback: shared as the failures that began while what it undoes ran are; else unattributed.

    Failures of its service, that is, first seen on any of the revisions that it takes back: a deployment may have
    followed the bad one.

    Args:
        production: as for :func:`of_groups`.
    """
    began_on: dict[tuple[str, str | None], list[Row]] = defaultdict(list)
    for group in groups:
        began_on[(group["service"], group["onset_sha"])].append(group)
    rows: list[dict[str, Any]] = []
    for row in timeline_rows:
        if not row["is_rollback"] or (production is not None and row["environment"] not in production):
            continue
        undone = _undone(row, mainlines)
        masses: dict[str, float] = {}
        ran = sorted({*undone, row["previous_sha"] or ""})
        for group in chain.from_iterable(began_on[(row["service"], sha)] for sha in ran):
            is_there = environments.is_same(group["environment"], row["environment"])
            if is_there and group["first_seen_at"] < row["started_at"]:
                for suspect in suspects[group["group_id"]]:
                    if suspect.sha and suspect.sha in undone:
                        masses[suspect.sha] = masses.get(suspect.sha, 0.0) + suspect.weight
        if any(masses.values()):
            shared = _shares(masses)
        elif len(undone) == 1:
            shared = _sole(next(iter(undone)))
        else:
            shared = [Suspect(Candidate.UNATTRIBUTED, None, 1.0)]
        rows += _rows(
            OutcomeKind.ROLLBACK,
            f"{row['service']}:{row['environment']}:{row['started_at'].isoformat()}",
            shared,
            occurred_at=row["started_at"],
            repository_of=repository_of,
            service=row["service"],
        )
    return rows


def _shares(masses: Mapping[str, float]) -> list[Suspect]:
    """Masses as shares of six decimals that sum to one, heaviest first; it also takes what rounding leaves."""
    total = fsum(masses[sha] for sha in sorted(masses))
    ordered = sorted((-round(masses[sha] / total, 6), sha) for sha in masses)
    rest = round(1 + fsum(share for share, _ in ordered[1:]), 6)
    weights = [rest, *(-share for share, _ in ordered[1:])]
    return [
        Suspect(Candidate.CHANGE, CommitSha(sha), weight)
        for weight, (_, sha) in zip(weights, ordered, strict=True)
    ]


def _undone(row: Row, mainlines: Mapping[str, Mainline]) -> set[str]:
    mainline = mainlines.get(row["repository"] or "")
    if mainline is None or not row["sha"] or not row["previous_sha"]:
        return set()
    after, until = mainline.position(row["sha"]), mainline.position(row["previous_sha"])
    return set() if after is None or until is None else {c["sha"] for c in mainline.between(after, until)}


def links_by_incident(links: Mapping[str, Sequence[Link]]) -> list[dict[str, Any]]:
    """Rows of ``incident_links``."""
    return [
        {
            "incident_id": incident,
            "group_id": link.group_id,
            "weight": link.weight,
            "evidence": json.dumps(list(link.evidence), ensure_ascii=False, sort_keys=True),
        }
        for incident in sorted(links)
        for link in links[incident]
    ]


def of_deployments(
    timeline: Timeline,
    keys: Iterable[tuple[str, str]],
    *,
    change_deployments: Sequence[Row],
    changes: Mapping[str, Row],
    states: Sequence[Row],
    suspects: Mapping[str, Sequence[Suspect]],
    hotfixes: Sequence[Row],
) -> list[dict[str, Any]]:
    """Rows of ``deployment_outcomes``: which deployments needed immediate intervention (DORA change failure rate).

    A deployment failed when the next one rolls it back, or when within 72 hours a hotfix or a revert of a change that
    it carried lands, or an incident puts most of its mass on changes that it carried.

    Args:
        hotfixes: rows of :func:`of_history`, hotfixes and reverts.
    """
    carried = _Carried(change_deployments)
    blamed = _Blamed(states, suspects)
    mends: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
    for row in hotfixes:
        mends[row["sha"]].append((row["occurred_at"], row["outcome_id"].split(":", 1)[0]))
    emergencies = {r["outcome_id"].split(":", 1)[0] for r in hotfixes if r["kind"] == OutcomeKind.HOTFIX}
    judged: list[tuple[Sequence[Row], int, Row | None, str | None]] = []
    for service, environment in sorted(keys):
        intervals = timeline.of(service, environment)
        for index, row in enumerate(intervals):
            shas = carried.by(row)
            soon = [m for sha in shas for m in mends[sha] if _is_soon(m[0], row["started_at"])]
            fixed_by = min(soon)[1] if soon and not row["is_rollback"] else None
            if fixed_by is not None:
                emergencies.add(fixed_by)
            judged.append((intervals, index, blamed.soon_after(row, shas, carried), fixed_by))
    return [
        _deployment(intervals, index, incident, fixed_by, carried, changes, emergencies)
        for intervals, index, incident, fixed_by in judged
    ]


def _is_soon(moment: datetime, started_at: datetime) -> bool:
    return timedelta(0) <= moment - started_at <= FAILED_WINDOW


def _deployment(
    intervals: Sequence[Row],
    index: int,
    incident: Row | None,
    fixed_by: str | None,
    carried: "_Carried",
    changes: Mapping[str, Row],
    emergencies: Collection[str],
) -> dict[str, Any]:
    row = intervals[index]
    shas = carried.by(row)
    following = intervals[index + 1] if index + 1 < len(intervals) else None
    is_rolled_back = following is not None and following["is_rollback"]
    has_failed = is_rolled_back or incident is not None or fixed_by is not None
    is_failed = has_failed and not row["is_rollback"]
    recovered_at = None
    if is_failed:
        later = range(index + 1, len(intervals)) if fixed_by else ()
        mend = next((intervals[i] for i in later if fixed_by in carried.by(intervals[i])), None)
        if following is not None and is_rolled_back:
            recovered_at = following["started_at"]
        elif mend is not None:
            recovered_at = mend["started_at"]
        else:
            recovered_at = incident["resolved_at"] if incident else None
    leads = [(row["started_at"] - changes[s]["landed_at"]).total_seconds() for s in shas if s in changes]
    return {
        "service": row["service"],
        "environment": row["environment"],
        "deployed_at": row["started_at"],
        "deployment_id": row["deployment_id"],
        "sha": row["sha"],
        "is_rollback": row["is_rollback"],
        "is_failed": is_failed,
        "is_unplanned": row["is_rollback"] or not shas.isdisjoint(emergencies),
        "recovered_at": recovered_at,
        "change_count": len(shas),
        "lead_time_s": round(max(median(leads), 0.0), 3) if leads else None,
    }


class _Carried:
    """Which changes each deployment carried first, and in which services each change ran."""

    def __init__(self, change_deployments: Iterable[Row]) -> None:
        self._by: dict[tuple[str, str, datetime], set[str]] = defaultdict(set)
        self.services: dict[str, set[str]] = defaultdict(set)
        for row in change_deployments:
            self._by[(row["service"], row["environment"], row["deployed_at"])].add(row["sha"])
            self.services[row["sha"]].add(row["service"])

    def by(self, deployment: Row) -> Set[str]:
        return self._by.get(
            (deployment["service"], deployment["environment"], deployment["started_at"]), frozenset()
        )


class _Blamed:
    """Incidents by when they were opened, with the mass that each puts on changes."""

    def __init__(self, states: Iterable[Row], suspects: Mapping[str, Sequence[Suspect]]) -> None:
        counted = [s for s in states if not s["is_false_alarm"] and not s["duplicate_of"]]
        self._states = sorted(counted, key=lambda s: (s["opened_at"], s["incident_id"]))
        self._opened = [state["opened_at"] for state in self._states]
        self._masses = {
            s["incident_id"]: {x.sha: x.weight for x in suspects[s["incident_id"]] if x.sha} for s in counted
        }

    def soon_after(self, deployment: Row, shas: Collection[str], carried: _Carried) -> Row | None:
        """The first incident within 72 hours that puts most of its mass on what ``deployment`` carried.

        A change of shared code is deployed in several services: it fails where the incident is, if it runs there.
        """
        since = deployment["started_at"]
        low, high = bisect_left(self._opened, since), bisect_right(self._opened, since + FAILED_WINDOW)
        for state in self._states[low:high] if shas else ():
            service, masses = state["service"], self._masses[state["incident_id"]]
            mass = fsum(
                weight
                for sha, weight in masses.items()
                if sha in shas and (service == deployment["service"] or service not in carried.services[sha])
            )
            if mass > 0.5:
                return state
        return None
