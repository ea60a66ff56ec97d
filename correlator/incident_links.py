"""How much of an incident each failure group explains: by trace, service and callers, time, and text.

A link is not a blame: what the group's suspects weigh is decided elsewhere. An incident in whose window nothing
failed, though its service was watched, is a false alarm. Source: DESIGN "Incident links".
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import exp, fsum, sqrt
from typing import Any

from correlator import category_texts, complaints, environments
from correlator.failure_groups import FailureGroup
from schemas.vocabulary import SERVER_ADDRESS, FailureCategory

Row = Mapping[str, Any]

LEAD = timedelta(hours=6)
"""Failures this long before an incident was opened can belong to it: detection takes time."""

LAG = timedelta(minutes=30)
"""And failures this long after it was resolved, while the mend rolls out."""

OPEN_MAX = timedelta(hours=24)
"""An incident that nobody resolved does not collect what fails in the months after."""

CHRONIC_AGE = timedelta(days=7)
"""A failure that had gone on for so long at the same rate raised no alarm: it explains no new incident by time alone."""

SILENT_REACH = timedelta(days=14)
"""What drifted without an error can be noticed this long after it was seen: no alarm goes off, a customer writes."""

DUPLICATE_WINDOW = timedelta(hours=12)
FRESH_HOURS = 18
"""A failure that began this long before the incident is a third as fresh: somebody noticed it the next morning."""

OTHER_KIND = 0.3
"""Score of a failure that is not what the incident complains of, against one that may be: nobody says "anyone can call it"
of an exception."""

NAMED_ELSEWHERE = 0.5
"""Nearness of a failure of another service which the incident names, when its own has none."""
TYPE_CHARACTERS_MIN = 9
"""Shorter names of types are words, or the same everywhere."""

SCORE_MIN = 0.15
_SHA = re.compile(r"\b[0-9a-fA-F]{7,64}\b")
# "#34" and ".../pull/34", ".../merge_requests/34"; not "C#3" and not "issue/#34".
_REQUEST = re.compile(r"(?<![\w/&])#(\d{1,9})\b|/(?:pull|pulls|merge_requests)/(\d{1,9})\b")
_WORD = re.compile(r"[a-z][a-z0-9_]{2,}")
_DULL = frozenset(
    {"the", "for", "and", "error", "errors", "rate", "high", "alert", "service", "failing", "from", "with"}
)


_Scored = tuple[float, FailureGroup, list[dict[str, Any]]]


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
    scored = _scored(incident, groups, as_of, is_elsewhere=False) or _scored(
        incident, groups, as_of, is_elsewhere=True
    )
    if not scored:
        return []
    # Squares sharpen: a group that matches by service, time and text leaves little to one that matches by time alone.
    total = fsum(sorted(value**2 for value, _, _ in scored))
    best = max(value for value, _, _ in scored)
    explained = min(1.0, 0.3 + best)
    links = [
        Link(group.row["group_id"], round(explained * value**2 / total, 6), tuple(evidence))
        for value, group, evidence in scored
    ]
    kept = [link for link in links if link.weight >= 0.02]
    return sorted(kept, key=lambda link: (-link.weight, link.group_id))


def _scored(
    incident: Row, groups: Sequence[FailureGroup], as_of: datetime, *, is_elsewhere: bool
) -> list[_Scored]:
    """The groups that may belong to the incident; with ``is_elsewhere`` those of any service that it names otherwise."""
    found: list[_Scored] = []
    for group in groups:
        nearness = _service_score(incident["service"], group)
        if nearness == 0.0 and is_elsewhere and _is_named(incident, group):
            nearness = NAMED_ELSEWHERE
        value, evidence = _score(incident, group, as_of, nearness)
        if value < SCORE_MIN and group.row["detector"] is not None:
            value, evidence = _silent_score(incident, group, nearness)
        if value >= SCORE_MIN:
            found.append((value, group, evidence))
    return found


def _score(
    incident: Row, group: FailureGroup, as_of: datetime, nearness: float
) -> tuple[float, list[dict[str, Any]]]:
    row = group.row
    evidence: list[dict[str, Any]] = []
    if incident["trace_id"] and incident["trace_id"] in group.named_traces:
        evidence.append({"kind": "trace", "detail": f"the incident names trace {incident['trace_id']}"})
        return 3.0, evidence
    since, until = _window(incident, as_of)
    if row["last_seen_at"] < since or row["first_seen_at"] > until:
        return 0.0, []
    if not environments.is_same(incident["environment"], row["environment"]):
        return 0.0, []
    if nearness == 0.0:
        return 0.0, []
    low, high = group.failures.before(since), group.failures.until(until)
    if low >= high:
        return 0.0, []
    count, first, last = high - low, group.failures.at(low), group.failures.at(high - 1)
    evidence.append({"kind": "service", "detail": _service_text(incident["service"], group)})
    text, words = _text_score(incident, group)
    freshness = _freshness(incident["opened_at"], group, low, high, has_words=bool(words))
    if freshness == 0.0:
        return 0.0, []
    evidence.append(
        {"kind": "time", "detail": f"{count} failing traces between {_minute(first)} and {_minute(last)}"}
    )
    if words:
        evidence.append({"kind": "text", "detail": f"both name {', '.join(words)}"})
    volume = min(1.0, 0.6 + 0.1 * count)
    kind = 1.0 if _is_of_kind(incident, group) else OTHER_KIND
    return nearness * freshness * volume * (0.6 + 0.4 * text) * kind, evidence


def _silent_score(incident: Row, group: FailureGroup, nearness: float) -> tuple[float, list[dict[str, Any]]]:
    """Score of a drift of the days before, which only what the incident says can tell from any other."""
    row = group.row
    days = (incident["opened_at"] - row["first_seen_at"]) / timedelta(days=1)
    is_near = row["first_seen_at"] <= incident["opened_at"] <= row["last_seen_at"] + SILENT_REACH
    if not is_near or not environments.is_same(incident["environment"], row["environment"]):
        return 0.0, []
    text, words = _text_score(incident, group)
    complaint = complaints.of(incident)
    said: FailureCategory | complaints.Complaint = category_texts.of(incident).category
    is_same_kind = said is not FailureCategory.UNKNOWN and said in {r.category for r in group.categories}
    asked = complaints.DETECTORS.get(complaint)
    if row["detector"] in (asked or ()):
        is_same_kind, said = True, said if is_same_kind else complaint
    elif complaint in complaints.UNSEEN:
        # A lost log-in and a new host are both matters of security.
        return 0.0, []
    if nearness == 0.0 or not (is_same_kind or text >= 1):
        return 0.0, []
    evidence = [
        {"kind": "service", "detail": _service_text(incident["service"], group)},
        {"kind": "time", "detail": f"began {days:.1f} days before the incident, without an error"},
    ]
    if is_same_kind:
        evidence.append({"kind": "text", "detail": f"the incident speaks of {said}"})
    if words:
        evidence.append({"kind": "text", "detail": f"both name {', '.join(words)}"})
    return nearness * (0.5 + 0.2 * text), evidence


def _is_of_kind(incident: Row, group: FailureGroup) -> bool:
    """False for a failure that cannot be what an incident about open access or wrong data complains of."""
    complaint = complaints.of(incident)
    if complaint not in complaints.UNSEEN:
        return True
    if group.row["detector"] is not None:
        return group.row["detector"] in complaints.DETECTORS[complaint]
    said = category_texts.of(incident).category
    return said is not FailureCategory.UNKNOWN and said in {r.category for r in group.categories}


def _window(incident: Row, as_of: datetime) -> tuple[datetime, datetime]:
    end = (
        incident["resolved_at"] + LAG
        if incident["resolved_at"] is not None
        else incident["opened_at"] + OPEN_MAX
    )
    return incident["opened_at"] - LEAD, min(end, as_of)


def _freshness(opened_at: datetime, group: FailureGroup, low: int, high: int, *, has_words: bool) -> float:
    """0..1: how well the group's onset, or a surge of it, fits the time at which the incident was opened.

    Args:
        low, high: the group's failures in the incident's window; they are ordered by time.
        has_words: the incident and the group share words.
    """
    first_seen_at: datetime = group.row["first_seen_at"]
    delay = (opened_at - first_seen_at) / timedelta(hours=1)
    if delay < 0:
        # What began after the incident hardly brought it about: an hour is left for clocks and for sampling.
        return exp(delay)
    surge = _surge(opened_at, group, low, high)
    is_chronic = opened_at - first_seen_at > CHRONIC_AGE
    least = 0.0 if is_chronic and not has_words else 0.35
    if is_chronic and surge == 0.0 and not has_words:
        return 0.0
    return least + (1 - least) * max(exp(-delay / FRESH_HOURS), surge)


def _surge(opened_at: datetime, group: FailureGroup, low: int, high: int) -> float:
    """Share of the failures around the incident that the group's own rate before does not explain; 0 within chance."""
    usual_until = opened_at - LEAD
    usual_hours = (usual_until - group.row["first_seen_at"]) / timedelta(hours=1)
    if usual_hours <= 0 or low == 0:
        return 0.0
    last = group.failures.at(high - 1)
    hours = max((last - usual_until) / timedelta(hours=1), LEAD / timedelta(hours=1))
    expected = low / usual_hours * hours
    count = high - low
    # Three standard deviations of a Poisson count, and at least three failures more.
    is_more = count > expected + 3 * sqrt(expected) + 3
    return (count - expected) / count if is_more else 0.0


