"""What the product makes of one thing, one function per kind; ``aftermerge explain`` prints their answers.

Rows in, rows out, JSON types only. Nothing here needs a server or a store unless it says so.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from correlator import frames
from schemas.errors import MalformedInput
from schemas.records import ExceptionLink, Frame

LINE_CHARS_MAX = 16_777_216
"""Characters of one JSON line; a stack is far smaller."""


def json_lines(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The objects of a file of JSON lines; blank lines are passed over.

    Raises:
        MalformedInput: a line that is no JSON object, named by its number.
    """
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found = json.loads(line) if len(line) <= LINE_CHARS_MAX else None
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise MalformedInput(f"line {number} is no JSON object", hint="one object a line, in UTF-8")
        yield found


def stacktrace(row: Mapping[str, Any]) -> dict[str, Any]:
    """Exceptions and frames of ``{id, language?, text}``.

    Returns:
        ``id``; ``language`` as read, None when no frame was found; ``exception`` {type, message} and ``frames``
        (innermost first) of the outermost exception; ``chain`` outermost first, root cause last.
    """
    text, language = row.get("text"), row.get("language")
    found = frames.parse(str(text or ""), str(language) if language else None)
    chain = [_link(link) for link in found.chain] if found else []
    first = chain[0] if chain else {"type": None, "message": None, "frames": []}
    return {
        "id": row.get("id"),
        "language": found.language if found else None,
        "exception": {"type": first["type"], "message": first["message"]},
        "frames": first["frames"],
        "chain": chain,
        "truncated": found.is_truncated if found else False,
    }


def _link(link: ExceptionLink) -> dict[str, Any]:
    return {
        "type": link.type or None,
        "message": link.message,
        "relation_to_outer": link.relation,
        "frames": [_frame(frame) for frame in link.frames],
    }


def _frame(frame: Frame) -> dict[str, Any]:
    """``column`` and ``module`` only where the text has them."""
    row: dict[str, Any] = {"file": frame.file, "function": frame.function, "line": frame.line}
    if frame.column is not None:
        row["column"] = frame.column
    if frame.module is not None:
        row["module"] = frame.module
    return row | {"in_app": frame.in_app}
