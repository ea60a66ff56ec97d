"""How what forges tell of reviews becomes evidence per change."""

from datetime import timedelta
from typing import Any

from inference_builders import change, day

from api import queries
from schemas import tables
from schemas.settings import Settings
from schemas.store import Store

REPOSITORY = change(1)["repository"]


def said(number: int, name: str, event: str, *, hours: float = -2.0, **given: Any) -> dict[str, Any]:
    """What somebody did to the request of change ``number``, so many hours after it landed."""
    return {
        "repository": REPOSITORY,
        "number": number,
        "event_id": f"{name}:{event}:{hours}",
        "event": event,
        "occurred_at": landed(number) + timedelta(hours=hours),
        "reviewer": name,
        "is_opener": False,
        "is_bot": False,
        "received_at": day(9),
        **given,
    }


def landed(number: int) -> Any:
    return change(number)["landed_at"]


def verdicts(*events: dict[str, Any], numbers: tuple[int, ...] = (1,)) -> dict[int, dict[str, Any]]:
    """The rows that metrics read, by number of the request; the forge tells of reviews since long ago."""
    store = Store.open()
    store.append_rows(tables.CHANGES, [change(n) | {"number": n} for n in numbers])
    first = said(999, "else", "comment", hours=0, occurred_at=landed(1) - timedelta(days=90))
    store.append_rows(tables.REVIEWS, [first, *events])
    request = {"repository": REPOSITORY, "received_at": day(9), "created_at": landed(1) - timedelta(hours=8)}
    store.append_rows(tables.CHANGE_REQUESTS, [request | {"number": n} for n in numbers])
    found = queries.metric_data(store, Settings(), day(30)).reviews
    assert found is not None
    shas = {change(n)["sha"]: n for n in numbers}
    return {shas[row["sha"]]: row for row in found.to_pylist()}


def test_an_approval_alone_is_at_once_and_one_after_a_request_for_changes_is_not() -> None:
    at_once = verdicts(said(1, "sam", "approved"))[1]
    assert (at_once["verdict"], at_once["approval_count"]) == ("approved_at_once", 1)
    assert at_once["approved_at"] - at_once["opened_at"] == timedelta(hours=6)
    after = verdicts(said(1, "sam", "changes_requested", hours=-4), said(1, "sam", "approved"))[1]
    assert after["verdict"] == "approved_after_changes"


def test_the_last_word_of_each_reviewer_stands() -> None:
    events = (
        said(1, "sam", "approved", hours=-4),
        said(1, "sam", "withdrawn", hours=-3),
        said(1, "kim", "dismissed", hours=-2),
    )
    found = verdicts(*events)[1]
    assert (found["verdict"], found["approval_count"], found["approved_at"]) == ("not_approved", 0, None)
    twice = verdicts(said(1, "sam", "approved", hours=-4), said(1, "sam", "approved", hours=-1))[1]
    assert twice["approval_count"] == 1
    assert twice["approved_at"] - twice["opened_at"] == timedelta(hours=4)


def test_bots_the_opener_and_what_came_after_landing_are_no_review() -> None:
    events = (
        said(1, "helper", "approved", is_bot=True),
        said(1, "pat", "comment", is_opener=True),
        said(1, "sam", "approved", hours=1.0),
    )
    assert verdicts(*events)[1]["verdict"] == "unreviewed"


def test_comments_are_counted_and_a_look_without_approval_is_told_apart() -> None:
    events = [said(1, "sam", "comment", hours=-h) for h in (1, 2, 3)] + [said(1, "sam", "commented")]
    found = verdicts(*events)[1]
    assert (found["verdict"], found["comment_count"]) == ("not_approved", 3)


def test_what_landed_before_the_first_word_of_a_forge_is_unknown() -> None:
    store = Store.open()
    store.append_rows(tables.CHANGES, [change(1) | {"number": 1}, change(2) | {"number": 2}])
    store.append_rows(tables.REVIEWS, [said(2, "sam", "approved", hours=-1.0)])
    found = queries.metric_data(store, Settings(), day(30))
    assert found.reviews is not None
    assert found.reviews.column("sha").to_pylist() == [change(2)["sha"]]
    by_sha = dict(
        zip(
            found.change_columns.key.to_pylist(),
            (found.change_columns.review.names[c] for c in found.change_columns.review.codes),
            strict=True,
        )
    )
    assert sorted(by_sha.values()) == ["approved_at_once", "unknown"]


def test_a_direct_push_beside_a_forge_that_tells_is_unreviewed() -> None:
    store = Store.open()
    store.append_rows(tables.CHANGES, [change(1) | {"number": None}])
    store.append_rows(tables.REVIEWS, [said(999, "x", "comment", occurred_at=landed(1) - timedelta(days=9))])
    found = queries.metric_data(store, Settings(), day(30)).reviews
    assert found is not None
    assert found.column("verdict").to_pylist() == ["unreviewed"]


def test_reviews_of_tomorrow_are_not_known_yet() -> None:
    store = Store.open()
    store.append_rows(tables.CHANGES, [change(1) | {"number": 1}])
    store.append_rows(tables.REVIEWS, [said(1, "sam", "approved", hours=-1.0)])
    found = queries.metric_data(store, Settings(), landed(1) - timedelta(hours=2)).reviews
    assert found is not None
    assert found.num_rows == 0


def test_models_requests_and_teams_reach_the_metrics() -> None:
    store = Store.open()
    row = change(1)
    store.append_rows(tables.CHANGES, [row])
    verdict = {
        "repository": REPOSITORY,
        "sha": row["commits"][0] if row["commits"] else row["sha"],
        "origin": "ai",
        "role": "author",
        "tools": ["codex"],
        "models": ["m-1"],
        "confidence": "A",
        "basis": "declared",
        "conflict": False,
        "evidence": "[]",
        "ai_lines": "[]",
        "catalogue_version": "1",
    }
    store.append_rows(tables.COMMIT_PROVENANCE, [verdict])
    hour = {
        "service": "checkout",
        "environment": "production",
        "revision": None,
        "operation": "GET /",
        "hour_at": day(0),
        "span_count": 10,
        "error_count": 0,
        "exception_count": 0,
        "displaced_count": 0,
        "weighed_count": 10,
        "span_weight": 40,
        "failing_weight": 0,
        "duration_ns_sum": 1,
        "duration_counts": {1: 10},
        "first_seen_at": day(0),
        "last_seen_at": day(0),
        "last_received_at": day(0),
    }
    store.append_rows(
        tables.OPERATION_HOURS,
        [hour | {"kind": 2}, hour | {"kind": 3}, hour | {"kind": 2, "weighed_count": 9, "service": "web"}],
    )
    found = queries.metric_data(store, Settings(teams={"shop": (REPOSITORY,)}), day(30))
    assert found.changes.column("models").to_pylist() == [["m-1"]]
    assert found.change_columns.teams.names == ("shop",)
    assert found.requests is not None
    assert [(r["service"], r["request_count"], r["is_known"]) for r in found.requests.to_pylist()] == [
        ("checkout", 40.0, True),
        ("web", 40.0, False),
    ]
