"""GitHub webhooks to rows of ``change_requests`` and ``reviews``, and their signature.

GitHub delivers once and in no promised order, and never tries again by itself. Events that we do not know are accepted
and give no rows: an answer of 4xx would only show up as a failed delivery.
Source: GitHub documentation, "Webhook events and payloads", "Validating webhook deliveries".
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from collector.intake import forges, reports, reviews
from schemas.vocabulary import ReviewEvent

Row = dict[str, Any]

SOURCE = "github"
SIGNATURE_HEADER = "x-hub-signature-256"
EVENT_HEADER = "x-github-event"
DELIVERY_HEADER = "x-github-delivery"

# state of a submitted review -> what it says; a pending one is not told to anybody yet.
_STATES = {
    "approved": ReviewEvent.APPROVED,
    "changes_requested": ReviewEvent.CHANGES_REQUESTED,
    "commented": ReviewEvent.COMMENTED,
    "dismissed": ReviewEvent.DISMISSED,
}


def is_signed(body: bytes, header: str | None, secrets: Iterable[str]) -> bool:
    """True when ``header`` is ``sha256=`` and the HMAC-SHA256 of the raw ``body`` under one of ``secrets``.

    Every secret is compared, in constant time.
    """
    matched = False
    for secret in secrets:
        expected = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        matched |= hmac.compare_digest((header or "").strip().encode(), expected.encode())
    return matched


def requests(value: object, received_at: datetime) -> list[Row]:
    """Rows of ``tables.CHANGE_REQUESTS`` for a ``pull_request`` event.

    Raises:
        MalformedInput: it names no repository or no pull request.
    """
    return [_request(index, item, received_at) for index, item in enumerate(reports.items(value))]


def submitted(value: object, received_at: datetime) -> list[Row]:
    """Rows of ``tables.REVIEWS`` for a ``pull_request_review``, ``pull_request_review_comment`` or ``issue_comment``
    event; none for a comment on an issue, one that was edited or deleted, and a pending review.

    Raises:
        MalformedInput: it names no repository, no pull request, no id or no time.
    """
    found = [_review(index, item, received_at) for index, item in enumerate(reports.items(value))]
    return [row for row in found if row is not None]


def _request(index: int, item: dict[str, Any], received_at: datetime) -> Row:
    repository, request = _repository(index, item), forges.mapping(item.get("pull_request"))
    merged_at = forges.time(index, "pull_request.merged_at", request.get("merged_at"))
    return {
        "repository": repository,
        "number": _number(index, request),
        "title": forges.text(request.get("title")),
        "body": forges.text(request.get("body")),
        "head_ref": forges.text(forges.mapping(request.get("head")).get("ref")),
        # Of an open request it is a trial merge that never lands.
        "merge_commit_sha": forges.text(request.get("merge_commit_sha")) if merged_at else None,
        "merge_method": None,
        "created_at": forges.time(index, "pull_request.created_at", request.get("created_at")),
        "merged_at": merged_at,
        "opened_by": forges.text(forges.mapping(request.get("user")).get("login")),
        "labels": [
            label["name"]
            for label in request.get("labels") or []
            if isinstance(label, dict) and isinstance(label.get("name"), str)
        ],
        "extra": None,
        "received_at": received_at,
        "commits": None,
    }


def _review(index: int, item: dict[str, Any], received_at: datetime) -> Row | None:
    repository = _repository(index, item)
    review, comment, issue = (forges.mapping(item.get(name)) for name in ("review", "comment", "issue"))
    request = forges.mapping(item.get("pull_request")) or issue
    if issue and not issue.get("pull_request"):
        return None
    if review:
        event = _STATES.get(str(review.get("state")).lower())
        thing, at, kind = review, "submitted_at", "review"
    else:
        # Edited and deleted comments were made all the same; the one that tells of the making counts.
        event = ReviewEvent.COMMENT if item.get("action") == "created" else None
        thing, at, kind = comment, "created_at", "comment" if issue else "review_comment"
    if event is None:
        return None
    occurred_at = forges.time(index, f"{kind}.{at}", thing.get(at))
    number, identity = _number(index, request), thing.get("id")
    if occurred_at is None or not isinstance(identity, int):
        raise forges.refused(index, f"{kind}.id", f"or {kind}.{at} is missing")
    user, opener = forges.mapping(thing.get("user")), forges.mapping(request.get("user"))
    login = forges.text(user.get("login"))
    return {
        "repository": repository,
        "number": number,
        "event_id": f"{kind}:{identity}",
        "event": event.value,
        "occurred_at": occurred_at,
        "reviewer": reviews.reviewer(repository, number, login),
        "is_opener": login == opener.get("login") if login and opener.get("login") else None,
        "is_bot": user.get("type") == "Bot" or reviews.is_bot_name(login),
        "received_at": received_at,
    }


def _repository(index: int, item: Mapping[str, Any]) -> str:
    name = forges.text(forges.mapping(item.get("repository")).get("full_name"))
    if name is None:
        raise forges.refused(
            index, "repository.full_name", "is missing: this is no GitHub webhook about a repository"
        )
    return name


def _number(index: int, request: Mapping[str, Any]) -> int:
    number = request.get("number")
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number < 2**53:
        raise forges.refused(index, "pull_request.number", "is missing: which pull request is this about?")
    return number
