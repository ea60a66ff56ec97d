"""``/v1/schemas``: the JSON Schemas of the intake bodies. They hold no data, so they need no token."""

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from api import problems
from schemas.intake import REPORTS

MEDIA_TYPE = "application/schema+json"

router = APIRouter(prefix="/v1/schemas", tags=["schemas"], responses={404: problems.RESPONSES[404]})


@router.get("")
@router.get("/", include_in_schema=False)
def list_schemas() -> dict[str, list[str]]:
    """Paths of the schemas."""
    return {"items": [f"/v1/schemas/{noun}" for noun in REPORTS]}


@router.get("/{noun}", response_class=JSONResponse)
def read_schema(noun: str) -> JSONResponse:
    """JSON Schema (2020-12) of the body of ``POST /v1/intake/{noun}``: one item or an array."""
    if noun not in REPORTS:
        raise problems.refusal(HTTPStatus.NOT_FOUND, f"schemas are: {', '.join(REPORTS)}")
    return JSONResponse(schema(noun), media_type=MEDIA_TYPE)


def schema(noun: str) -> dict[str, Any]:
    """The schema of one intake body."""
    item = REPORTS[noun].model_json_schema()
    definitions = {**item.pop("$defs", {}), "item": item}
    one = {"$ref": "#/$defs/item"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"/v1/schemas/{noun}",
        "title": f"Body of POST /v1/intake/{noun}",
        "anyOf": [one, {"type": "array", "items": one}],
        "$defs": definitions,
    }
