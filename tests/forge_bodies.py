"""Webhooks of forges, of our own making, in the shapes that GitHub and GitLab document."""

from typing import Any


def pull_request(**given: Any) -> dict[str, Any]:
    return {
        "number": 7,
        "title": "Add zones",
        "body": "Zones for the cart.",
        "state": "open",
        "merged": False,
        "merge_commit_sha": "a" * 40,
        "created_at": "2026-03-02T09:00:00Z",
        "merged_at": None,
        "user": {"login": "pat", "id": 11, "type": "User"},
        "head": {"ref": "zones", "sha": "b" * 40},
        "labels": [{"name": "cart"}],
        **given,
    }


def github(action: str, **parts: Any) -> dict[str, Any]:
    return {
        "action": action,
        "repository": {"full_name": "acme/shop"},
        "sender": {"login": "sam"},
        "pull_request": pull_request(),
        **parts,
    }


def review(state: str, *, number: int = 80, login: str = "sam", **given: Any) -> dict[str, Any]:
    return {
        "id": number,
        "state": state,
        "submitted_at": "2026-03-02T10:00:00Z",
        "user": {"login": login, "id": 12, "type": "User"},
        "body": "Fine.",
        **given,
    }


def gitlab(action: str, *, who: int = 12, **attributes: Any) -> dict[str, Any]:
    return {
        "object_kind": "merge_request",
        "user": {"id": who, "username": f"user{who}"},
        "project": {"path_with_namespace": "acme/shop"},
        "object_attributes": {
            "iid": 7,
            "author_id": 11,
            "title": "Add zones",
            "description": "",
            "source_branch": "zones",
            "state": "opened",
            "action": action,
            "created_at": "2026-03-02 09:00:00 UTC",
            "updated_at": "2026-03-02 10:00:00 UTC",
            "merge_commit_sha": None,
            **attributes,
        },
        "labels": [{"title": "cart"}],
    }


def note(*, who: int = 12, **attributes: Any) -> dict[str, Any]:
    return {
        "object_kind": "note",
        "user": {"id": who, "username": f"user{who}"},
        "project": {"path_with_namespace": "acme/shop"},
        "object_attributes": {
            "id": 90,
            "noteable_type": "MergeRequest",
            "created_at": "2026-03-02 09:30:00 UTC",
            "note": "Why?",
            "system": False,
            **attributes,
        },
        "merge_request": {"iid": 7, "author_id": 11},
    }
