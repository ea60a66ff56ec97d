"""What happened to changes after they ran: the long table that every incident and failure rate counts from.

One outcome (an incident, a new failure group, a rollback, a revert, a hotfix) is shared among who may have caused it;
the shares of one outcome sum to one. Source: METRICS.md; DESIGN section 8 "Outcomes".
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from statistics import median
from typing import Any

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
    groups: Iterable[Row], suspects: Mapping[str, Sequence[Suspect]], *, repository_of: Mapping[str, str]
) -> list[dict[str, Any]]:
    """One outcome per failure group, at its onset."""
    rows: list[dict[str, Any]] = []
    for group in groups:
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
    states: Iterable[Row], suspects: Mapping[str, Sequence[Suspect]], *, repository_of: Mapping[str, str]
) -> list[dict[str, Any]]:
    """One outcome per incident; duplicates and false alarms are none."""
    rows: list[dict[str, Any]] = []
    for state in states:
        if state["duplicate_of"] is None and not state["is_false_alarm"]:
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
    for repository, mainline in mainlines.items():
        for change in mainline.changes:
            for victim in change["reverts"]:
                rows += _rows(
                    OutcomeKind.REVERT,
                    f"{change['sha']}:{victim}",
                    _sole(victim),
                    occurred_at=change["landed_at"],
                    repository_of={victim: repository},
                )
            if change["kind"] == ChangeKind.FIX and _mends(change, repository, states, paths_of, services):
                for victim in change["fixes"]:
                    rows += _rows(
                        OutcomeKind.HOTFIX,
                        f"{change['sha']}:{victim}",
                        _sole(victim),
                        occurred_at=change["landed_at"],
                        repository_of={victim: repository},
                    )
    return rows


def _mends(
    change: Row,
    repository: str,
    states: Sequence[Row],
    paths_of: Mapping[tuple[str, str], Sequence[str]],
    services: Mapping[str, tuple[str | None, str]],
) -> bool:
    touched = paths_of.get((repository, change["sha"]), ())
    for state in states:
        age = change["landed_at"] - state["opened_at"]
        place = services.get(state["service"] or "", (None, ""))
        is_ours = place[0] == repository and touches(touched, place[1])
        if is_ours and timedelta(0) <= age <= HOTFIX_WINDOW:
            return True
    return False


def of_rollbacks(
    timeline_rows: Sequence[Row],
    groups: Sequence[Row],
    suspects: Mapping[str, Sequence[Suspect]],
    *,
    mainlines: Mapping[str, Mainline],
    repository_of: Mapping[str, str],
) -> list[dict[str, Any]]:
    """One outcome per rollback: shared as the failures that began while the bad revision ran are; else unattributed."""
    rows: list[dict[str, Any]] = []
    for row in timeline_rows:
        if not row["is_rollback"]:
            continue
        began = [
            g
            for g in groups
            if g["service"] == row["service"]
            and g["environment"] == row["environment"]
            and g["onset_sha"] == row["previous_sha"]
            and g["first_seen_at"] < row["started_at"]
        ]
        undone = _undone(row, mainlines)
        masses: dict[str, float] = {}
        for group in began:
            for suspect in suspects[group["group_id"]]:
                if suspect.sha and suspect.sha in undone:
                    masses[suspect.sha] = masses.get(suspect.sha, 0.0) + suspect.weight
        total = sum(masses[sha] for sha in sorted(masses))
        if total > 0:
            shared = [
                Suspect(Candidate.CHANGE, CommitSha(s), round(masses[s] / total, 6)) for s in sorted(masses)
            ]
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


def _undone(row: Row, mainlines: Mapping[str, Mainline]) -> set[str]:
    mainline = mainlines.get(row["repository"] or "")
    if mainline is None or not row["sha"] or not row["previous_sha"]:
        return set()
    after, until = mainline.position(row["sha"]), mainline.position(row["previous_sha"])
    return set() if after is None or until is None else {c["sha"] for c in mainline.between(after, until)}


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

    A deployment failed when the next one rolls it back, when a hotfix mends a change that it carried, or when an
    incident within 72 hours puts most of its mass on changes that it carried.
    """
    carried: dict[tuple[str, str, Any], list[str]] = {}
    for row in change_deployments:
        carried.setdefault((row["service"], row["environment"], row["deployed_at"]), []).append(row["sha"])
    mended = {row["sha"]: row["outcome_id"].split(":", 1)[0] for row in hotfixes}
    hotfix_shas = set(mended.values())
    rows: list[dict[str, Any]] = []
    for service, environment in sorted(keys):
        intervals = timeline.of(service, environment)
        for index, row in enumerate(intervals):
            shas = carried.get((service, environment, row["started_at"]), [])
            following = intervals[index + 1] if index + 1 < len(intervals) else None
            is_rolled_back = following is not None and following["is_rollback"]
            incident = _incident_of(row, set(shas), states, suspects)
            fixed_by = next((mended[sha] for sha in sorted(shas) if sha in mended), None)
            is_failed = not row["is_rollback"] and (
                is_rolled_back or incident is not None or fixed_by is not None
            )
            recovered_at = None
            if is_failed:
                recovered_at = _recovery(intervals[index + 1 :], is_rolled_back, fixed_by, carried, incident)
            leads = [
                (row["started_at"] - changes[s]["landed_at"]).total_seconds() for s in shas if s in changes
            ]
            rows.append(
                {
                    "service": service,
                    "environment": environment,
                    "deployed_at": row["started_at"],
                    "deployment_id": row["deployment_id"],
                    "sha": row["sha"],
                    "is_rollback": row["is_rollback"],
                    "is_failed": is_failed,
                    "is_unplanned": row["is_rollback"] or bool(hotfix_shas & set(shas)),
                    "recovered_at": recovered_at,
                    "change_count": len(shas),
                    "lead_time_s": round(max(median(leads), 0.0), 3) if leads else None,
                }
            )
    return rows


def _incident_of(
    row: Row, shas: set[str], states: Sequence[Row], suspects: Mapping[str, Sequence[Suspect]]
) -> Row | None:
    for state in states:
        if state["is_false_alarm"] or state["duplicate_of"]:
            continue
        age = state["opened_at"] - row["started_at"]
        if timedelta(0) <= age <= FAILED_WINDOW:
            mass = sum(s.weight for s in suspects[state["incident_id"]] if s.sha in shas)
            if mass > 0.5:
                return state
    return None


def _recovery(
    later: Sequence[Row],
    is_rolled_back: bool,
    fixed_by: str | None,
    carried: Mapping[tuple[str, str, Any], Sequence[str]],
    incident: Row | None,
) -> Any:
    if is_rolled_back:
        return later[0]["started_at"]
    if fixed_by is not None:
        for row in later:
            if fixed_by in carried.get((row["service"], row["environment"], row["started_at"]), ()):
                return row["started_at"]
    return incident["resolved_at"] if incident else None


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
