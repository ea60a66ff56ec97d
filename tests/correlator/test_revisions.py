"""Which revision ran when, and when each change first ran in production."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from correlator import revisions

T0 = datetime(2026, 10, 1, 9, tzinfo=UTC)
LINE = [f"{n:040x}" for n in range(12)]
"""A mainline of twelve commits."""


def position_of(repository: str, sha: str) -> int | None:
    return LINE.index(sha) if repository == "acme/shop" and sha in LINE else None


def resolve(repository: str, text: str) -> str | None:
    return next((sha for sha in LINE if text in (sha, sha[-7:])), None)


def deployment(sha: str, at: datetime, **overrides: Any) -> dict[str, Any]:
    return {
        "deployment_id": f"d-{at.isoformat()}",
        "service": "checkout",
        "environment": "production",
        "version": None,
        "revision": sha,
        "started_at": at - timedelta(minutes=2),
        "finished_at": at,
        "type": "deploy",
        "status": "succeeded",
        **overrides,
    }


def seen(sha: str, first: datetime, last: datetime) -> dict[str, Any]:
    return {
        "service": "checkout",
        "environment": "production",
        "revision": sha,
        "first_seen_at": first,
        "last_seen_at": last,
    }


def running(
    observed: Sequence[dict[str, Any]] = (), deployments: Sequence[dict[str, Any]] = ()
) -> list[dict[str, Any]]:
    return revisions.running(
        observed,
        deployments,
        repository_of={"checkout": "acme/shop"},
        resolve=resolve,
        position_of=position_of,
    )


def days(n: float) -> timedelta:
    return timedelta(days=n)


def test_deployments_follow_each_other() -> None:
    rows = running(deployments=[deployment(LINE[5], T0 + days(3)), deployment(LINE[2], T0)])
    assert [(r["sha"], r["previous_sha"], r["ended_at"]) for r in rows] == [
        (LINE[2], None, T0 + days(3)),
        (LINE[5], LINE[2], None),
    ]


def test_a_deployment_that_spans_confirm_is_one_interval() -> None:
    rows = running(
        [seen(LINE[2], T0 + timedelta(minutes=1), T0 + days(2))],
        [deployment(LINE[2], T0)],
    )
    assert [(r["sha"], r["basis"], r["started_at"]) for r in rows] == [(LINE[2], "both", T0)]


def test_a_revision_that_only_spans_tell_is_an_interval_too() -> None:
    rows = running(
        [seen(LINE[2], T0, T0 + days(2)), seen(LINE[4], T0 + days(2.5), T0 + days(4))],
        [deployment(LINE[2], T0)],
    )
    assert [(r["sha"], r["basis"]) for r in rows] == [(LINE[2], "both"), (LINE[4], "spans")]


def test_a_failed_deployment_never_ran() -> None:
    rows = running(deployments=[deployment(LINE[2], T0), deployment(LINE[4], T0 + days(1), status="failed")])
    assert [r["sha"] for r in rows] == [LINE[2]]


def test_going_back_is_a_rollback_whether_said_or_not() -> None:
    rows = running(
        deployments=[
            deployment(LINE[2], T0),
            deployment(LINE[4], T0 + days(1)),
            deployment(LINE[2], T0 + days(2)),
        ]
    )
    assert [r["is_rollback"] for r in rows] == [False, False, True]


def test_the_timeline_answers_by_time() -> None:
    timeline = revisions.Timeline(
        running(deployments=[deployment(LINE[2], T0), deployment(LINE[5], T0 + days(3))])
    )
    assert timeline.at("checkout", "production", T0 - days(1)) is None
    before = timeline.at("checkout", "production", T0 + days(1))
    after = timeline.at("checkout", "production", T0 + days(3))
    assert before is not None
    assert after is not None
    assert (before["sha"], after["sha"]) == (LINE[2], LINE[5])


def first_deployments(rows: list[dict[str, Any]], path: str = "services/checkout") -> list[dict[str, Any]]:
    return revisions.first_deployments(
        rows,
        production=("production",),
        position_of=position_of,
        changes_between=lambda _, after, until: [
            (LINE[n], [f"services/{'checkout' if n % 2 else 'pricing'}/app.py"])
            for n in range(after + 1, until + 1)
        ],
        service_path={"checkout": path, "pricing": "services/pricing"},
        traced={("checkout", "production"): (True, True)},
    )


def test_a_change_is_deployed_once_and_only_where_it_touches_files() -> None:
    rows = running(
        deployments=[
            deployment(LINE[2], T0),
            deployment(LINE[5], T0 + days(1)),
            deployment(LINE[2], T0 + days(2)),
            deployment(LINE[5], T0 + days(3)),
        ]
    )
    found = first_deployments(rows)
    assert [(r["sha"], r["deployed_at"]) for r in found] == [(LINE[3], T0 + days(1)), (LINE[5], T0 + days(1))]


def test_changes_of_the_first_revision_that_we_saw_have_no_known_deployment() -> None:
    assert first_deployments(running(deployments=[deployment(LINE[5], T0)])) == []


def test_shared_code_belongs_to_every_service() -> None:
    others = ["services/checkout", "services/pricing"]
    assert revisions.touches(["lib/money.py"], "services/checkout", others)
    assert not revisions.touches(["services/pricing/app.py"], "services/checkout", others)
    assert not revisions.touches(["README.md"], "services/checkout", others)
