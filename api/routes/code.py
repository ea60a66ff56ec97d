"""``/v1/code``: where a stack's files lie in a repository. Mappings by hand, source maps of builds, and why a frame maps."""

import hashlib
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

import zstandard
from fastapi import APIRouter, Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from api import auth, problems
from api.problems import UnknownName
from api.routes.operations import Port
from api.routes.parts import Admin, Reader, SettingsDep, StoreDep
from correlator.mappings import normalise
from correlator.source_maps import SourceMap
from schemas import tables
from schemas.errors import MalformedInput
from schemas.store import Row, Store, sql
from schemas.vocabulary import SERVICE_NAME, SERVICE_VERSION, TokenScope

SOURCE_MAPS = "/v1/code/source-maps"

router = APIRouter(prefix="/v1/code", tags=["code"], responses=problems.RESPONSES | problems.described(501))

Service = Annotated[str, Query(min_length=1, max_length=300, description=SERVICE_NAME)]
Version = Annotated[
    str, Query(min_length=1, max_length=300, description=f"{SERVICE_VERSION} of the build, or its revision")
]
File = Annotated[
    str,
    Query(
        min_length=1, max_length=1000, description="the generated file, as stacks name it or the end of it"
    ),
]
Sender = Annotated[auth.Identity, Depends(auth.requires(TokenScope.INTAKE))]


class CodeMapping(BaseModel):
    """What the files of a service's frames stand for."""

    model_config = ConfigDict(extra="forbid")

    service: str = Field(min_length=1, max_length=300)
    prefix: str = Field(max_length=1000, description="what the file of a frame begins with; '' for any")
    path: str = Field(default="", max_length=1000, description="what stands there in the repository")


class FrameQuestion(BaseModel):
    """One frame of a service's stacks."""

    model_config = ConfigDict(extra="forbid")

    service: str = Field(min_length=1, max_length=300)
    file: str | None = Field(default=None, max_length=4096)
    function: str | None = Field(default=None, max_length=4096)
    module: str | None = Field(default=None, max_length=1000)
    line: int | None = Field(default=None, ge=0, le=1_000_000_000)
    column: int | None = Field(default=None, ge=0, le=1_000_000_000)
    revision: str | None = Field(default=None, max_length=300, description="default: what runs now")
    version: str | None = Field(default=None, max_length=300, description="of the build, for source maps")


@router.get("/mappings")
def list_mappings(store: StoreDep, _: Reader) -> dict[str, Any]:
    """The mappings that were stated."""
    return {"items": store.rows(sql("api", "code_mappings"))}


@router.put("/mappings")
def state_mapping(request: Request, store: StoreDep, asker: Admin, stated: CodeMapping) -> dict[str, Any]:
    """State a mapping; it wins over what would be derived, from the next correlation on."""
    row = {"service": stated.service, "prefix": stated.prefix, "path": stated.path.strip("/")}
    row["stated_at"] = datetime.now(UTC)  # type: ignore[assignment]
    with store.write_lock, store.transaction():
        store.append_rows(tables.CODE_MAPPINGS, [row], replace=True)
        _record(
            request, store, asker, "code_mapping.put", f"{stated.service} {stated.prefix} -> {stated.path}"
        )
    return row


@router.delete("/mappings", status_code=HTTPStatus.NO_CONTENT)
def remove_mapping(
    request: Request,
    store: StoreDep,
    asker: Admin,
    service: Service,
    prefix: Annotated[str, Query(max_length=1000)],
) -> None:
    """Take a mapping back."""
    asked = {"service": service, "prefix": prefix}
    with store.write_lock, store.transaction():
        known = store.row(
            "SELECT 1 AS found FROM code_mappings WHERE service = $service AND prefix = $prefix", **asked
        )
        if known is None:
            raise UnknownName(f"{service} has no mapping of {prefix!r}")
        store.execute("DELETE FROM code_mappings WHERE service = $service AND prefix = $prefix", **asked)
        _record(request, store, asker, "code_mapping.delete", f"{service} {prefix}")


@router.get("/source-maps")
def list_source_maps(store: StoreDep, _: Reader, service: Service) -> dict[str, Any]:
    """The maps that were uploaded for a service, newest first, without their content."""
    return {"items": store.rows(sql("api", "source_maps"), service=service)}


@router.post("/source-maps", status_code=HTTPStatus.CREATED)
async def upload_source_map(
    request: Request,
    store: StoreDep,
    settings: SettingsDep,
    sender: Sender,
    service: Service,
    version: Version,
    file: File,
) -> dict[str, Any]:
    """Upload one source map (its JSON is the body); frames of that build are resolved from the next correlation on."""
    body = await request.body()
    if len(body) > settings.source_map_bytes_max:
        raise MalformedInput(
            f"the map has {len(body)} bytes, more than {settings.source_map_bytes_max}",
            hint="leave its sourcesContent out; setting source_map_bytes_max",
        )
    row = {"service": service, "version": version, "file": normalise(file).lstrip("/")}
    return await run_in_threadpool(_store_map, request, store, sender, row, body)


def _store_map(
    request: Request, store: Store, sender: auth.Identity, row: Row, body: bytes
) -> dict[str, Any]:
    """Keep a map that can be read. A second upload for the same file replaces the first.

    Raises:
        MalformedInput: ``body`` is no source map.
    """
    SourceMap(body)
    told = {"content_sha256": hashlib.sha256(body).hexdigest(), "byte_count": len(body)}
    kept = row | told | {"received_at": datetime.now(UTC)}
    with store.write_lock, store.transaction():
        content = {"content": zstandard.compress(body)}
        store.append_rows(tables.SOURCE_MAPS, [kept | content], replace=True)
        _record(request, store, sender, "source_map.post", f"{row['service']} {row['version']} {row['file']}")
    return kept


@router.post("/frame")
def explain_frame(_: Reader, port: Port, asked: FrameQuestion) -> dict[str, Any]:
    """The path, the line and the commit that a frame stands for, and by which rule; else why none."""
    return port.explain_frame(asked.model_dump(exclude_none=True))


def _record(request: Request, store: Store, asker: auth.Identity, action: str, target: str) -> None:
    auth.record(
        store,
        actor=asker.token_id,
        action=action,
        target=target,
        now=datetime.now(UTC),
        request_id=request.state.request_id,
    )
