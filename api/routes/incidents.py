"""``/v1/incidents``: what people were called for, and who may have caused it."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from api import auth, caching, paging, problems, queries
from api.problems import UnknownName
from api.routes.bounds import Since, Until
from api.routes.parts import Admin, Cursor, Limit, Reader, StoreDep
from schemas import tables
from schemas.errors import MalformedInput
from schemas.responses import (
    Attribution,
    Incident,
    IncidentPage,
    SaidAttributionList,
    Verdict,
    VerdictStatement,
)
from schemas.store import Row, Store
from schemas.vocabulary import Candidate

router = APIRouter(prefix="/v1/incidents", tags=["incidents"], responses=problems.RESPONSES)

# A sender's id may hold slashes; the fixed endings below are tried first.
IncidentId = Annotated[
    str, Path(max_length=300, description="source:external_id, or the sender's id where it is unique")
]


@router.get("", response_model=IncidentPage)
def list_incidents(
    request: Request,
    response: Response,
    store: StoreDep,
    _: Reader,
    service: str | None = None,
    status: Annotated[str | None, Query(pattern="^(open|resolved)$")] = None,
    since: Since = None,
    until: Until = None,
    cursor: Cursor = None,
    limit: Limit = paging.LIMIT_DEFAULT,
) -> Any:
    """Incidents by opening time, newest first, each with its heaviest explanation."""
    caching.unless_known(request, response, queries.known(store))
    page = queries.incidents(
        store, service=service, status=status, since=since, until=until, cursor=cursor, limit=limit
    )
    paging.put_link(request, response, page["next_cursor"])
    return page


@router.get("/{incident_id:path}/attributions/history", response_model=SaidAttributionList)
def list_said_attributions(store: StoreDep, _: Reader, incident_id: IncidentId) -> Any:
    """What was said of it and when, the newest version first; each says what had changed. None is ever rewritten."""
    found = queries.incident(store, incident_id)
    if found is None:
        raise _unknown(incident_id)
    return {"items": queries.said(store, "incident", found["id"])}


@router.get("/{incident_id:path}/attributions", response_model=Attribution)
def read_attributions(
    request: Request, response: Response, store: StoreDep, _: Reader, incident_id: IncidentId
) -> Any:
    """Who may have caused it: candidates with the chain from trace to commit; the masses sum to one."""
    caching.unless_known(request, response, queries.known(store))
    found = queries.attributions(store, incident_id)
    if found is None:
        raise _unknown(incident_id)
    return found


@router.get("/{incident_id:path}/verdict", response_model=Verdict)
def read_verdict(store: StoreDep, _: Reader, incident_id: IncidentId) -> Any:
    """What a person decided last."""
    found = queries.incident(store, incident_id)
    if found is None:
        raise _unknown(incident_id)
    if found["verdict"] is None:
        raise UnknownName(f"nobody has decided anything about {found['id']}")
    return found["verdict"]


@router.put("/{incident_id:path}/verdict", response_model=Verdict)
def state_verdict(
    request: Request, store: StoreDep, asker: Admin, incident_id: IncidentId, stated: VerdictStatement
) -> Any:
    """What a person decided. The machine's answer stays beside it; former verdicts are kept."""
    incident = queries.incident(store, incident_id)
    if incident is None:
        raise _unknown(incident_id)
    now = datetime.now(UTC)
    row = {
        "incident_id": incident["id"],
        "decided_at": now,
        "candidate": stated.candidate.value,
        "sha": _sha(store, stated),
        "token_id": asker.token_id,
        "reason": stated.reason,
    }
    with store.write_lock, store.transaction():
        store.append_rows(tables.VERDICTS, [row])
        auth.record(
            store,
            actor=asker.token_id,
            action="verdict.put",
            target=f"{incident['id']} -> {row['sha'] or row['candidate']}",
            now=now,
            request_id=request.state.request_id,
        )
    return row


@router.get("/{incident_id:path}", response_model=Incident)
def read_incident(
    request: Request, response: Response, store: StoreDep, _: Reader, incident_id: IncidentId
) -> Any:
    """One incident as of the last correlation."""
    caching.unless_known(request, response, queries.known(store))
    found = queries.incident(store, incident_id)
    if found is None:
        raise _unknown(incident_id)
    return found


def _sha(store: Store, stated: VerdictStatement) -> str | None:
    """The full sha of the change that the statement names, None for "no change"."""
    if stated.candidate is Candidate.NO_CHANGE:
        if stated.change is not None:
            raise MalformedInput("a verdict of no_change names no change", field="change")
        return None
    if stated.change is None:
        raise MalformedInput("a verdict of change names the change", field="change")
    found: Row | None = queries.change(store, stated.change)
    if found is None:
        raise MalformedInput(f"no change begins with {stated.change}", field="change")
    sha: str = found["sha"]
    return sha


def _unknown(incident_id: str) -> UnknownName:
    return UnknownName(
        f"no incident is called {incident_id}",
        hint="an incident appears with the first correlation after its event came in",
    )
