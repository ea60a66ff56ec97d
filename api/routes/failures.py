"""``/v1/failures`` and ``/v1/services``: how production fails, and what is known of each service."""

from typing import Any

from fastapi import APIRouter, Request, Response

from api import caching, paging, problems, queries
from api.routes.bounds import Since, Until
from api.routes.parts import Cursor, Limit, Reader, StoreDep
from schemas.responses import FailureGroupPage, ServiceList
from schemas.vocabulary import FailureCategory

router = APIRouter(prefix="/v1", tags=["failures"], responses=problems.RESPONSES)


@router.get("/failures", response_model=FailureGroupPage)
def list_failures(
    request: Request,
    response: Response,
    store: StoreDep,
    _: Reader,
    service: str | None = None,
    category: FailureCategory | None = None,
    since: Since = None,
    until: Until = None,
    cursor: Cursor = None,
    limit: Limit = paging.LIMIT_DEFAULT,
) -> Any:
    """Failure groups by their last failure, newest first, each with its heaviest explanation."""
    caching.unless_known(request, response, store)
    page = queries.failure_groups(
        store, service=service, category=category, since=since, until=until, cursor=cursor, limit=limit
    )
    paging.put_link(request, response, page["next_cursor"])
    return page


@router.get("/services", response_model=ServiceList)
def list_services(store: StoreDep, _: Reader) -> Any:
    """Per service: what is known, and what is missing for an answer."""
    return {"items": queries.services(store)}
