"""Failure groups, changes, incidents and answers as the correlator's steps hand them on, valid by default."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from correlator.failure_groups import FailureGroup
from correlator.occurrences import Moments, Occurrences, micros
from schemas.records import CommitSha, FailureFacts, RankedCategory, Suspect
from schemas.vocabulary import Candidate, FailureCategory

Row = dict[str, Any]

T0 = datetime(2026, 10, 1, 9, tzinfo=UTC)
REPOSITORY = "acme/shop"
HOUR = timedelta(hours=1)


def hours(n: float) -> datetime:
    """``n`` hours after :data:`T0`."""
    return T0 + timedelta(hours=n)


def moments(at: Sequence[int]) -> Moments:
    """One failure at each of ``at``, microseconds since the Unix epoch."""
    return Moments(np.array(at, np.int64), np.ones(len(at), np.int64))


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
    revisions: Sequence[str | None] = (),
    category: FailureCategory = FailureCategory.LOGIC_UNHANDLED,
    **overrides: Any,
) -> FailureGroup:
    """A failure group of checkout in production, with one failing trace per time.

    ``revisions``: what ran at each of the times, if not ``revision`` at all of them.
    """
    times = sorted(failed_at)
    ran: dict[str | None, list[int]] = {}
    for moment, of in zip(times, revisions or [revision] * len(times), strict=True):
        ran.setdefault(of, []).append(micros(moment))
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
        "onset_sha": revisions[0] if revisions else revision,
        "previous_sha": None,
        "callers": [],
        "detector": None,
        **overrides,
    }
    return FailureGroup(
        row=row,
        frames=[],
        failures=Occurrences({of: moments(at) for of, at in ran.items()}),
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
