"""Webhooks of GitHub and GitLab: how requests and their reviews are told, and who may tell."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import forge_bodies as bodies
import pytest

from collector.intake import github, gitlab, reviews
from collector.intake.door import Accepted, Door
from schemas.errors import MalformedInput
from schemas.settings import Settings
from schemas.store import Store

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def send(store: Store, forge: str, body: dict[str, Any], event: str = "", delivery: str = "") -> Accepted:
    headers = {"X-GitHub-Event": event, "X-GitHub-Delivery": delivery, "Idempotency-Key": delivery}
    return Door(store, Settings(), now=lambda: NOW).accept(forge, json.dumps(body).encode(), headers)


def told(store: Store) -> list[tuple[Any, ...]]:
    rows = store.rows("SELECT event_id, event, is_opener, is_bot FROM reviews ORDER BY occurred_at, event_id")
    return [tuple(row.values()) for row in rows]


# --- GitHub -----------------------------------------------------------------------------------------


def test_a_github_review_is_told_with_what_it_says_and_not_by_whom() -> None:
    store = Store.open()
    body = bodies.github("submitted", review=bodies.review("approved"))
    assert send(store, "github", body, "pull_request_review") == Accepted(1, 0)
    row = store.row("SELECT * FROM reviews")
    assert row is not None
    assert (row["repository"], row["number"], row["event_id"]) == ("acme/shop", 7, "review:80")
    assert (row["event"], row["occurred_at"]) == ("approved", datetime(2026, 3, 2, 10, tzinfo=UTC))
    assert (row["is_opener"], row["is_bot"]) == (False, False)
    assert len(row["reviewer"]) == 8
    assert "sam" not in str(row)


def test_a_reviewer_is_one_within_a_request_and_another_in_the_next() -> None:
    assert reviews.reviewer("acme/shop", 7, "sam") == reviews.reviewer("acme/shop", 7, "sam")
    assert reviews.reviewer("acme/shop", 7, "sam") != reviews.reviewer("acme/shop", 8, "sam")
    assert reviews.reviewer("acme/shop", 7, "sam") != reviews.reviewer("acme/shop", 7, "pat")


def test_the_opener_and_a_bot_are_told_apart() -> None:
    store = Store.open()
    for number, login in ((1, "pat"), (2, "sam"), (3, "review-helper[bot]")):
        body = bodies.github("submitted", review=bodies.review("commented", number=number, login=login))
        send(store, "github", body, "pull_request_review")
    assert [row[2:] for row in told(store)] == [(True, False), (False, False), (False, True)]


@pytest.mark.parametrize("order", [("submitted", "dismissed"), ("dismissed", "submitted")])
def test_a_dismissed_review_stays_dismissed_in_any_order(order: tuple[str, str]) -> None:
    store = Store.open()
    states = {"submitted": "approved", "dismissed": "dismissed"}
    for action in order:
        body = bodies.github(action, review=bodies.review(states[action]))
        send(store, "github", body, "pull_request_review", delivery=action)
    assert told(store) == [("review:80", "dismissed", False, False)]


def test_comments_count_once_wherever_they_stand() -> None:
    store = Store.open()
    comment = {"id": 5, "created_at": "2026-03-02T09:30:00Z", "user": {"login": "sam"}, "body": "Why?"}
    inline = bodies.github("created", comment=comment)
    assert send(store, "github", inline, "pull_request_review_comment", "1") == Accepted(1, 0)
    assert send(
        store, "github", inline | {"action": "edited"}, "pull_request_review_comment", "2"
    ) == Accepted(0, 0)
    issue = {"number": 7, "user": {"login": "pat"}, "pull_request": {"url": "https://git.example/7"}}
    below = {
        "action": "created",
        "repository": {"full_name": "acme/shop"},
        "issue": issue,
        "comment": comment,
    }
    assert send(store, "github", below, "issue_comment", "3") == Accepted(1, 0)
    on_issue = below | {"issue": {"number": 9, "user": {"login": "pat"}}}
    assert send(store, "github", on_issue, "issue_comment", "4") == Accepted(0, 0)
    assert told(store) == [
        ("comment:5", "comment", False, False),
        ("review_comment:5", "comment", False, False),
    ]


def test_a_pull_request_is_told_by_its_webhook_and_a_trial_merge_is_no_merge() -> None:
    store = Store.open()
    send(store, "github", bodies.github("opened"), "pull_request", "1")
    row = store.row("SELECT * FROM change_requests")
    assert row is not None
    assert (row["merge_commit_sha"], row["merged_at"], row["head_ref"]) == (None, None, "zones")
    merged = bodies.pull_request(merged=True, merged_at="2026-03-02T11:00:00Z", state="closed")
    send(store, "github", bodies.github("closed", pull_request=merged), "pull_request", "2")
    row = store.row("SELECT * FROM change_requests")
    assert row is not None
    assert (row["merge_commit_sha"], row["merged_at"]) == ("a" * 40, datetime(2026, 3, 2, 11, tzinfo=UTC))
    assert (row["created_at"], row["labels"]) == (datetime(2026, 3, 2, 9, tzinfo=UTC), ["cart"])


def test_an_event_that_we_do_not_know_is_taken_and_gives_nothing() -> None:
    store = Store.open()
    assert send(store, "github", {"zen": "Keep it simple.", "hook_id": 1}, "ping") == Accepted(0, 0)
    assert send(store, "gitlab", {"object_kind": "wiki_page"}) == Accepted(0, 0)
    assert store.value("SELECT count(*) FROM deliveries WHERE refused IS NULL") == 2


@pytest.mark.parametrize(
    "broken",
    [
        {"repository": {}},
        {"pull_request": {"user": {"login": "pat"}}},
        {"review": bodies.review("approved", submitted_at=None)},
        {"review": bodies.review("approved", submitted_at="soon")},
        {"review": bodies.review("approved", id="x")},
    ],
)
def test_a_review_of_nothing_is_refused_and_kept(broken: dict[str, Any]) -> None:
    store = Store.open()
    body = bodies.github("submitted", review=bodies.review("approved")) | broken
    with pytest.raises(MalformedInput):
        send(store, "github", body, "pull_request_review")
    assert store.value("SELECT count(*) FROM deliveries WHERE refused IS NOT NULL") == 1


def test_a_pending_review_is_told_to_nobody() -> None:
    assert github.submitted(bodies.github("submitted", review=bodies.review("pending")), NOW) == []


def test_a_github_signature_is_over_the_raw_body_under_any_secret() -> None:
    body = b"Hello, World!"
    # The vector of GitHub's own documentation.
    header = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert github.is_signed(body, header, ("new", "It's a Secret to Everybody"))
    assert not github.is_signed(body + b" ", header, ("It's a Secret to Everybody",))
    assert not github.is_signed(body, None, ("It's a Secret to Everybody",))


# --- GitLab -----------------------------------------------------------------------------------------


def test_a_gitlab_approval_is_a_review_and_a_withdrawn_one_another() -> None:
    store = Store.open()
    later = {"updated_at": "2026-03-02 10:30:00 UTC"}
    for body in (
        bodies.gitlab("approval"),
        bodies.gitlab("approved", who=13),
        bodies.gitlab("unapproval", **later),
    ):
        assert send(store, "gitlab", body) == Accepted(1, 0)
    assert [row[1] for row in told(store)] == ["approved", "approved", "withdrawn"]
    reviewers = store.rows("SELECT reviewer FROM reviews WHERE event = 'withdrawn' OR event = 'approved'")
    assert len({row["reviewer"] for row in reviewers}) == 2
    assert store.value("SELECT count(*) FROM change_requests") == 0


def test_a_gitlab_approval_delivered_twice_is_one() -> None:
    store = Store.open()
    assert send(store, "gitlab", bodies.gitlab("approval"), delivery="d1") == Accepted(1, 0)
    assert send(store, "gitlab", bodies.gitlab("approval"), delivery="d1") == Accepted(0, 1)
    assert send(store, "gitlab", bodies.gitlab("approval"), delivery="d2") == Accepted(0, 1)


def test_a_note_on_a_merge_request_is_a_comment_and_what_gitlab_wrote_is_none() -> None:
    store = Store.open()
    assert send(store, "gitlab", bodies.note(), delivery="1") == Accepted(1, 0)
    assert send(store, "gitlab", bodies.note(system=True, id=91), delivery="2") == Accepted(0, 0)
    assert send(store, "gitlab", bodies.note(noteable_type="Issue", id=92), delivery="3") == Accepted(0, 0)
    assert send(store, "gitlab", bodies.note(who=11, id=93), delivery="4") == Accepted(1, 0)
    assert told(store) == [("note:90", "comment", False, False), ("note:93", "comment", True, False)]


def test_a_merge_request_is_told_by_its_webhook() -> None:
    store = Store.open()
    send(store, "gitlab", bodies.gitlab("open", who=11), delivery="1")
    merged = bodies.gitlab(
        "merge", state="merged", merge_commit_sha="c" * 40, updated_at="2026-03-02 11:00:00 UTC"
    )
    send(store, "gitlab", merged, delivery="2")
    row = store.row("SELECT * FROM change_requests")
    assert row is not None
    assert (row["number"], row["merge_commit_sha"]) == (7, "c" * 40)
    assert (row["created_at"], row["merged_at"]) == (
        datetime(2026, 3, 2, 9, tzinfo=UTC),
        datetime(2026, 3, 2, 11, tzinfo=UTC),
    )
    assert row["opened_by"] == "user11"


def test_a_gitlab_token_or_a_fresh_signature_proves_the_sender() -> None:
    body = b'{"object_kind": "note"}'
    key = b"twenty-four bytes of key"
    signing = "whsec_" + base64.b64encode(key).decode()
    stamp = str(int(NOW.timestamp()))
    digest = hmac.new(key, b"msg_1." + stamp.encode() + b"." + body, hashlib.sha256).digest()
    sent = {
        "webhook-id": "msg_1",
        "webhook-timestamp": stamp,
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }
    assert gitlab.is_signed(body, sent, ("old", signing), NOW)
    assert not gitlab.is_signed(body + b" ", sent, (signing,), NOW)
    assert not gitlab.is_signed(body, sent, (signing,), NOW + timedelta(minutes=6))
    assert gitlab.is_signed(body, {"x-gitlab-token": "plain"}, ("other", "plain"), NOW)
    assert not gitlab.is_signed(body, {"x-gitlab-token": ""}, ("plain",), NOW)
    assert not gitlab.is_signed(body, {}, ("plain",), NOW)
