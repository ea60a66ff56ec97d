"""What people and their pagers say of failures: late, in their own words, sometimes of the wrong service, sometimes of none."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from worlds.causes import Cause
from worlds.history import END, History
from worlds.stacks import signature

QUIET_TRACES_MIN = 3


@dataclass(frozen=True, slots=True)
class Told:
    """One incident: reports for the intake, in the order of time, and what caused it; None: nothing did."""

    external_id: str
    cause: Cause | None
    reports: tuple[dict[str, Any], ...]


def of(history: History, causes: Sequence[Cause], traces: dict[int, list[str]], seed: int) -> list[Told]:
    """Incidents of a world.

    Args:
        traces: number of a cause -> ids of traces that met it.
    """
    chance = random.Random(f"{seed}/incidents")
    found: list[Told] = []
    for cause in causes:
        if cause.kind == "old" or (cause.shows not in ("silent", "open") and cause.traces < QUIET_TRACES_MIN):
            continue
        planted = cause.planted
        if planted is not None and (planted.noticed_at is None or planted.noticed_at >= END):
            continue
        if chance.random() > (0.8 if planted else 0.75) and cause.shows != "silent":
            continue
        opened, resolved = _times(cause, chance)
        if opened is None or opened >= END:
            continue
        found.append(_told(history, cause, opened, resolved, traces, chance, len(found) + 1))
        if chance.random() < 0.15:
            found.append(
                _told(
                    history,
                    cause,
                    opened + timedelta(minutes=chance.uniform(1, 40)),
                    resolved,
                    traces,
                    chance,
                    len(found) + 1,
                )
            )
    for _ in range(chance.choice((1, 2))):
        service = chance.choice(history.company.services)
        opened = END - timedelta(days=chance.uniform(2, 35))
        reports = _reports(
            f"INC-{len(found) + 1}",
            f"Latency alert on {service.name}",
            service.name,
            opened,
            opened + timedelta(minutes=chance.uniform(5, 40)),
            None,
            "warning",
        )
        found.append(Told(f"INC-{len(found) + 1}", None, reports))
    return found


def _times(cause: Cause, chance: random.Random) -> tuple[datetime | None, datetime | None]:
    if cause.planted is not None:
        planted = cause.planted
        opened = planted.noticed_at
        ended = planted.ended_at or (
            planted.mended.at + timedelta(hours=chance.uniform(0.3, 3)) if planted.mended else None
        )
        if planted.way == "none":
            ended = opened + timedelta(hours=chance.uniform(1, 30)) if opened else None
        return opened, ended
    trouble = cause.trouble
    assert trouble is not None
    first = datetime.fromtimestamp(cause.first_at, UTC) if cause.first_at else trouble.since
    return first + timedelta(minutes=chance.lognormvariate(2.0, 0.8)), trouble.until + timedelta(
        minutes=chance.uniform(0, 60)
    )


def _told(
    history: History,
    cause: Cause,
    opened: datetime,
    resolved: datetime | None,
    traces: dict[int, list[str]],
    chance: random.Random,
    number: int,
) -> Told:
    service: str | None = cause.service.name
    draw = chance.random()
    if draw < 0.12:
        service = None
    elif draw < 0.27:
        service = chance.choice(history.company.services).name
    trace = None
    if chance.random() < 0.1 and traces.get(cause.number):
        trace = chance.choice(traces[cause.number][:20])
    reports = _reports(
        f"INC-{number}",
        title(cause, chance),
        service,
        opened,
        resolved,
        trace,
        chance.choice(("critical", "major", "minor")),
    )
    return Told(f"INC-{number}", cause, reports)


def _reports(
    id_: str,
    said: str,
    service: str | None,
    opened: datetime,
    resolved: datetime | None,
    trace: str | None,
    severity: str,
) -> tuple[dict[str, Any], ...]:
    common: dict[str, Any] = {"id": id_, "title": said, "environment": "production", "severity": severity}
    if service:
        common["service"] = service
    first = {**common, "event": "opened", "opened_at": opened.isoformat()}
    if trace:
        first["links"] = {"trace_id": trace}
    if resolved is None or resolved >= END:
        return (first,)
    resolved = max(resolved, opened + timedelta(minutes=3))
    return (
        first,
        {**common, "event": "resolved", "opened_at": opened.isoformat(), "resolved_at": resolved.isoformat()},
    )


def title(cause: Cause, chance: random.Random) -> str:
    """What somebody would call it: by its exception, by its route, or by what customers feel."""
    if cause.planted is not None and cause.planted.defect.text:
        return cause.planted.defect.text
    operation = chance.choice(cause.operations)
    service = cause.service.name
    told = cause.planted.defect if cause.planted else cause.trouble
    assert told is not None
    ways = [
        f"{operation.name} fails",
        f"Errors on {operation.path or operation.name}",
        f"{service}: error rate high",
        f"Customers cannot use {service}",
    ]
    if told.signature:
        type_, message = signature(told.signature, cause.service.language, **told.names)
        ways += [f"{type_} in {service}", f"{type_.rsplit('.', 1)[-1]}: {message.splitlines()[0]}"]
    match cause.shows:
        case "slow" | "many" | "hang":
            ways = [
                f"{operation.name} is slow",
                f"Latency of {service} over its limit",
                f"p95 of {operation.path or operation.name} doubled",
            ]
        case "open":
            ways = [f"{operation.path} answers without a login", f"Anyone can call {operation.name}"]
        case "deny" | "refuse" | "stranger":
            status = (
                cause.trouble.status
                if cause.trouble
                else cause.planted.defect.status
                if cause.planted
                else 400
            )
            ways = [
                f"{status} on {operation.name}",
                f"Requests to {operation.path} are refused",
                f"4xx rate of {service} is up",
            ]
    return chance.choice(ways)