def _service_score(service: str | None, group: FailureGroup) -> float:
    if service is None:
        return 0.6
    if service == group.row["service"]:
        return 1.0
    if service in group.row["callers"]:
        return 0.8
    return 0.8 if _is_called(service, group) else 0.0


def _is_named(incident: Row, group: FailureGroup) -> bool:
    """True when the title holds the type of the failure, or the route or the operation on which it happens.

    Who opens an incident in a hurry picks the wrong service; what he copies from a log is right.
    """
    title = incident["title"] or ""
    kind = re.split(r"[.:\\*]+", group.facts.exception_type or "")[-1]
    operation = group.row["operation"] or ""
    route = operation.rsplit(" ", 1)[-1]
    names = [
        *([kind] if len(kind) >= TYPE_CHARACTERS_MIN else []),
        *([route] if route in complaints.named_paths(title) else []),
        *([operation] if " " in operation else []),
    ]
    return any(name in title and re.search(rf"(?<![\w/]){re.escape(name)}(?![\w/])", title) for name in names)


def _is_called(service: str, group: FailureGroup) -> bool:
    """True when the failure is a call to ``service``: one that is down sends no spans, its callers do."""
    address = str(group.facts.attributes.get(SERVER_ADDRESS) or "")
    return group.callee == service or re.split(r"[.:]", address, maxsplit=1)[0] == service


