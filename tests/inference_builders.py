"""Rows of inference tables, valid by default, and one small company told with them. A test states what matters to it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from schemas import tables
from schemas.store import Store

Row = dict[str, Any]

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
REPOSITORY = "acme/shop"


def sha(number: int) -> str:
    """A full sha that begins with the number, so that short shas of different changes differ."""
    return f"{number:08x}".ljust(40, "a")


def day(number: float) -> datetime:
    """``number`` days after :data:`START`."""
    return START + timedelta(days=number)


def change(number: int, **overrides: Any) -> Row:
    """One row of ``changes``: a merged feature of unknown origin, landed on day ``number``."""
    return {
        "repository": REPOSITORY,
        "sha": sha(number),
        "position": number,
        "landed_at": day(number),
        "subject": f"Change {number}",
        "number": 100 + number,
        "merge_method": "squash",
        "kind": "feature",
        "kind_rule": "default",
        "is_code": True,
        "commits": [sha(number)],
        "origin": "unknown",
        "ai_share": None,
        "tools": [],
        "suggesting_tools": [],
        "conflict": False,
        "confidence": None,
        "origin_basis": "none",
        "lines_added": 12,
        "lines_deleted": 3,
        "files_changed": 2,
        "size_band": "small",
        "reverts": [],
        "fixes": [],
        "closes": [],
        **overrides,
    }


def commit(number: int, **overrides: Any) -> Row:
    """One row of ``commits``, with the people that no answer may name."""
    return {
        "repository": REPOSITORY,
        "sha": sha(number),
        "parents": [],
        "author_name": "Alma Author",
        "author_email": "alma@example.org",
        "committer_name": "Carl Committer",
        "committer_email": "carl@example.org",
        "authored_at": day(number),
        "committed_at": day(number),
        "message": f"Change {number}\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n",
        **overrides,
    }


def provenance(number: int, **overrides: Any) -> Row:
    """One row of ``commit_provenance``: a commit co-authored by Claude Code."""
    trailer = {
        "channel": "trailer",
        "kind": "coauthor",
        "tool": "claude-code",
        "model": None,
        "role": "coauthor",
        "confidence": "A",
        "matched_text": "Co-Authored-By: Claude <noreply@anthropic.com>",
        "origin": "ai",
    }
    return {
        "repository": REPOSITORY,
        "sha": sha(number),
        "origin": "ai",
        "role": "coauthor",
        "tools": ["claude-code"],
        "models": [],
        "confidence": "A",
        "basis": "declared",
        "conflict": False,
        "evidence": json.dumps([trailer]),
        "ai_lines": "[]",
        "catalogue_version": "1",
        **overrides,
    }


def deployment_of(number: int, **overrides: Any) -> Row:
    """One row of ``change_deployments``: in production a quarter of a day after it landed."""
    return {
        "repository": REPOSITORY,
        "sha": sha(number),
        "service": "checkout",
        "environment": "production",
        "deployed_at": day(number + 0.25),
        "deployment_sha": sha(number),
        "has_traces": True,
        "has_revision": True,
        **overrides,
    }


def incident(external_id: str = "INC-7", **overrides: Any) -> Row:
    """One row of ``incident_states``: opened on day 3, resolved an hour later."""
    source = overrides.get("source", "generic")
    return {
        "incident_id": f"{source}:{external_id}",
        "source": source,
        "external_id": external_id,
        "title": "Checkout fails",
        "service": "checkout",
        "environment": "production",
        "severity": "high",
        "opened_at": day(3),
        "resolved_at": day(3) + timedelta(hours=1),
        "status": "resolved",
        "is_false_alarm": False,
        "category": "logic_unhandled",
        "category_reason": "an unhandled exception",
        "detection_delay_s": 30.0,
        "labels": json.dumps({"team": "shop"}),
        **overrides,
    }


def evidence(kind: str = "blamed_line", log_lr: float = 4.0) -> list[Row]:
    return [{"kind": kind, "log_lr": log_lr, "detail": "it last wrote line 12", "facts": {"line": 12}}]


def share(rank: int, weight: float, number: int | None = None, **overrides: Any) -> Row:
    """One row of ``incident_attributions`` of INC-7: of change ``number``, or of ``candidate``."""
    is_change = number is not None
    return {
        "incident_id": "generic:INC-7",
        "rank": rank,
        "candidate": "change" if is_change else "unattributed",
        "repository": REPOSITORY if is_change else None,
        "sha": sha(number) if number is not None else None,
        "weight": weight,
        "group_id": GROUP if is_change else None,
        "evidence": json.dumps(evidence() if is_change else []),
        "algorithm_version": "1",
        **overrides,
    }


GROUP = "00000000000000ff"
TRACE = "0102030405060708090a0b0c0d0e0f10"
SPAN = "00000000000000aa"


def failure_group(**overrides: Any) -> Row:
    """One row of ``failure_groups``: a KeyError of checkout."""
    return {
        "group_id": GROUP,
        "fingerprint": "00000000000000fe",
        "fingerprint_version": "1",
        "fingerprint_parts": "{}",
        "service": "checkout",
        "environment": "production",
        "operation": "POST /orders",
        "title": "KeyError: <name>",
        "exception_type": "KeyError",
        "message_template": "<name>",
        "category": "logic_unhandled",
        "categories": json.dumps([{"category": "logic_unhandled", "score": 1.0, "reason": "KeyError"}]),
        "first_seen_at": day(3),
        "last_seen_at": day(3.5),
        "failing_trace_count": 4,
        "sample_trace_id": TRACE,
        "sample_span_id": SPAN,
        "repository": REPOSITORY,
        "onset_sha": sha(2),
        "previous_sha": sha(1),
        "is_partial": False,
        "callers": ["web"],
        **overrides,
    }


def frame(position: int = 0, **overrides: Any) -> Row:
    """One row of ``group_frames``."""
    return {
        "group_id": GROUP,
        "position": position,
        "file": "/app/orders.py",
        "function": "price",
        "line": 12,
        "in_app": True,
        "path": "services/checkout/orders.py",
        "mapping": "unique suffix",
        "blamed_sha": sha(2),
        "blamed_change": sha(2),
        **overrides,
    }


def outcome(number: int | None, weight: float = 1.0, **overrides: Any) -> Row:
    """One row of ``change_outcomes``: a share of INC-7."""
    is_change = number is not None
    return {
        "kind": "incident",
        "outcome_id": "generic:INC-7",
        "rank": 1,
        "occurred_at": day(3),
        "service": "checkout",
        "category": "logic_unhandled",
        "severity": "high",
        "candidate": "change" if is_change else "unattributed",
        "repository": REPOSITORY if is_change else None,
        "sha": sha(number) if number is not None else None,
        "weight": weight,
        **overrides,
    }


def run(digest: str = "d1", **overrides: Any) -> Row:
    """One row of ``correlation_runs``."""
    return {"as_of": day(5), "facts_digest": "f1", "rules": "{}", "inferences_digest": digest, **overrides}


def told(store: Store) -> Store:
    """A company of three changes and one incident that change 2 most likely caused."""
    rows: dict[tables.Table, list[Row]] = {
        tables.CHANGES: [change(1), change(2, origin="ai", tools=["claude-code"]), change(3, kind="fix")],
        tables.COMMITS: [commit(2)],
        tables.COMMIT_PROVENANCE: [provenance(2)],
        tables.CHANGE_DEPLOYMENTS: [deployment_of(1), deployment_of(2)],
        tables.INCIDENT_STATES: [incident()],
        tables.INCIDENT_ATTRIBUTIONS: [
            share(1, 0.712345, 2),
            share(2, 0.1, 1),
            share(3, 0.12, candidate="no_change", evidence=json.dumps(evidence("dependency_down", 0.5))),
            share(4, 0.067655),
        ],
        tables.INCIDENT_LINKS: [
            {
                "incident_id": "generic:INC-7",
                "group_id": GROUP,
                "weight": 0.9,
                "evidence": json.dumps([{"kind": "service", "detail": "same service"}]),
            }
        ],
        tables.FAILURE_GROUPS: [failure_group()],
        tables.GROUP_FRAMES: [frame(0), frame(1, path=None, mapping=None, in_app=False, blamed_sha=None)],
        tables.SHAPE_GROUPS: [{"shape_id": 1, "group_id": GROUP}],
        tables.CHANGE_OUTCOMES: [
            outcome(2, 0.712345),
            outcome(1, 0.1, rank=2),
            outcome(None, 0.187655, rank=3),
        ],
        tables.CORRELATION_RUNS: [run()],
    }
    for table, listed in rows.items():
        store.append_rows(table, listed)
    return store
