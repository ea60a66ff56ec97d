"""Reviews of pull and merge requests to rows of ``reviews``, whoever tells them.

Who reviewed is not stored: a hash that is salted with the request tells its reviewers apart, and no two requests
share one. So approvals can be counted per change, and nobody's reviews can be added up.
"""

import hashlib
from datetime import datetime
from typing import Any

from collector.intake import reports
from schemas.intake import ReviewReport
from schemas.vocabulary import ReviewEvent

Row = dict[str, Any]


def parse(value: object, received_at: datetime) -> list[Row]:
    """Rows of ``tables.REVIEWS`` for one report or an array.

    Raises:
        MalformedInput: an item does not fit; names its index and field.
    """
    return [
        {
            "repository": report.repository,
            "number": report.number,
            "event_id": report.id,
            "event": report.event.value,
            "occurred_at": report.occurred_at,
            "reviewer": reviewer(report.repository, report.number, report.user),
            "is_opener": report.is_opener,
            "is_bot": report.is_bot or is_bot_name(report.user),
            "received_at": received_at,
        }
        for report in reports.checked(ReviewReport, reports.items(value))
    ]


def merge(old: Row, new: Row) -> Row:
    """Two tellings of one review: the later arrival corrects the earlier, but one that was dismissed stays dismissed."""
    is_stale = old["event"] == ReviewEvent.DISMISSED and new["event"] != ReviewEvent.DISMISSED
    first, last = (new, old) if is_stale else (old, new)
    return first | {key: value for key, value in last.items() if value is not None}


def reviewer(repository: str, number: int, identity: object) -> str | None:
    """What stands for a reviewer within one request; None for nobody named."""
    if identity is None or identity == "":
        return None
    text = f"{repository}#{number}:{identity}"
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()


def is_bot_name(name: str | None) -> bool:
    """True for the logins that forges give to apps and to tokens of a project."""
    if name is None:
        return False
    # dependabot[bot] at GitHub; project_7_bot_4ffca233d8298ea1 and group_7_bot_... at GitLab.
    return name.endswith("[bot]") or (name.startswith(("project_", "group_")) and "_bot" in name)
