"""``/v1/failures``, ``/v1/services``, ``/v1/traffic``: how production fails, what is known of each service, how it runs."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from api import caching, paging, problems, queries
from api.routes.bounds import Since, Until
from api.routes.parts import Cursor, Limit, Reader, StoreDep
from schemas.responses import FailureGroupPage, OperationTrafficPage, ServiceList
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


@router.get("/traffic", response_model=OperationTrafficPage)
def list_traffic(
    request: Request,
    response: Response,
    store: StoreDep,
    _: Reader,
    service: str | None = None,
    environment: str | None = None,
    operation: Annotated[str | None, Query(description="span name")] = None,
    revision: Annotated[str | None, Query(description="as sent")] = None,
    since: Since = None,
    until: Until = None,
    hourly: Annotated[bool, Query(description="one row per hour, else one for the whole range")] = False,
    cursor: Cursor = None,
    limit: Limit = paging.LIMIT_DEFAULT,
) -> Any:
    """Rate, errors and durations per operation and revision, from hours that begin in [since, until).

    Spans are counted within a minute of their receipt, those that come more than a quarter of an hour late within an hour.
    """
    page = queries.traffic(
        store,
        service=service,
        environment=environment,
        operation=operation,
        revision=revision,
        since=since,
        until=until,
        is_hourly=hourly,
        cursor=cursor,
        limit=limit,
    )
    paging.put_link(request, response, page["next_cursor"])
    return page
