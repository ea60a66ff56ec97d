"""From a request body to checked reports: the JSON, one object or an array, each item against its model.

What is refused is refused whole, with the index and the field, so that no half of an array is ever stored.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, NoReturn, TypeVar

from pydantic import ValidationError

from schemas.errors import MalformedInput
from schemas.intake import Report

AnyReport = TypeVar("AnyReport", bound=Report)

_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def read(body: bytes) -> Any:
    """The JSON value of ``body``; several values, one a line, are a list of them.

    Raises:
        MalformedInput: not UTF-8, not JSON (RFC 8259: no NaN, no Infinity), or nested too deep to read.
    """
    try:
        value = _value(body.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise MalformedInput("the body is not UTF-8", hint="send JSON encoded as UTF-8") from error
    except RecursionError as error:
        raise MalformedInput("the body is nested too deep", hint="flatten it") from error
    except ValueError as error:
        raise MalformedInput(
            f"the body is not JSON: {error}", hint="send one JSON object or an array"
        ) from error
    # An escaped half of a surrogate pair is legal JSON and no legal text: neither Arrow nor DuckDB can hold it.
    return _without_surrogates(value) if _ESCAPED_SURROGATE.search(body) else value


def _value(text: str) -> Any:
    """One JSON value, or a list of those on the lines of ``text``; the fault told is that of the line."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        # One whole value, and another on a later line: JSON lines.
        if error.msg != "Extra data" or "\n" not in text[: error.pos]:
            raise
    values = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                values.append(json.loads(line, parse_constant=_refuse_constant))
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from error
    return values


def items(value: object) -> list[dict[str, Any]]:
    """One object or an array of objects as a list.

    Raises:
        MalformedInput: something else, or an item that is no object; names the index.
    """
    listed: list[Any] = value if isinstance(value, list) else [value]
    for index, item in enumerate(listed):
        if not isinstance(item, dict):
            raise MalformedInput(
                f"item {index} is not a JSON object",
                hint="send one JSON object or an array of them",
                index=index,
            )
    return listed


def checked(model: type[AnyReport], listed: Sequence[dict[str, Any]]) -> list[AnyReport]:
    """Each item as a ``model``.

    Raises:
        MalformedInput: the first item that does not fit; ``facts`` holds ``index``, ``field`` and every fault of it.
    """
    reports = []
    for index, item in enumerate(listed):
        try:
            reports.append(model.model_validate(item))
        except ValidationError as error:
            _refuse_item(index, error)
    return reports


def unknown_fields(report: Report, **nested: Report) -> str | None:
    """The unknown fields of ``report`` and of its ``nested`` parts as a JSON object; None when there are none."""
    kept: dict[str, Any] = dict(report.model_extra or {})
    kept |= {name: part.model_extra for name, part in nested.items() if part.model_extra}
    return json_object(kept)


def json_object(value: dict[str, Any] | None) -> str | None:
    """JSON text with sorted keys; None for an empty object."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False) if value else None


def _refuse_item(index: int, error: ValidationError) -> NoReturn:
    faults = [
        {
            "field": ".".join(str(part) for part in fault["loc"]),
            "detail": fault["msg"].removeprefix("Value error, "),
        }
        for fault in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    first = faults[0]
    at = f"{first['field']}: " if first["field"] else ""
    raise MalformedInput(
        f"item {index}: {at}{first['detail']}",
        hint="nothing of this request was taken; mend the item and send all of it again",
        index=index,
        field=first["field"],
        errors=faults,
    ) from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        # Pairs become their character, lone halves a question mark.
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return value
