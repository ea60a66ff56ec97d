"""Rows that metrics read, valid by default: a test states only what matters to it. Times are days after DAY_0."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from correlator.metrics import MetricData, MetricQuery
from schemas import tables
from schemas.store import arrow

DAY_0 = datetime(2026, 6, 1, tzinfo=UTC)
"""A Monday."""
MORE = {
    "deployed_at": pa.timestamp("us"),
    "services": pa.list_(pa.string()),
    "models": pa.list_(pa.string()),
    "has_traces": pa.bool_(),
    "has_revision": pa.bool_(),
}

REVIEWS = pa.schema(
    [
        ("repository", pa.string()),
        ("sha", pa.string()),
        ("verdict", pa.string()),
        ("opened_at", pa.timestamp("us")),
        ("approved_at", pa.timestamp("us")),
        ("approval_count", pa.int64()),
        ("comment_count", pa.int64()),
    ]
)
REQUESTS = pa.schema(
    [
        ("service", pa.string()),
        ("day_at", pa.timestamp("us")),
        ("request_count", pa.float64()),
        ("is_known", pa.bool_()),
    ]
)


def day(number: float) -> datetime:
    return DAY_0 + timedelta(days=number)


def sha(name: object) -> str:
    return f"{name!s:>040}".replace(" ", "0")


def change(
    name: object,
    *,
    origin: str = "human",
    landed: float = 0.0,
    deployed: float | None = 1.0,
    **columns: Any,
) -> dict[str, Any]:
    """A code change of ``acme/shop``, deployed one day after it landed; ``deployed`` None: never."""
    return {
        "repository": "acme/shop",
        "sha": sha(name),
        "position": 0,
        "landed_at": day(landed),
        "subject": "change",
        "merge_method": "squash",
        "kind": "feature",
        "kind_rule": "default",
        "is_code": True,
        "commits": [sha(name)],
        "origin": origin,
        "ai_share": {"ai": 1.0, "mixed": 0.3, "human": 0.0}.get(origin),
        "tools": ["claude-code"] if origin in {"ai", "mixed"} else [],
        "suggesting_tools": [],
        "conflict": False,
        "origin_basis": "none" if origin == "unknown" else "declared",
        "lines_added": 100,
        "lines_deleted": 0,
        "files_changed": 1,
        "size_band": "medium",
        "reverts": [],
        "fixes": [],
        "closes": [],
        "deployed_at": None if deployed is None else day(deployed),
        "services": [] if deployed is None else ["checkout"],
        "models": [],
        "has_traces": deployed is not None,
        "has_revision": deployed is not None,
        **columns,
    }


def outcome(
    name: str,
    shares: Mapping[object, float],
    *,
    kind: str = "incident",
    at: float = 2.0,
    repository: str = "acme/shop",
    **columns: Any,
) -> list[dict[str, Any]]:
    """Shares of one outcome by change; ``no_change`` and ``unattributed`` by name, what is left is unattributed."""
    listed = dict(shares)
    rest = round(1 - sum(listed.values()), 6)
    if rest > 0:
        listed["unattributed"] = listed.get("unattributed", 0.0) + rest
    return [
        {
            "kind": kind,
            "outcome_id": name,
            "rank": rank,
            "occurred_at": day(at),
            "service": "checkout",
            "category": "unknown",
            "candidate": who if who in {"no_change", "unattributed"} else "change",
            "repository": None if who in {"no_change", "unattributed"} else repository,
            "sha": None if who in {"no_change", "unattributed"} else sha(who),
            "weight": weight,
            **columns,
        }
        for rank, (who, weight) in enumerate(sorted(listed.items(), key=lambda i: -i[1]), start=1)
    ]


def rework(name: object, *, lines: int = 100, reworked: int = 0, **columns: Any) -> dict[str, Any]:
    """Line counts of one change, observed for 90 days; ``reworked`` within 14 days."""
    return {
        "repository": "acme/shop",
        "sha": sha(name),
        "observed_days": 90.0,
        "lines_added": lines,
        "lines_added_test": 0,
        "lines_reworked_14d": reworked,
        "lines_reworked_21d": reworked,
        "lines_reworked_30d": reworked,
        "lines_reworked_14d_test": 0,
        "lines_reworked_21d_test": 0,
        "lines_reworked_30d_test": 0,
        "lines_reworked_30d_same_author": 0,
        "lines_fixed_30d": 0,
        "lines_alive_7d": lines,
        "lines_alive_30d": lines - reworked,
        "lines_alive_90d": lines - reworked,
        **columns,
    }


def review(
    name: object,
    verdict: str = "approved_at_once",
    *,
    opened: float | None = 0.0,
    approved: float | None = 0.1,
    **columns: Any,
) -> dict[str, Any]:
    """How a change of ``acme/shop`` was reviewed: opened and approved so many days after DAY_0, None: not."""
    is_approved = verdict.startswith("approved")
    return {
        "repository": "acme/shop",
        "sha": sha(name),
        "verdict": verdict,
        "opened_at": None if opened is None else day(opened).replace(tzinfo=None),
        "approved_at": day(approved).replace(tzinfo=None) if is_approved and approved is not None else None,
        "approval_count": int(is_approved),
        "comment_count": 0,
        **columns,
    }


def requests(at: int, count: float, *, service: str = "checkout", is_known: bool = True) -> dict[str, Any]:
    """Requests of one service on the day ``at`` after DAY_0."""
    return {
        "service": service,
        "day_at": day(at).replace(tzinfo=None),
        "request_count": count,
        "is_known": is_known,
    }


def deployment(at: float, **columns: Any) -> dict[str, Any]:
    return {
        "service": "checkout",
        "environment": "production",
        "deployed_at": day(at),
        "is_rollback": False,
        "is_failed": False,
        "is_unplanned": False,
        "change_count": 1,
        **columns,
    }


def incident(name: str, *, at: float = 2.0, resolved: float | None = 2.5, **columns: Any) -> dict[str, Any]:
    return {
        "incident_id": name,
        "source": "generic",
        "external_id": name,
        "title": "checkout fails",
        "service": "checkout",
        "environment": "production",
        "severity": "high",
        "opened_at": day(at),
        "resolved_at": None if resolved is None else day(resolved),
        "status": "open" if resolved is None else "resolved",
        "is_false_alarm": False,
        "category": "unknown",
        "category_reason": "no rule",
        **columns,
    }


def data(
    changes: Sequence[Mapping[str, Any]] = (),
    outcomes: Sequence[Mapping[str, Any]] = (),
    *,
    reworks: Sequence[Mapping[str, Any]] = (),
    deployments: Sequence[Mapping[str, Any]] = (),
    incidents: Sequence[Mapping[str, Any]] = (),
    reviews: Sequence[Mapping[str, Any]] = (),
    request_days: Sequence[Mapping[str, Any]] = (),
    as_of: float = 100.0,
    **fields: Any,
) -> MetricData:
    """Everything that metrics read, as of ``as_of`` days."""
    table = arrow(tables.CHANGES, changes)
    for name, kind in MORE.items():
        values = [row[name] for row in changes]
        if pa.types.is_timestamp(kind):
            values = [None if value is None else value.replace(tzinfo=None) for value in values]
        table = table.append_column(name, pa.array(values, type=kind))
    return MetricData(
        changes=table,
        outcomes=arrow(tables.CHANGE_OUTCOMES, outcomes),
        rework=arrow(tables.CHANGE_REWORK, reworks),
        deployments=arrow(tables.DEPLOYMENT_OUTCOMES, deployments),
        incidents=arrow(tables.INCIDENT_STATES, incidents),
        as_of=day(as_of),
        reviews=pa.Table.from_pylist([dict(row) for row in reviews], schema=REVIEWS),
        requests=pa.Table.from_pylist([dict(row) for row in request_days], schema=REQUESTS),
        **fields,
    )


def ask(metric: str, *, start: float = 0.0, end: float = 60.0, **fields: Any) -> MetricQuery:
    return MetricQuery(metric=metric, from_=day(start), to=day(end), **fields)