def _service_text(service: str | None, group: FailureGroup) -> str:
    if service is None:
        return "the incident names no service"
    if service == group.row["service"]:
        return f"the failure began in {service}"
    if service not in group.row["callers"]:
        if _is_called(service, group):
            return f"{group.row['service']} failed in calling {service}"
        return f"the incident is of {service}, where nothing of its kind failed, and names this failure of {group.row['service']}"
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


def duplicates(
    states: Sequence[Row], links: Mapping[str, Sequence[Link]], false: Collection[str]
) -> dict[str, str]:
    """incident id -> the earlier incident that it repeats: same main failure group, overlapping impact.

    Args:
        states: rows of ``incident_states.fold``, in its order.
        links: incident id -> links, heaviest first.
        false: ids of the false alarms, by people or by ``incidents.is_false``: they repeat none and lead none.
    """
    found = _stated(states, false)
    leaders: dict[str, list[Row]] = {}
    for state in states:
        own = links.get(state["incident_id"], ())
        # A false alarm leads nobody: the incident that repeats it may be a true one.
        if state["incident_id"] in found or state["incident_id"] in false or not own:
            continue
        known = leaders.setdefault(own[0].group_id, [])
        leader = next((other for other in known if _is_during(state, other)), None)
        if leader is None:
            known.append(state)
        else:
            found[state["incident_id"]] = leader["incident_id"]
    # An incident that was said to repeat one which itself repeats another repeats that.
    return {incident: found.get(leader, leader) for incident, leader in found.items()}


