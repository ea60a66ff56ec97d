"""Keyset cursors: where the last page ended, as opaque text. Unlike offsets they do not drift while facts come in."""

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import datetime

from fastapi import Request, Response

from api.problems import BadCursor
from schemas import times

LIMIT_DEFAULT = 50
LIMIT_MAX = 200

Key = Sequence[datetime | str | int]


def cursor(name: str, key: Key) -> str:
    """The cursor behind a row of list ``name`` whose values of the order are ``key``."""
    values = [value.isoformat() if isinstance(value, datetime) else value for value in key]
    text = json.dumps([name, *values], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def key(name: str, text: str | None, types: Sequence[type]) -> list[datetime | str | int] | list[None]:
    """The inverse of :func:`cursor`: values of ``types``, or as many Nones when ``text`` is None.

    Raises:
        BadCursor: not a cursor of this list.
    """
    if text is None:
        return [None] * len(types)
    try:
        padded = text + "=" * (-len(text) % 4)
        values = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if not isinstance(values, list) or len(values) != len(types) + 1 or values[0] != name:
            raise ValueError("of another list")
        return [_value(value, type_) for value, type_ in zip(values[1:], types, strict=True)]
    except (ValueError, binascii.Error, RecursionError) as error:
        raise BadCursor(
            "this cursor is not one of this list", hint="start again without a cursor", field="cursor"
        ) from error


def put_link(request: Request, response: Response, next_cursor: str | None) -> None:
    """Add the ``Link`` header (RFC 8288) to the page behind ``next_cursor``; none on the last page."""
    if next_cursor is not None:
        url = request.url.include_query_params(cursor=next_cursor)
        response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'


def _value(value: object, type_: type) -> datetime | str | int:
    if type_ is datetime and isinstance(value, str):
        return times.parse(value)
    if type_ is int and isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63:
        return value
    if type_ is str and isinstance(value, str):
        # What DuckDB cannot hold is no value of ours.
        return value.encode("utf-8").decode("utf-8")
    raise ValueError("a value of another type")
