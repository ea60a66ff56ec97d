"""Generated traffic for the detectors of drift: a service over days, quiet unless a change is asked for.

Spans come from a seeded generator, in hours that differ as those of real services do: by the time of day, with bursts
of refused requests and a night job. They are loaded and folded as the collector does it.
"""

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from load_builders import deliver

from collector import rollups
from schemas.settings import Settings
from schemas.store import Store
from schemas.vocabulary import SpanKind, StatusCode

BEGIN = datetime(2026, 4, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
OLD, NEW = "a" * 40, "b" * 40
ROUTES = (("GET /orders", 0.02), ("POST /orders", 0.05), ("GET /account", 0.1), ("POST /login", 0.3))
"""Span name, and the share of its requests that is refused."""

Row = dict[str, Any]
Change = Callable[[Row, np.random.Generator], Row]
"""What a new revision makes of one span; a row with ``repeat`` stands for so many spans."""


def spans(
    *,
    days: float,
    deployed_after: float,
    change: Change | None,
    seed: int,
    per_hour: float = 60.0,
    revisions: tuple[str, str] = (OLD, NEW),
) -> Iterator[Row]:
    """Spans of ``checkout``: four routes, each with one call of a database and one of a partner.

    Args:
        deployed_after: days after which :data:`NEW` runs instead of :data:`OLD`.
        change: what :data:`NEW` makes of a span; None: nothing.
        per_hour: requests of an hour of mean load.
    """
    rng = np.random.default_rng(seed)
    number = 0
    for hour in range(int(days * 24)):
        at = BEGIN + hour * HOUR
        load = 1 + 0.6 * np.sin(2 * np.pi * (hour % 24) / 24) + 0.1 * rng.standard_normal()
        # A visitor whose session ran out tries again and again.
        is_burst = rng.random() < 0.05
        for _ in range(rng.poisson(max(load, 0.1) * per_hour)):
            number += 1
            name, refused = ROUTES[int(rng.integers(len(ROUTES)))]
            started = at + timedelta(seconds=float(rng.uniform(0, 3599)))
            is_new = started >= BEGIN + timedelta(days=deployed_after)
            status = 401 if rng.random() < refused * (3 if is_burst else 1) else 200
            base: Row = {
                "trace_id": str(uuid.UUID(int=number)),
                "start_time": started,
                "received_at": started + timedelta(seconds=5),
                "resource_id": 1,
                "scope_id": 1,
                "service": "checkout",
                "environment": "production",
                "revision": revisions[is_new],
                "status_code": StatusCode.UNSET,
            }
            keys = ["cart.total", "note"]
            values = [f"{rng.uniform(1, 90):.2f}", "left at the door"]
            if status == 200 and (name != "POST /login" and rng.random() > 0.01):
                keys, values = [*keys, "enduser.id"], [*values, f"{number % 97:x}"]
            made = [
                {
                    "kind": SpanKind.SERVER,
                    "name": name,
                    "http_route": name.split(" ")[1],
                    "http_response_status_code": status,
                    "duration_ns": int(rng.lognormal(17, 0.5)),
                    "attribute_keys": keys,
                    "attribute_values": values,
                    "attribute_kinds": "1" * len(keys),
                },
                {
                    "kind": SpanKind.CLIENT,
                    "name": "INSERT orders",
                    "db_system_name": "postgresql",
                    "db_collection_name": "orders",
                    "db_response_status_code": "23505" if rng.random() < 0.004 else None,
                    "server_address": "db-1.internal",
                    "duration_ns": int(rng.lognormal(14, 0.4)),
                },
                {
                    "kind": SpanKind.CLIENT,
                    "name": "POST",
                    "server_address": f"api-{number % 3}.partner.example",
                    "duration_ns": int(rng.lognormal(15, 0.4)),
                },
            ]
            for index, row in enumerate(made):
                full = {**base, "span_id": number * 64 + index, **row}
                if is_new and change is not None:
                    full = change(full, rng)
                for again in range(full.pop("repeat", 1)):
                    yield {**full, "span_id": full["span_id"] + 8 * again}


def world(
    *,
    change: Change | None = None,
    seed: int = 1,
    days: float = 6,
    deployed_after: float = 4.6,
    per_hour: float = 60.0,
    watched: tuple[str, ...] = ("cart.total",),
) -> Store:
    """A store that holds that traffic, counted."""
    store = Store.open()
    rows = list(spans(days=days, deployed_after=deployed_after, change=change, seed=seed, per_hour=per_hour))
    deliver(store, 1, rows)
    settings = Settings(watched_attributes=watched)
    rollups.fold(store, settings, now=BEGIN + timedelta(days=days + 1), is_thorough=True)
    return store
