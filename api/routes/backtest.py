"""``/v1/backtest``: how right attribution was, by what the team said later."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from api import problems
from api.routes.parts import Reader
from schemas.responses import Backtest

router = APIRouter(
    prefix="/v1/backtest", tags=["backtest"], responses=problems.RESPONSES | problems.described(501)
)

HOURS_MAX = 168.0


@router.get("", response_model=Backtest)
def read_backtest(
    request: Request,
    _: Reader,
    after_hours: Annotated[
        float, Query(ge=0, le=HOURS_MAX, description="how long after its onset each failure is answered")
    ] = 1.0,
) -> Any:
    """Each failure that a revert, fix, rollback, post-mortem or verdict explains, answered again blind, and the figures.

    As of the last correlation. The first question after a correlation takes seconds, the next ones none.
    """
    port = request.app.state.operations
    if port is None:
        raise problems.refusal(HTTPStatus.NOT_IMPLEMENTED, "this server takes no operations")
    return port.backtest(after_hours)
