"""Answers about one thing at a time, from what the caller gives: no store, no server. One function per kind of thing."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from correlator import categories
from schemas.errors import MalformedInput
from schemas.records import FailureFacts, RankedCategory

LINE_BYTES_MAX = 1_048_576
"""A line of input that is longer is refused."""


def lines(text: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The objects of JSON lines; blank lines are left out.

    Raises:
        MalformedInput: a line is no JSON object, or longer than :data:`LINE_BYTES_MAX`.
    """
    for number, line in enumerate(text, 1):
        if not line.strip():
            continue
        if len(line) > LINE_BYTES_MAX:
            raise MalformedInput(f"line {number} is longer than {LINE_BYTES_MAX} bytes")
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise MalformedInput(
                f"line {number} is no JSON: {error}", hint="one JSON object per line"
            ) from error
        if not isinstance(found, dict):
            raise MalformedInput(f"line {number} is no JSON object", hint="one JSON object per line")
        yield found


def failure(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What kind of failure it is: ``{id, category, ranked: [{category, score, reason}]}``, best first.

    Args:
        asked: ``id``, ``kind`` (span | incident_text | status_combo), ``language``, ``exception_type``, ``message`` and
            ``attributes`` (keys as in the semantic conventions); each may be missing or null.

    Raises:
        MalformedInput: a field has the wrong type.
    """
    ranked = rank(asked)
    return {
        "id": asked.get("id"),
        "category": str(ranked[0].category),
        "ranked": [
            {"category": str(hit.category), "score": hit.score, "reason": hit.reason} for hit in ranked
        ],
    }


def rank(asked: Mapping[str, Any]) -> tuple[RankedCategory, ...]:
    """The ranked categories of one failure, asked as in :func:`failure`."""
    texts = {
        name: _typed(asked, name, str, "a text") for name in ("kind", "language", "exception_type", "message")
    }
    facts = FailureFacts(
        exception_type=texts["exception_type"],
        message=texts["message"],
        attributes=_typed(asked, "attributes", dict, "an object") or {},
        language=texts["language"],
        kind=texts["kind"] or "span",
    )
    return categories.rank(facts)


def _typed(asked: Mapping[str, Any], name: str, type_: type, called: str) -> Any:
    value = asked.get(name)
    if value is not None and not isinstance(value, type_):
        raise MalformedInput(f"{name} is not {called}", hint=f"in the row with id {asked.get('id')!r}")
    return value
