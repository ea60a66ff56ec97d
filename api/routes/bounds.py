"""The two ends of a time interval as query parameters: RFC 3339, a bare date, or an epoch in s, ms, us or ns."""

from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import BeforeValidator, WithJsonSchema

from schemas import times


def _bound(value: object) -> object:
    return times.parse_bound(value) if isinstance(value, str) else value


_SCHEMA = WithJsonSchema({"type": "string", "examples": ["2026-11-01", "2026-11-01T00:00:00Z", "1793491200"]})

Bound = Annotated[datetime, BeforeValidator(_bound), _SCHEMA]
Since = Annotated[Bound | None, Query(description="from this time on, inclusive")]
Until = Annotated[Bound | None, Query(description="before this time")]
