"""Failures that no change is to blame for: peers that are away, certificates, strangers, disks, crowds, old faults."""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from worlds.code import Function, Statement, reachable
from worlds.company import Operation, Service
from worlds.edits import served
from worlds.history import WATCHED_FROM, History


@dataclass(eq=False, repr=False, slots=True)
class Trouble:
    """``kind``: outage | blip | certificate | token | crowd | stranger | disk | host | old | contract.

    ``share`` of the requests meet it; ``hosts``: only those of the service, by number; empty: all.
    """

    kind: str
    service: Service
    since: datetime
    until: datetime
    operations: list[Operation]
    share: float
    host: str = ""
    keys: frozenset[int] = frozenset()
    hosts: frozenset[int] = frozenset()
    sites: list[tuple[Function, Statement]] = field(default_factory=list)
    signature: str = ""
    names: dict[str, str] = field(default_factory=dict)
    status: int = 500
    crowd: float = 1.0


KINDS = ("outage", "blip", "certificate", "token", "crowd", "stranger", "disk", "host", "contract", "outage")


def make(history: History, seed: int, count: int) -> list[Trouble]:
    """Troubles of a world; half of them begin shortly after a deployment that has nothing to do with them."""
    chance = random.Random(f"{seed}/troubles")
    kinds = list(KINDS)
    chance.shuffle(kinds)
    found: list[Trouble] = []
    for number in range(count * 3):
        if len(found) == count:
            break
        service = chance.choice(history.company.services)
        made = _trouble(kinds[number % len(kinds)], service, chance)
        if made is not None and made.sites:
            reached = [f for f, _ in made.sites]
            made.operations = [o for o in made.operations if any(f in reachable(o.handler) for f in reached)]
        if made is not None and made.operations:
            _place(made, history, chance)
            found.append(made)
    old = _old(chance.choice(history.company.services), chance, history.end)
    if old is not None:
        found.append(old)
    return found


def _place(made: Trouble, history: History, chance: random.Random) -> None:
    first, last = WATCHED_FROM + history.watched * 0.08, history.end - history.watched * 0.08
    lasting = made.until - made.since
    known = [d for d in history.deployments[made.service.name] if first < d.at < last]
    if known and chance.random() < 0.5:
        since = chance.choice(known).at + timedelta(minutes=chance.uniform(1, 100))
    else:
        since = first + (last - first) * chance.random()
        since = since.replace(hour=chance.randint(7, 20))
    made.since, made.until = since, since + lasting


def _calls(service: Service, kind: str) -> list[tuple[Function, Statement]]:
    return [(f, s) for f in served(service) for s in f.body if s.kind == kind]


def _trouble(kind: str, service: Service, chance: random.Random) -> Trouble | None:
    operations = [o for o in service.operations if not o.topic]
    outside = [(f, s) for f, s in _calls(service, "fetch") if s.arguments.get("host")]
    queries = _calls(service, "query")
    now = WATCHED_FROM
    minutes = chance.lognormvariate(3.8, 0.8)
    until = now + timedelta(minutes=minutes)
    if kind in ("outage", "certificate", "token", "contract"):
        if not outside:
            return None
        function, statement = chance.choice(outside)
        host = str(statement.arguments["host"])
        keys = frozenset(s.key for _, s in outside if s.arguments["host"] == host)
        signature = {
            "outage": chance.choice(("refused", "timeout", "unresolved", "reset")),
            "certificate": "certificate",
        }.get(kind, "")
        if kind == "certificate":
            until = now + timedelta(hours=chance.uniform(1, 8))
        if kind == "token":
            until = now + timedelta(hours=chance.uniform(1, 10))
        if kind == "contract":
            until = now + timedelta(hours=chance.uniform(2, 30))
            at = function.body.index(statement)
            reads = [
                s
                for s in function.body[at + 1 :]
                if s.kind == "field" and s.arguments["a"] == statement.arguments["x"]
            ]
            if not reads:
                return None
            f = reads[0].arguments["f"]
            return Trouble(
                kind,
                service,
                now,
                until,
                operations,
                1.0,
                host,
                keys,
                sites=[(function, reads[0])],
                signature="missing" if service.language == "python" else "none",
                names={"f": f, "g": f, "a": reads[0].arguments["a"]},
            )
        return Trouble(
            kind,
            service,
            now,
            until,
            operations,
            chance.choice((0.5, 0.9, 1.0)),
            host,
            keys,
            sites=[(function, statement)],
            signature=signature,
            names={"host": host},
            status=401 if kind == "token" else 500,
        )
    if kind == "blip":
        if not queries:
            return None
        return Trouble(
            kind,
            service,
            now,
            now + timedelta(minutes=chance.uniform(3, 20)),
            operations,
            0.5,
            "db.internal",
            frozenset(s.key for _, s in queries),
            sites=queries,
            signature="reset",
            names={"host": "db.internal"},
        )
    if kind == "crowd":
        return Trouble(
            kind,
            service,
            now,
            now + timedelta(hours=chance.uniform(1, 4)),
            operations,
            0.3,
            sites=queries[:3],
            signature="pool",
            status=chance.choice((429, 503, 500)),
            crowd=chance.uniform(3, 6),
        )
    if kind == "stranger":
        return Trouble(
            kind,
            service,
            now,
            now + timedelta(hours=chance.uniform(1, 20)),
            [chance.choice(operations)],
            0.6,
            status=chance.choice((400, 401, 404, 422)),
            crowd=2.5,
        )
    if kind in ("disk", "host"):
        keeps = _calls(service, "keep") or _calls(service, "write") or queries
        sites = keeps[:2] if kind == "disk" else queries
        if not sites or service.hosts < 2:
            return None
        hours = chance.uniform(1, 24)
        signature = "disk" if kind == "disk" else "timeout"
        return Trouble(
            kind,
            service,
            now,
            now + timedelta(hours=hours),
            operations,
            0.8,
            "db.internal",
            frozenset(s.key for _, s in queries) if kind == "host" else frozenset(),
            frozenset({0}),
            sites=sites,
            signature=signature,
            names={"host": "db.internal"},
        )
    return None


def _old(service: Service, chance: random.Random, end: datetime) -> Trouble | None:
    """A fault that was there before anybody watched, and goes on at its own low rate."""
    listed = [
        (f, s)
        for f in served(service)
        for s in f.body
        if s.kind in ("field", "index") and f.module.name != "clients"
    ]
    if not listed:
        return None
    function, statement = chance.choice(listed)
    reaching = [o for o in service.operations if not o.topic and function in reachable(o.handler)]
    if not reaching:
        return None
    operations = [max(reaching, key=lambda o: o.hourly)]
    names = {
        "f": statement.arguments.get("f", "id"),
        "g": "id",
        "a": statement.arguments["a"],
        "i": str(statement.arguments.get("i", 0)),
    }
    return Trouble(
        "old",
        service,
        WATCHED_FROM - timedelta(days=1),
        end,
        operations,
        chance.choice((0.03, 0.06, 0.1)),
        sites=[(function, statement)],
        signature="index" if statement.kind == "index" else "none",
        names=names,
    )
