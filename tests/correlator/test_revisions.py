"""Which revision ran when, and when each change first ran in production."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from correlator import revisions

T0 = datetime(2026, 10, 1, 9, tzinfo=UTC)
LINE = [f"{n:040x}" for n in range(12)]
"""A mainline of twelve commits."""


def position_of(repository: str, sha: str) -> int | None:
    return LINE.index(sha) if repository == "acme/shop" and sha in LINE else None


def resolve(service: str, text: str) -> str | None:
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


def shas(rows: list[dict[str, Any]]) -> list[str | None]:
    return [row["sha"] for row in rows]


def test_a_quick_rollback_that_only_spans_show_is_found() -> None:
    hour = timedelta(hours=1)
    rows = running([seen(LINE[2], T0, T0 + days(9)), seen(LINE[4], T0 + days(3), T0 + days(3) + 3 * hour)])
    assert shas(rows) == [LINE[2], LINE[4], LINE[2]]
    assert [row["is_rollback"] for row in rows] == [False, False, True]
    assert rows[2]["started_at"] == T0 + days(3) + 3 * hour + timedelta(microseconds=1)


def test_old_instances_that_linger_are_no_rollback() -> None:
    late = T0 + days(3) + timedelta(minutes=20)
    assert shas(running([seen(LINE[2], T0, late), seen(LINE[4], T0 + days(3), T0 + days(3.01))])) == [
        LINE[2],
        LINE[4],
    ]


def test_an_old_instance_that_never_stops_is_no_rollback_while_newer_ones_follow() -> None:
    rows = running(
        [
            seen(LINE[2], T0, T0 + days(30)),
            seen(LINE[4], T0 + days(3), T0 + days(5)),
            seen(LINE[6], T0 + days(5), T0 + days(29.9)),
        ]
    )
    assert shas(rows) == [LINE[2], LINE[4], LINE[6]]


def test_a_reported_rollback_and_the_spans_that_show_it_are_one() -> None:
    back = T0 + days(3) + timedelta(hours=3)
    rows = running(
        [seen(LINE[2], T0, T0 + days(9)), seen(LINE[4], T0 + days(3), back + timedelta(minutes=5))],
        [deployment(LINE[2], T0), deployment(LINE[4], T0 + days(3)), deployment(LINE[2], back)],
    )
    assert shas(rows) == [LINE[2], LINE[4], LINE[2]]
    assert rows[2]["deployment_id"] == f"d-{back.isoformat()}"


def test_a_deployment_without_a_revision_takes_the_one_that_spans_show() -> None:
    rows = running(
        [seen(LINE[2], T0, T0 + days(3)), seen(LINE[4], T0 + days(3.005), T0 + days(5))],
        [deployment(LINE[2], T0), deployment("", T0 + days(3), revision=None, version="1.4.2")],
    )
    assert shas(rows) == [LINE[2], LINE[4]]
    assert rows[1]["basis"] == "both"


def test_behind_an_unreadable_revision_the_last_known_one_bounds_the_range() -> None:
    rows = running(
        deployments=[
            deployment(LINE[2], T0),
            deployment("x", T0 + days(1), revision="no such thing"),
            deployment(LINE[6], T0 + days(2)),
        ]
    )
    assert [row["previous_sha"] for row in rows] == [None, LINE[2], LINE[2]]


def test_a_constant_version_on_spans_does_not_hide_deployments() -> None:
    rows = running(
        [seen("1.0.0", T0 + days(1), T0 + days(9))],
        [deployment(LINE[2], T0), deployment(LINE[4], T0 + days(5))],
    )
    assert shas(rows) == [LINE[2], LINE[4]]


def test_a_version_that_a_deployment_translates_is_its_revision() -> None:
    rows = running(
        [seen("1.4.1", T0, T0 + days(3)), seen("1.4.2", T0 + days(3.01), T0 + days(5))],
        [deployment(LINE[2], T0, version="1.4.1"), deployment(LINE[4], T0 + days(3), version="1.4.2")],
    )
    assert [(row["sha"], row["basis"]) for row in rows] == [(LINE[2], "both"), (LINE[4], "both")]


def test_two_spellings_of_one_commit_are_one_deployment() -> None:
    rows = running([seen(LINE[2], T0, T0 + days(2)), seen(LINE[2][-7:], T0 + days(0.1), T0 + days(2))])
    assert shas(rows) == [LINE[2]]


def test_regions_that_deploy_one_after_the_other_are_one_deployment() -> None:
    rows = running(
        deployments=[
            deployment(LINE[2], T0 + timedelta(minutes=10 * n), deployment_id=f"d{n}") for n in range(4)
        ]
    )
    assert shas(rows) == [LINE[2]]


def test_a_later_restart_does_not_move_the_first_start() -> None:
    rows = running([seen(LINE[4], T0 + days(1), T0 + days(5))], [deployment(LINE[4], T0 + days(3))])
    assert [row["started_at"] for row in rows] == [T0 + days(1), T0 + days(3)]


def test_a_revision_put_back_without_an_event_is_not_taken_for_its_first_deployment() -> None:
    rows = running(
        [
            seen(LINE[4], T0, T0 + days(2)),
            seen(LINE[2], T0 + days(2), T0 + days(9)),
            seen(LINE[4], T0 + days(9), T0 + days(12)),
        ],
        [deployment(LINE[4], T0), deployment(LINE[2], T0 + days(2))],
    )
    assert shas(rows) == [LINE[4], LINE[2], LINE[4]]


def test_spans_without_an_environment_and_deployments_to_production_are_one_timeline() -> None:
    rows = running(
        [{**seen(LINE[2], T0 + timedelta(minutes=1), T0 + days(2)), "environment": ""}],
        [deployment(LINE[2], T0), deployment(LINE[5], T0 - days(1), environment="staging")],
    )
    assert [(row["environment"], row["sha"], row["basis"]) for row in rows] == [
        ("production", LINE[2], "both"),
        ("staging", LINE[5], "deployment"),
    ]
    timeline = revisions.Timeline(rows)
    for spelling in ("", "prod", "Production"):
        found = timeline.at("checkout", spelling, T0 + days(1))
        assert found is not None
        assert found["environment"] == "production"
    assert timeline.at("checkout", "test", T0 + days(1)) is None


@given(st.permutations(range(6)), st.permutations(range(4)))
def test_the_order_of_facts_does_not_matter(spans: list[int], events: list[int]) -> None:
    shown = [seen(LINE[n], T0 + days(n), T0 + days(n + (9 if n == 2 else 0.7))) for n in range(6)]
    told = [deployment(LINE[n], T0 + days(n)) for n in range(4)]
    assert running([shown[n] for n in spans], [told[n] for n in events]) == running(shown, told)


def test_a_branch_that_ran_before_it_was_merged_carries_nothing_of_the_mainline() -> None:
    rows = running(
        deployments=[
            deployment(LINE[1], T0),
            deployment(LINE[8], T0 + days(1)),
            deployment(LINE[9], T0 + days(4)),
        ]
    )
    found = revisions.first_deployments(
        rows,
        production=("production",),
        position_of=position_of,
        changes_between=lambda _, after, until: [(LINE[n], ["app.py"]) for n in range(after + 1, until + 1)],
        service_path={"checkout": ""},
        traced={},
        landed_at=lambda _, sha: T0 + days(2) if sha == LINE[8] else T0 - days(1),
    )
    assert {row["deployed_at"] for row in found} == {T0 + days(4)}


def test_traces_without_an_environment_count_for_the_deployments_that_name_it() -> None:
    rows = running(deployments=[deployment(LINE[1], T0), deployment(LINE[2], T0 + days(1))])
    (found,) = revisions.first_deployments(
        rows,
        production=("production",),
        position_of=position_of,
        changes_between=lambda *_: [(LINE[2], ["app.py"])],
        service_path={"checkout": ""},
        traced={("checkout", ""): (True, True)},
    )
    assert found["has_traces"]


def test_directories_of_another_repository_are_not_foreign() -> None:
    rows = running(deployments=[deployment(LINE[1], T0), deployment(LINE[2], T0 + days(1))])
    other = dict(rows[0], service="billing", repository="acme/billing")
    found = revisions.first_deployments(
        [*rows, other],
        production=("production",),
        position_of=position_of,
        changes_between=lambda *_: [(LINE[2], ["lib/money.py"])],
        service_path={"checkout": "services/checkout", "billing": "lib"},
        traced={},
    )
    assert [row["sha"] for row in found] == [LINE[2]]


def test_a_path_belongs_to_the_innermost_service() -> None:
    others = ["", "services/checkout", "services/checkout/worker"]
    assert not revisions.touches(["services/checkout/worker/a.py"], "services/checkout", others)
    assert not revisions.touches(["services/checkout/a.py"], "", others)
    assert revisions.touches(["README.md"], "", others)
    assert revisions.touches([], "", [""])


def test_without_the_others_nothing_is_shared() -> None:
    assert not revisions.touches(["services/pricing/app.py"], "services/checkout")


def test_a_year_of_many_deployments_takes_seconds() -> None:
    many = [f"{n:040x}" for n in range(4000)]
    hour = timedelta(hours=1)
    shown = [
        seen(many[n], T0 + (2 * n + k) * hour, T0 + (2 * n + k + 1) * hour)
        for n in range(4000)
        for k in range(2)
    ]
    told = [deployment(sha, T0 + 2 * n * hour) for n, sha in enumerate(many)]
    began = perf_counter()
    rows = revisions.running(
        shown,
        told,
        repository_of={"checkout": "acme/shop"},
        resolve=lambda _, text: text,
        position_of=lambda _, sha: int(sha, 16),
    )
    assert len(rows) == 4000
    assert perf_counter() - began < 5
