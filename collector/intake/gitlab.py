"""GitLab webhooks to rows of ``change_requests`` and ``reviews``, and how they prove themselves.

A secret token comes as it stands (``X-Gitlab-Token``); a signing token (``whsec_...``) signs by Standard Webhooks:
HMAC-SHA256 over ``id.timestamp.body``, base64. Events that we do not know are accepted and give no rows, since GitLab
disables a webhook that answers with errors.
Source: GitLab documentation, "Webhook events", "Webhooks"; Standard Webhooks specification.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from collector.intake import forges, reports, reviews
from schemas.vocabulary import ReviewEvent

Row = dict[str, Any]

SOURCE = "gitlab"
TOKEN_HEADER = "x-gitlab-token"  # noqa: S105 - the name of a header
SIGNATURE_HEADER = "webhook-signature"
ID_HEADER = "webhook-id"
TIMESTAMP_HEADER = "webhook-timestamp"
DELIVERY_HEADERS = (ID_HEADER, "idempotency-key", "x-gitlab-event-uuid")
SIGNING_PREFIX = "whsec_"
SKEW_MAX = timedelta(minutes=5)
SIGNATURES_MAX = 16

# action of a merge request -> what the one who acted says. "approved" and "unapproved" tell that the rule is met or
# no more, and stand for the approval that did it; "approval" and "unapproval" are those that did not.
_ACTIONS = {
    "approved": ReviewEvent.APPROVED,
    "approval": ReviewEvent.APPROVED,
    "unapproved": ReviewEvent.WITHDRAWN,
    "unapproval": ReviewEvent.WITHDRAWN,
}


def is_signed(body: bytes, headers: Mapping[str, str], secrets: Iterable[str], now: datetime) -> bool:
    """True when the token fits one of ``secrets``, or a fresh ``v1`` signature of ``body`` fits a ``whsec_`` one.

    Args:
        headers: names in lower case.
        now: a signature made more than five minutes away from it is refused: it may be replayed.
    """
    token = headers.get(TOKEN_HEADER, "").encode()
    stamp = headers.get(TIMESTAMP_HEADER, "")
    sent = [part[3:].encode() for part in headers.get(SIGNATURE_HEADER, "").split() if part.startswith("v1,")]
    is_fresh = stamp.isdigit() and abs(now.timestamp() - int(stamp)) <= SKEW_MAX.total_seconds()
    signed = f"{headers.get(ID_HEADER, '')}.{stamp}.".encode() + body
    matched = False
    for secret in secrets:
        matched |= hmac.compare_digest(token, secret.encode())
        if secret.startswith(SIGNING_PREFIX) and is_fresh:
            digest = base64.b64encode(hmac.new(_key(secret), signed, hashlib.sha256).digest())
            for signature in sent[:SIGNATURES_MAX]:
                matched |= hmac.compare_digest(signature, digest)
    return matched


def _key(secret: str) -> bytes:
    text = secret.removeprefix(SIGNING_PREFIX)
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return text.encode()


def requests(value: object, received_at: datetime) -> list[Row]:
    """Rows of ``tables.CHANGE_REQUESTS`` for a ``merge_request`` event.

    Raises:
        MalformedInput: it names no project or no merge request.
    """
    return [_request(index, item, received_at) for index, item in enumerate(reports.items(value))]


def submitted(value: object, received_at: datetime) -> list[Row]:
    """Rows of ``tables.REVIEWS`` for an approval (a ``merge_request`` event) or a ``note``; none for other events,
    for notes on other things and for those that GitLab wrote itself.

    Raises:
        MalformedInput: it names no project, no merge request, no id or no time.
    """
    found = []
    for index, item in enumerate(reports.items(value)):
        is_note = item.get("object_kind") == "note"
        row = _note(index, item, received_at) if is_note else _approval(index, item, received_at)
        if row is not None:
            found.append(row)
    return found


def is_approval(item: object) -> bool:
    """Is this a ``merge_request`` event that tells of an approval, rather than of the request?"""
    attributes = forges.mapping(forges.mapping(item).get("object_attributes"))
    return attributes.get("action") in _ACTIONS


def _request(index: int, item: dict[str, Any], received_at: datetime) -> Row:
    attributes = forges.mapping(item.get("object_attributes"))
    is_merged = attributes.get("state") == "merged"
    merged_at = attributes.get("merged_at") or (attributes.get("updated_at") if is_merged else None)
    is_opener = forges.mapping(item.get("user")).get("id") == attributes.get("author_id")
    return {
        "repository": _repository(index, item),
        "number": _number(index, attributes),
        "title": forges.text(attributes.get("title")),
        "body": forges.text(attributes.get("description")),
        "head_ref": forges.text(attributes.get("source_branch")),
        "merge_commit_sha": forges.text(attributes.get("squash_commit_sha"))
        if is_merged and not attributes.get("merge_commit_sha")
        else (forges.text(attributes.get("merge_commit_sha")) if is_merged else None),
        "merge_method": None,
        "created_at": forges.time(index, "object_attributes.created_at", attributes.get("created_at")),
        "merged_at": forges.time(index, "object_attributes.merged_at", merged_at) if is_merged else None,
        # Events name who acted, not who opened; only sometimes are they one.
        "opened_by": forges.text(forges.mapping(item.get("user")).get("username")) if is_opener else None,
        "labels": [
            label["title"]
            for label in item.get("labels") or []
            if isinstance(label, dict) and isinstance(label.get("title"), str)
        ],
        "extra": None,
        "received_at": received_at,
        "commits": None,
    }


def _approval(index: int, item: dict[str, Any], received_at: datetime) -> Row | None:
    attributes = forges.mapping(item.get("object_attributes"))
    event = _ACTIONS.get(str(attributes.get("action")))
    if event is None:
        return None
    occurred_at = forges.time(index, "object_attributes.updated_at", attributes.get("updated_at"))
    return _row(index, item, attributes, event, occurred_at, "approval", received_at)


def _note(index: int, item: dict[str, Any], received_at: datetime) -> Row | None:
    note = forges.mapping(item.get("object_attributes"))
    if note.get("noteable_type") != "MergeRequest" or note.get("system") or note.get("action") == "update":
        return None
    occurred_at = forges.time(index, "object_attributes.created_at", note.get("created_at"))
    request = forges.mapping(item.get("merge_request"))
    return _row(index, item, request, ReviewEvent.COMMENT, occurred_at, f"note:{note.get('id')}", received_at)


def _row(
    index: int,
    item: dict[str, Any],
    request: Mapping[str, Any],
    event: ReviewEvent,
    occurred_at: datetime | None,
    name: str,
    received_at: datetime,
) -> Row:
    if occurred_at is None:
        raise forges.refused(index, "object_attributes", "tells no time")
    repository, number, user = (
        _repository(index, item),
        _number(index, request),
        forges.mapping(item.get("user")),
    )
    username, who = forges.text(user.get("username")), user.get("id")
    reviewer = reviews.reviewer(repository, number, who)
    if event is not ReviewEvent.COMMENT:
        # Approvals have no id of their own: who and when are it.
        name = f"{name}:{reviewer}:{occurred_at.isoformat()}"
    return {
        "repository": repository,
        "number": number,
        "event_id": name,
        "event": event.value,
        "occurred_at": occurred_at,
        "reviewer": reviewer,
        "is_opener": None if who is None else who == request.get("author_id"),
        "is_bot": reviews.is_bot_name(username),
        "received_at": received_at,
    }


def _repository(index: int, item: Mapping[str, Any]) -> str:
    name = forges.text(forges.mapping(item.get("project")).get("path_with_namespace"))
    if name is None:
        raise forges.refused(index, "project.path_with_namespace", "is missing: this is no GitLab webhook")
    return name


def _number(index: int, request: Mapping[str, Any]) -> int:
    number = request.get("iid")
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number < 2**53:
        raise forges.refused(index, "iid", "is missing: which merge request is this about?")
    return number
