"""Failure groups, changes, incidents and answers as the correlator's steps hand them on, valid by default."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from correlator.failure_groups import FailureGroup
from schemas.records import CommitSha, FailureFacts, RankedCategory, Suspect
from schemas.vocabulary import Candidate, FailureCategory

Row = dict[str, Any]

T0 = datetime(2026, 10, 1, 9, tzinfo=UTC)
REPOSITORY = "acme/shop"
HOUR = timedelta(hours=1)


def hours(n: float) -> datetime:
    """``n`` hours after :data:`T0`."""
    return T0 + timedelta(hours=n)


def sha(n: int) -> CommitSha:
    return CommitSha(f"{n:04x}".ljust(40, "0"))


def change(n: int, **overrides: Any) -> Row:
    """The change at position ``n``, landed ``n`` hours after :data:`T0`."""
    return {
        "repository": REPOSITORY,
        "sha": sha(n),
        "position": n,
        "landed_at": hours(n),
        "subject": f"Change {n}",
        "kind": "feature",
        "commits": [sha(n)],
        "lines_added": 10,
        "lines_deleted": 0,
        "reverts": [],
        "fixes": [],
        **overrides,
    }


def incident(number: int = 1, **overrides: Any) -> Row:
    """One row of ``incident_states.fold``: checkout, production, one hour long."""
    return {
        "incident_id": f"generic:INC-{number}",
        "source": "generic",
        "external_id": f"INC-{number}",
        "title": "Alert",
        "service": "checkout",
        "environment": "production",
        "severity": None,
        "trace_id": None,
        "commit_sha": None,
        "pull_request": None,
        "url": None,
        "postmortem": None,
        "labels": None,
        "opened_at": T0,
        "resolved_at": T0 + HOUR,
        "status": "resolved",
        "duplicate_of": None,
        "is_declared_false": False,
        **overrides,
    }


def group(
    name: str = "g1",
    failed_at: Sequence[datetime] = (T0,),
    *,
    attributes: Mapping[str, object] | None = None,
    callee: str | None = None,
    revision: str | None = None,
    category: FailureCategory = FailureCategory.LOGIC_UNHANDLED,
    **overrides: Any,
) -> FailureGroup:
    """A failure group of checkout in production, with one failing trace per time."""
    times = sorted(failed_at)
    row = {
        "group_id": name,
        "service": "checkout",
        "environment": "production",
        "operation": "POST /orders",
        "title": "KeyError: 'coupon'",
        "category": str(category),
        "first_seen_at": times[0],
        "last_seen_at": times[-1],
        "failing_trace_count": len(times),
        "repository": REPOSITORY,
        "onset_sha": revision,
        "previous_sha": None,
        "callers": [],
        **overrides,
    }
    traces = [
        {
            "group_id": name,
            "trace_id": f"{name}-{n}",
            "span_id": "1",
            "failed_at": moment,
            "revision_sha": revision,
        }
        for n, moment in enumerate(times)
    ]
    return FailureGroup(
        row=row,
        frames=[],
        traces=traces,
        facts=FailureFacts(attributes=dict(attributes or {})),
        categories=(RankedCategory(category, 0.9, "a rule"),),
        is_dependency_leaf=False,
        is_garbage_caller=False,
        callee=callee,
        entry="POST /orders",
    )


def on(share: float, n: int) -> Suspect:
    """A share on the change at position ``n``."""
    return Suspect(Candidate.CHANGE, sha(n), share)


def nobody(share: float) -> Suspect:
    return Suspect(Candidate.UNATTRIBUTED, None, share)


def nothing(share: float) -> Suspect:
    return Suspect(Candidate.NO_CHANGE, None, share)
