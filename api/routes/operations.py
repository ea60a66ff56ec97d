"""``/v1/operations``: what an operator starts. The work is done by callables that the composition root injects."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime
from http import HTTPStatus
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from api import auth, problems
from api.routes.bounds import Bound
from api.routes.parts import Admin, StoreDep
from schemas.records import Progress
from schemas.store import Row, Store


class Operations(Protocol):
    """What an installation can be asked to do; an error of ``schemas/errors.py`` says why it was not done."""

    def correlated(self, *, as_of: datetime | None = None) -> dict[str, Any]: ...

    def rebuilt(self) -> dict[str, Any]: ...

    def sync(self, repository: str | None = None, progress: Progress | None = None) -> list[Row]: ...

    def add_repository(
        self,
        repository: str,
        source: str,
        *,
        url: str | None = None,
        assume_unmarked: str | None = None,
        assume_unmarked_from: date | None = None,
    ) -> Row: ...

    def list_repositories(self) -> list[Row]: ...

    def remove_repository(self, repository: str) -> None: ...

    def map_service(self, service: str, repository: str, path: str = "") -> Row: ...

    def explain_frame(self, asked: Mapping[str, Any]) -> dict[str, Any]: ...

    def report(self, week: str, *, publish: bool = True) -> dict[str, Any]: ...

    def backtest(self, after_hours: float = 1.0) -> dict[str, Any]: ...

    def as_of(self, moment: datetime) -> AbstractContextManager[Store]: ...


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Moment(_Body):
    """As of when to infer; null: now."""

    as_of: Bound | None = None


class WhichRepository(_Body):
    """One repository, or null for all."""

    repository: str | None = None


class RepositoryStatement(_Body):
    """A repository to mirror."""

    repository: str = Field(min_length=1, max_length=200, description="owner/name")
    source: str = Field(min_length=1, max_length=2000, description="path or URL to fetch from")
    url: str | None = None
    assume_unmarked: str | None = Field(
        default=None, pattern="^(human|none)$", description="none takes it back; absent keeps what is stated"
    )
    assume_unmarked_from: date | None = None


class ServiceMapping(_Body):
    """Where the code of a service lives."""

    service: str = Field(min_length=1, max_length=300)
    repository: str = Field(min_length=1, max_length=200)
    path: str = Field(default="", max_length=1000)


class Week(_Body):
    """An ISO week."""

    week: str = Field(pattern=r"^\d{4}-W\d{2}$", examples=["2026-W47"])
    publish: bool = True


RESPONSES = problems.RESPONSES | problems.described(501, 502)

router = APIRouter(prefix="/v1/operations", tags=["operations"], responses=RESPONSES)


def _operations(request: Request) -> Operations:
    found: Operations | None = request.app.state.operations
    if found is None:
        raise problems.refusal(HTTPStatus.NOT_IMPLEMENTED, "this server takes no operations")
    return found


Port = Annotated[Operations, Depends(_operations)]


@router.post("/correlate")
def correlate(
    request: Request, asker: Admin, store: StoreDep, port: Port, body: Moment = Moment()
) -> dict[str, Any]:
    """Infer now; as of a past time the answer is told and the present inferences stay."""
    found = port.correlated(as_of=body.as_of)
    _record(request, store, asker, "correlate", "inferences")
    return found


@router.post("/rebuild")
def rebuild(request: Request, asker: Admin, store: StoreDep, port: Port) -> dict[str, Any]:
    """Delete every inference and infer again: equal facts give the same digest."""
    found = port.rebuilt()
    _record(request, store, asker, "rebuild", "inferences")
    return found


@router.post("/sync")
def sync(
    request: Request, asker: Admin, store: StoreDep, port: Port, body: WhichRepository = WhichRepository()
) -> dict[str, Any]:
    """Fetch new commits, notes and tags."""
    rows = port.sync(body.repository)
    _record(request, store, asker, "sync", body.repository or "all repositories")
    return {"repositories": rows}


@router.post("/report")
def report(request: Request, asker: Admin, store: StoreDep, port: Port, body: Week) -> dict[str, Any]:
    """The incident attribution report of one week, as a JSON document."""
    document = port.report(body.week, publish=body.publish)
    _record(request, store, asker, "report", body.week)
    return document


@router.get("/repositories")
def list_repositories(_: Admin, port: Port) -> dict[str, Any]:
    """The repositories, with counts of commits and changes."""
    return {"repositories": port.list_repositories()}


@router.post("/repositories", status_code=HTTPStatus.CREATED)
def add_repository(
    request: Request, asker: Admin, store: StoreDep, port: Port, body: RepositoryStatement
) -> dict[str, Any]:
    """State a repository. Its history comes with the next sync."""
    row = port.add_repository(
        body.repository,
        body.source,
        url=body.url,
        assume_unmarked=body.assume_unmarked,
        assume_unmarked_from=body.assume_unmarked_from,
    )
    _record(request, store, asker, "repository.add", body.repository)
    return row


@router.delete("/repositories", status_code=HTTPStatus.NO_CONTENT)
def remove_repository(
    request: Request,
    asker: Admin,
    store: StoreDep,
    port: Port,
    repository: Annotated[str, Query(min_length=1)],
) -> None:
    """Forget a repository and its mirror."""
    port.remove_repository(repository)
    _record(request, store, asker, "repository.remove", repository)


@router.post("/service-mappings", status_code=HTTPStatus.CREATED)
def map_service(
    request: Request, asker: Admin, store: StoreDep, port: Port, body: ServiceMapping
) -> dict[str, Any]:
    """State where a service's code lives."""
    row = port.map_service(body.service, body.repository, body.path)
    _record(request, store, asker, "service.map", f"{body.service} -> {body.repository}/{body.path}")
    return row


def _record(request: Request, store: Store, asker: auth.Identity, action: str, target: str) -> None:
    with store.write_lock:
        auth.record(
            store,
            actor=asker.token_id,
            action=action,
            target=target,
            now=datetime.now(UTC),
            request_id=request.state.request_id,
        )
