"""How much of an incident each failure group explains: by trace, service and callers, time, and text.

A link is not a blame: what the group's suspects weigh is decided elsewhere. An incident in whose window nothing
failed, though its service was watched, is a false alarm. Source: DESIGN "Incident links".
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import exp
from typing import Any

from correlator.failure_groups import FailureGroup

Row = Mapping[str, Any]

LEAD = timedelta(hours=6)
"""Failures this long before an incident was opened can belong to it: detection takes time."""

LAG = timedelta(minutes=30)
"""And failures this long after it was resolved, while the mend rolls out."""

DUPLICATE_WINDOW = timedelta(hours=12)
SCORE_MIN = 0.15
_WORD = re.compile(r"[a-z][a-z0-9_]{2,}")
_DULL = frozenset(
    {"the", "for", "and", "error", "errors", "rate", "high", "alert", "service", "failing", "from", "with"}
)


@dataclass(frozen=True, slots=True)
class Link:
    """One incident x group. ``weight`` 0..1; the weights of an incident sum to at most one."""

    group_id: str
    weight: float
    evidence: tuple[dict[str, Any], ...]


def score(incident: Row, groups: Sequence[FailureGroup], *, as_of: datetime) -> list[Link]:
    """Links of one incident, heaviest first; none when nothing that failed can belong to it.

    Args:
        incident: one row of ``incident_states.fold``.
    """
    scored: list[tuple[float, FailureGroup, list[dict[str, Any]]]] = []
    for group in groups:
        value, evidence = _score(incident, group, as_of)
        if value >= SCORE_MIN:
            scored.append((value, group, evidence))
    if not scored:
        return []
    # Squares sharpen: a group that matches by service, time and text leaves little to one that matches by time alone.
    total = sum(value**2 for value, _, _ in scored)
    best = max(value for value, _, _ in scored)
    explained = min(1.0, 0.5 + best / 2)
    links = [
        Link(group.row["group_id"], round(explained * value**2 / total, 6), tuple(evidence))
        for value, group, evidence in scored
    ]
    kept = [link for link in links if link.weight >= 0.02]
    return sorted(kept, key=lambda link: (-link.weight, link.group_id))


def _score(incident: Row, group: FailureGroup, as_of: datetime) -> tuple[float, list[dict[str, Any]]]:
    row = group.row
    evidence: list[dict[str, Any]] = []
    if incident["trace_id"] and any(t["trace_id"] == incident["trace_id"] for t in group.traces):
        evidence.append({"kind": "trace", "detail": f"the incident names trace {incident['trace_id']}"})
        return 3.0, evidence
    if incident["environment"] and row["environment"] and incident["environment"] != row["environment"]:
        return 0.0, []
    since, until = incident["opened_at"] - LEAD, min((incident["resolved_at"] or as_of) + LAG, as_of)
    inside = [t["failed_at"] for t in group.traces if since <= t["failed_at"] <= until]
    if not inside:
        return 0.0, []
    nearness = _service_score(incident["service"], group)
    if nearness == 0.0:
        return 0.0, []
    evidence.append({"kind": "service", "detail": _service_text(incident["service"], group)})
    delay = abs((incident["opened_at"] - row["first_seen_at"]) / timedelta(hours=1))
    freshness = 0.35 + 0.65 * exp(-delay / 6)
    evidence.append(
        {
            "kind": "time",
            "detail": f"{len(inside)} failing traces between {_minute(min(inside))} and {_minute(max(inside))}",
        }
    )
    text, words = _text_score(incident, group)
    if words:
        evidence.append({"kind": "text", "detail": f"both name {', '.join(words)}"})
    volume = min(1.0, 0.6 + 0.1 * len(inside))
    return nearness * freshness * volume * (0.6 + 0.4 * text), evidence


def _service_score(service: str | None, group: FailureGroup) -> float:
    if service is None:
        return 0.6
    if service == group.row["service"]:
        return 1.0
    return 0.8 if service in group.row["callers"] else 0.0


def _service_text(service: str | None, group: FailureGroup) -> str:
    if service is None:
        return "the incident names no service"
    if service == group.row["service"]:
        return f"the failure began in {service}"
    return f"{service} calls {group.row['service']}, where the failure began"


def _text_score(incident: Row, group: FailureGroup) -> tuple[float, list[str]]:
    said = set(_WORD.findall(f"{incident['title']} {incident['postmortem'] or ''}".lower())) - _DULL
    attributes = " ".join(str(value) for value in group.facts.attributes.values())
    shown = set(_WORD.findall(f"{group.row['title']} {group.row['operation']} {attributes}".lower())) - _DULL
    shown -= {group.row["service"].lower()}
    common = sorted(said & shown)
    return (min(1.0, len(common) / 2), common[:4]) if common else (0.0, [])


def _minute(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M")


def duplicates(states: Sequence[Row], links: Mapping[str, Sequence[Link]]) -> dict[str, str]:
    """incident id -> the earlier incident that it repeats: same main failure group, overlapping impact.

    Args:
        states: rows of ``incident_states.fold``, in its order.
        links: incident id -> links, heaviest first.
    """
    found: dict[str, str] = {}
    leaders: list[Row] = []
    for state in states:
        own = links.get(state["incident_id"], ())
        if state["duplicate_of"]:
            found[state["incident_id"]] = state["duplicate_of"]
            continue
        for leader in leaders:
            theirs = links.get(leader["incident_id"], ())
            end = leader["resolved_at"] or leader["opened_at"] + DUPLICATE_WINDOW
            is_same = bool(own and theirs) and own[0].group_id == theirs[0].group_id
            if is_same and state["opened_at"] <= max(end, leader["opened_at"] + DUPLICATE_WINDOW / 6):
                found[state["incident_id"]] = leader["incident_id"]
                break
        else:
            leaders.append(state)
    return found


def named_changes(incident: Row, shas: Mapping[str, str]) -> frozenset[str]:
    """Changes that the incident or its post-mortem names by a sha of at least 7 digits.

    Args:
        shas: commit sha -> change that it landed with.
    """
    texts = [incident["commit_sha"] or "", incident["postmortem"] or ""]
    prefixes = {match.lower() for text in texts for match in re.findall(r"\b[0-9a-fA-F]{7,64}\b", text)}
    return frozenset(
        change for sha, change in shas.items() if any(sha.startswith(prefix) for prefix in prefixes)
    )
