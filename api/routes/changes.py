"""``/v1/changes``: what landed, who wrote it, and what became of it."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from api import caching, paging, problems, queries
from api.routes.bounds import Since, Until
from api.routes.parts import Cursor, Limit, Reader, StoreDep
from schemas.responses import ChangeDetail, ChangePage
from schemas.vocabulary import Origin

router = APIRouter(prefix="/v1/changes", tags=["changes"], responses=problems.RESPONSES)


@router.get("", response_model=ChangePage)
def list_changes(
    request: Request,
    response: Response,
    store: StoreDep,
    _: Reader,
    repository: Annotated[str | None, Query(description="owner/name")] = None,
    origin: Origin | None = None,
    since: Since = None,
    until: Until = None,
    cursor: Cursor = None,
    limit: Limit = paging.LIMIT_DEFAULT,
) -> Any:
    """Changes by landing time, newest first."""
    caching.unless_known(request, response, queries.known(store))
    page = queries.changes(
        store, repository=repository, origin=origin, since=since, until=until, cursor=cursor, limit=limit
    )
    paging.put_link(request, response, page["next_cursor"])
    return page


@router.get("/{sha}", response_model=ChangeDetail)
def read_change(
    request: Request,
    response: Response,
    store: StoreDep,
    _: Reader,
    sha: Annotated[str, Path(pattern="^[0-9a-fA-F]{4,64}$", description="full sha, or a unique start of it")],
) -> Any:
    """One change with its commits, provenance evidence, deployments, outcomes, suspicions and rework."""
    caching.unless_known(request, response, queries.known(store))
    found = queries.change(store, sha)
    if found is None:
        raise problems.refusal(HTTPStatus.NOT_FOUND, f"no change begins with {sha}")
    return found
