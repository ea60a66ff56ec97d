"""``/healthz`` and ``/readyz``: is the process alive, and can it take requests."""

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response

from api import folder, problems
from api.routes.parts import StoreDep
from schemas.responses import Health

router = APIRouter(tags=["health"])


@router.get("/healthz", response_model=Health)
async def healthz(request: Request, response: Response) -> Any:
    """The process answers, and when challenged proves that it is the server of its data folder."""
    challenge, prove = request.headers.get(folder.CHALLENGE_HEADER), request.app.state.prove
    if challenge and prove is not None:
        response.headers[folder.PROOF_HEADER] = prove(challenge)
    return {"status": "ok"}


@router.get("/readyz", response_model=Health, responses={503: problems.RESPONSES[503]})
def readyz(request: Request, store: StoreDep) -> Any:
    """The store answers and the server is neither starting nor draining."""
    if not request.app.state.is_ready() or store.value("SELECT 1") != 1:
        raise problems.refusal(
            HTTPStatus.SERVICE_UNAVAILABLE, "starting or draining", headers={"Retry-After": "1"}
        )
    return {"status": "ready"}
