"""What the webhooks of forges have in common: fields that may be absent, null or of another type."""

from datetime import datetime
from typing import Any

from schemas import times
from schemas.errors import MalformedInput


def mapping(value: object) -> dict[str, Any]:
    """``value`` where it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def text(value: object) -> str | None:
    """``value`` without surrounding space where it is text that says something, else None."""
    return value.strip() or None if isinstance(value, str) else None


def time(index: int, field: str, value: object) -> datetime | None:
    """The time that ``value`` names; None for null, empty text and the zero date.

    Raises:
        MalformedInput: it names none; ``index`` and ``field`` say where.
    """
    try:
        return times.parse_optional(value)
    except ValueError as error:
        raise refused(index, field, str(error)) from error


def refused(index: int, field: str, detail: str) -> MalformedInput:
    """What to raise about one field of one item."""
    return MalformedInput(f"item {index}: {field} {detail}", index=index, field=field)
