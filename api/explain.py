"""What the product makes of one thing, one function per kind; ``aftermerge explain`` prints their answers.

Rows in, rows out, JSON types only. Nothing here needs a server or a store unless it says so.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from correlator import categories, frames
from correlator.libraries import guess_in_app
from correlator.mappings import TRANSPILED, Explanation
from correlator.original_frames import UNMAPPED, OriginalFrames, is_generated
from schemas.errors import MalformedInput
from schemas.records import BlamedLine, ExceptionLink, FailureFacts, Frame, ParsedStack, RankedCategory

LINE_CHARS_MAX = 16_777_216
"""Characters of one JSON line; a stack is far smaller."""


def json_lines(lines: Iterable[str | bytes]) -> Iterator[dict[str, Any]]:
    """The objects of a file of JSON lines; blank lines are passed over.

    Raises:
        MalformedInput: a line that is no JSON object, named by its number.
    """
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found = json.loads(line) if len(line) <= LINE_CHARS_MAX else None
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise MalformedInput(f"line {number} is no JSON object", hint="one object a line, in UTF-8")
        yield found


def stacktrace(row: Mapping[str, Any]) -> dict[str, Any]:
    """Exceptions and frames of ``{id, language?, text}``.

    Returns:
        ``id``; ``language`` as read, None when no frame was found; ``exception`` {type, message} and ``frames``
        (innermost first) of the outermost exception; ``chain`` outermost first, root cause last;
        ``suppressed`` and ``members`` (of a group, but the first) as links of the chain are.
    """
    text, language = row.get("text"), row.get("language")
    found = frames.parse(str(text or ""), str(language) if language else None)
    chain = [_link(link) for link in found.chain] if found else []
    beside = found.beside if found else ()
    first = chain[0] if chain else {"type": None, "message": None, "frames": []}
    return {
        "id": row.get("id"),
        "language": found.language if found else None,
        "exception": {"type": first["type"], "message": first["message"]},
        "frames": first["frames"],
        "chain": chain,
        "suppressed": [_link(link) for link in beside if link.relation == "suppressed"],
        "members": [_link(link) for link in beside if link.relation == "group"],
        "truncated": found.is_truncated if found else False,
    }


def frame_of(asked: Mapping[str, Any], originals: OriginalFrames) -> Frame:
    """The frame of ``{service, file?, function?, module?, line?, column?, version?, revision?}``, at its source."""
    file, function, module = (
        str(asked[key]) if asked.get(key) else None for key in ("file", "function", "module")
    )
    line, column = (asked[key] if isinstance(asked.get(key), int) else None for key in ("line", "column"))
    stated = Frame(file, function, line, column, module, guess_in_app(file))
    stack = ParsedStack("javascript", (ExceptionLink("", "", (stated,)),))
    versions = [str(asked[key]) for key in ("version", "revision") if asked.get(key)]
    return originals.of(stack, str(asked["service"]), versions).outermost.frames[0]


def frame(
    asked: Mapping[str, Any],
    *,
    explained: Explanation,
    original: Frame,
    code: Mapping[str, Any],
    revision: str | None,
    blamed: BlamedLine | None,
) -> dict[str, Any]:
    """Why a frame of a service is a line of a repository, or is none.

    Args:
        asked: ``{id?, service, file, function?, module?, line?, ...}``.
        explained: by ``correlator/mappings.py``.
        original: the frame at its place in the source, where a source map knew it; else the frame itself.
        code: ``repository``, ``path`` and ``basis`` of the service.
        revision: whose tree was looked at, full sha; None where none is known.
        blamed: who last wrote the line.
    """
    mapped = explained.mapped
    is_line_known = mapped is not None and mapped.how != TRANSPILED
    is_from_map = (original.file, original.line) != (asked.get("file"), asked.get("line"))
    return {
        "id": asked.get("id"),
        "service": asked["service"],
        "repository": code.get("repository"),
        "service_path": code.get("path"),
        "basis": code.get("basis"),
        "revision": revision,
        "source": {"file": original.file, "line": original.line} if is_from_map else None,
        "compared": explained.file,
        "path": mapped.path if mapped else None,
        "rule": mapped.how if mapped else UNMAPPED if is_generated(original) else None,
        "line": original.line if is_line_known else None,
        "reason": explained.reason,
        "other_candidates": list(explained.candidates),
        "blamed_sha": blamed.sha if blamed else None,
    }


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


def _typed(asked: Mapping[str, Any], name: str, type_: type, called: str) -> Any:
    value = asked.get(name)
    if value is not None and not isinstance(value, type_):
        raise MalformedInput(f"{name} is not {called}", hint=f"in the row with id {asked.get('id')!r}")
    return value
