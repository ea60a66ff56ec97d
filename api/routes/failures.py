"""``/v1/failures``, ``/v1/services``, ``/v1/traffic``: how production fails, what is known of each service, how it runs."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from api import auth, caching, paging, problems, queries
from api.problems import UnknownName
from api.routes.bounds import Since, Until
from api.routes.parts import Admin, Cursor, Limit, Reader, SettingsDep, StoreDep
from schemas import tables
from schemas.errors import MalformedInput
from schemas.responses import (
    FailureGroup,
    FailureGroupPage,
    Grouping,
    GroupingList,
    GroupingStatement,
    OperationTrafficPage,
    SaidAttributionList,
    ServiceList,
)
from schemas.store import Row, Store
from schemas.vocabulary import FailureCategory, GroupingDecision

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
    caching.unless_known(request, response, queries.known(store))
    page = queries.failure_groups(
        store, service=service, category=category, since=since, until=until, cursor=cursor, limit=limit
    )
    paging.put_link(request, response, page["next_cursor"])
    return page


@router.get("/failures/{group_id}", response_model=FailureGroup)
def read_failure(store: StoreDep, _: Reader, group_id: str) -> Any:
    """One failure group, with what contributed to its fingerprint."""
    return _known(store, group_id)


@router.get("/failures/{group_id}/attributions/history", response_model=SaidAttributionList)
def list_said_attributions(store: StoreDep, _: Reader, group_id: str) -> Any:
    """Whom it was put down to and when, the newest version first; each says what had changed."""
    found = queries.said(store, "group", group_id)
    if not found:
        _known(store, group_id)
    return {"items": found}


@router.get("/failures/{group_id}/groupings", response_model=GroupingList)
def list_groupings(store: StoreDep, _: Reader, group_id: str) -> Any:
    """What people decided about the fingerprints that this group is made of, newest first."""
    return {"items": queries.groupings(store, _known(store, group_id))}


@router.post("/failures/{group_id}/groupings", response_model=Grouping, status_code=HTTPStatus.CREATED)
def state_grouping(
    request: Request, store: StoreDep, asker: Admin, group_id: str, stated: GroupingStatement
) -> Any:
    """Merge this failure into another, split it, or take a decision back; it holds from the next correlation on."""
    row = _grouping(store, _known(store, group_id), stated) | {"token_id": asker.token_id}
    now = datetime.now(UTC)
    row["decided_at"] = now
    with store.write_lock, store.transaction():
        store.append_rows(tables.GROUPINGS, [row])
        auth.record(
            store,
            actor=asker.token_id,
            action=f"grouping.{stated.decision}",
            target=f"{row['service']} {row['fingerprint']} -> {row['into_fingerprint'] or row['split_by'] or 'itself'}",
            now=now,
            request_id=request.state.request_id,
        )
    return row


@router.get("/services", response_model=ServiceList)
def list_services(store: StoreDep, settings: SettingsDep, _: Reader) -> Any:
    """Per service: what is known, and what is missing for an answer."""
    return {"items": queries.services(store, settings)}


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


def _known(store: Store, group_id: str) -> Row:
    found = queries.failure_group(store, group_id)
    if found is None:
        raise UnknownName(
            f"no failure group is called {group_id}", hint="groups are made anew by every correlation"
        )
    return found


def _grouping(store: Store, group: Row, stated: GroupingStatement) -> Row:
    """The row to store, but for when and by whom.

    Raises:
        MalformedInput: a decision without what it needs, with what it cannot have, or across services.
    """
    row: Row = {
        "service": group["service"],
        "fingerprint": group["fingerprint"],
        "fingerprint_version": group["fingerprint_version"],
        "decision": stated.decision.value,
        "into_fingerprint": None,
        "split_by": None,
        "reason": stated.reason,
    }
    is_undo = stated.decision is GroupingDecision.UNDO
    for name, decision in (("into", GroupingDecision.MERGE), ("by", GroupingDecision.SPLIT)):
        if (getattr(stated, name) is not None) != (stated.decision is decision):
            raise MalformedInput(f"{name} belongs to decision {decision} and to no other", field=name)
    if stated.fingerprint is not None:
        parts = group["fingerprint_parts"]
        known = {group["fingerprint"], *parts.get("merged_from", ()), parts.get("split", {}).get("of")}
        if not is_undo or stated.fingerprint not in known:
            raise MalformedInput("only a decision about a part of this group is undone", field="fingerprint")
        row["fingerprint"] = stated.fingerprint
    if stated.into is not None:
        other = _known(store, stated.into)
        if other["service"] != group["service"] or other["fingerprint"] == group["fingerprint"]:
            raise MalformedInput("a failure is merged into another one of its service", field="into")
        row["into_fingerprint"] = other["fingerprint"]
    row["split_by"] = stated.by.value if stated.by else None
    return row