def _is_during(state: Row, leader: Row) -> bool:
    end = leader["resolved_at"] or leader["opened_at"] + DUPLICATE_WINDOW
    moment: datetime = state["opened_at"]
    return bool(moment <= max(end, leader["opened_at"] + DUPLICATE_WINDOW / 6))


def _stated(states: Sequence[Row], false: Collection[str]) -> dict[str, str]:
    """What senders say repeats what, each incident led to the first of its kind.

    Chains are followed to their end. Of a circle, and of those that repeat an incident which was never sent or was no
    incident, the first one leads: one of them always counts.
    """
    said = {s["incident_id"]: s["duplicate_of"] for s in states if s["duplicate_of"]}
    known = {s["incident_id"] for s in states} - set(false)
    first_of: dict[str, str] = {}
    found: dict[str, str] = {}
    for state in states:
        incident = state["incident_id"]
        if incident not in said or incident in false:
            continue
        path = [incident]
        while path[-1] in said and said[path[-1]] not in path:
            path.append(said[path[-1]])
        is_circle = path[-1] in said
        root = min(path[path.index(said[path[-1]]) :]) if is_circle else path[-1]
        if not is_circle and root in known:
            found[incident] = root
        elif first_of.setdefault(root, incident) != incident:
            found[incident] = first_of[root]
    return found


def named_changes(incident: Row, shas: Mapping[str, str], requests: Mapping[int, str]) -> frozenset[str]:
    """Changes that the incident or its post-mortem names: by a sha of at least 7 digits, where it names one change
    only, or by the number of the pull request.

    Args:
        shas: commit sha -> change that it landed with.
        requests: pull or merge request number -> change, of the repository of the incident's service.
    """
    found = {requests[number] for number in named_requests(incident) if number in requests}
    short = []
    for prefix in sorted(named_shas(incident)):
        if prefix in shas:
            found.add(shas[prefix])
        elif len(prefix) < 40:
            short.append(prefix)
    if short:
        listed = tuple(short)
        meant: dict[str, set[str]] = {prefix: set() for prefix in short}
        for sha in shas:
            if sha.startswith(listed):
                for prefix in short:
                    if sha.startswith(prefix):
                        meant[prefix].add(shas[sha])
        found |= {next(iter(changes)) for changes in meant.values() if len(changes) == 1}
    return frozenset(found)


def named_requests(incident: Row) -> frozenset[int]:
    """Pull or merge request numbers that the incident and its post-mortem name: ``#34``, ``.../pull/34``, ``34``."""
    stated = re.search(r"(\d{1,9})/?$", incident["pull_request"] or "")
    numbers = {int(stated[1])} if stated else set()
    for match in _REQUEST.finditer(incident["postmortem"] or ""):
        numbers.add(int(match[1] or match[2]))
    return frozenset(numbers)


def named_shas(incident: Row) -> frozenset[str]:
    """Lower-case hex of 7 digits or more in what the incident and its post-mortem say of commits."""
    texts = [incident["commit_sha"] or "", incident["postmortem"] or ""]
    return frozenset(match.lower() for text in texts for match in _SHA.findall(text))
