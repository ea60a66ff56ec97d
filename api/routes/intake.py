"""``POST /v1/intake/*``: facts come in. 202 means that they are on disk.

The door behind is the collector's; this room knows only its shape.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool

from api import auth, problems
from schemas.intake import REPORTS
from schemas.responses import IntakeReceipt
from schemas.vocabulary import TokenScope


class Receipt(Protocol):
    """What became of the items of one request."""

    @property
    def accepted(self) -> int: ...

    @property
    def duplicates(self) -> int: ...


class IntakeDoor(Protocol):
    """Takes raw request bodies; raises the errors of ``schemas/errors.py``."""

    def is_signed(self, noun: str, body: bytes, headers: Mapping[str, str]) -> bool | None:
        """Whether the body's signature fits; None where no secret is set to check by."""

    def accept(self, noun: str, body: bytes, headers: Mapping[str, str]) -> Receipt:
        """Store a body and what it says, durably and once."""


router = APIRouter(prefix="/v1/intake", tags=["intake"], responses=problems.RESPONSES)


def _door(request: Request) -> IntakeDoor:
    found: IntakeDoor = request.app.state.intake
    return found


Door = Annotated[IntakeDoor, Depends(_door)]
_TOKEN = Depends(auth.requires(TokenScope.INTAKE))


def _body_of(schema: dict[str, Any]) -> dict[str, Any]:
    """The request body for the OpenAPI document: the route reads raw bytes, since signatures are over those."""
    one_or_more = {"anyOf": [schema, {"type": "array", "items": schema}]}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": one_or_more}}}}


def components() -> dict[str, Any]:
    """The schemas that :func:`_body_of` points at, for ``components.schemas`` of the OpenAPI document."""
    found: dict[str, Any] = {}
    for model in REPORTS.values():
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        found |= schema.pop("$defs", {})
        found[model.__name__] = schema
    return found


async def _accept(noun: str, request: Request, door: IntakeDoor) -> Any:
    body = await request.body()
    return await run_in_threadpool(door.accept, noun, body, request.headers)


def _add(noun: str, summary: str) -> None:
    async def receive(request: Request, door: Door) -> Any:
        return await _accept(noun, request, door)

    router.add_api_route(
        f"/{noun}",
        receive,
        methods=["POST"],
        status_code=HTTPStatus.ACCEPTED,
        response_model=IntakeReceipt,
        dependencies=[_TOKEN],
        summary=summary,
        operation_id=f"intake_{noun}",
        openapi_extra=_body_of({"$ref": f"#/components/schemas/{REPORTS[noun].__name__}"}),
    )


_add("deployments", "Deployments as they proceed")
_add("incidents", "Events of incidents")
_add("changes", "Pull and merge requests")
_add("artifacts", "Builds: which commit an image was made from")
_add("agent-traces", "Agent Trace records: which lines an AI or a person wrote")


@router.post(
    "/pagerduty",
    status_code=HTTPStatus.ACCEPTED,
    response_model=IntakeReceipt,
    openapi_extra=_body_of({"type": "object", "description": "a PagerDuty v3 webhook"}),
)
async def intake_pagerduty(request: Request, door: Door) -> Any:
    """PagerDuty v3 webhooks: signed where a secret is set, else with a token of scope intake."""
    body = await request.body()
    is_signed = door.is_signed("pagerduty", body, request.headers)
    if is_signed is None:
        await run_in_threadpool(auth.requires(TokenScope.INTAKE), request)
    elif not is_signed:
        raise problems.refusal(
            HTTPStatus.UNAUTHORIZED,
            "X-PagerDuty-Signature does not fit the body",
            headers={"WWW-Authenticate": "PagerDuty-Signature"},
        )
    return await run_in_threadpool(door.accept, "pagerduty", body, request.headers)
