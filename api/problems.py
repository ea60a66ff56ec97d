"""RFC 9457 problems: every refusal of the REST port has one form, and every error kind one status, in one table."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException

from schemas.errors import AftermergeError, MalformedInput, Overloaded, SourceUnavailable, StoreError
from schemas.responses import Problem

MEDIA_TYPE = "application/problem+json"


class NotUnique(MalformedInput):
    """A short sha or an external id that names more than one thing."""


class BadCursor(MalformedInput):
    """A cursor that this list never gave out."""


class UnknownName(MalformedInput):
    """A path that names nothing we know."""


class NotModified(Exception):
    """The client has this answer already."""

    def __init__(self, etag: str) -> None:
        super().__init__(etag)
        self.etag = etag


# Error kind -> status and URN of the problem; the first that fits counts, so kinds stand before their base.
STATUSES: tuple[tuple[type[AftermergeError], HTTPStatus, str], ...] = (
    (NotUnique, HTTPStatus.CONFLICT, "not-unique"),
    (BadCursor, HTTPStatus.BAD_REQUEST, "bad-cursor"),
    (UnknownName, HTTPStatus.NOT_FOUND, "not-found"),
    (MalformedInput, HTTPStatus.UNPROCESSABLE_ENTITY, "malformed-input"),
    (Overloaded, HTTPStatus.SERVICE_UNAVAILABLE, "overloaded"),
    (SourceUnavailable, HTTPStatus.BAD_GATEWAY, "source-unavailable"),
    # 503, not 500: senders retry it, and what they send is safe with them until the operator has acted.
    (StoreError, HTTPStatus.SERVICE_UNAVAILABLE, "store-error"),
    (AftermergeError, HTTPStatus.INTERNAL_SERVER_ERROR, "internal-error"),
)


def described(*codes: int) -> dict[int | str, dict[str, Any]]:
    """FastAPI ``responses`` that tell the form of the refusals ``codes``."""
    return {
        code: {"model": Problem, "content": {MEDIA_TYPE: {}}, "description": HTTPStatus(code).phrase}
        for code in codes
    }


# Declared for every route, so that the OpenAPI document tells the form of a refusal.
RESPONSES = described(400, 401, 403, 404, 409, 413, 422, 503)


def refusal(status: HTTPStatus, detail: str, *, headers: Mapping[str, str] | None = None) -> HTTPException:
    """An exception that answers ``status`` with ``detail``."""
    return HTTPException(status, detail, headers=dict(headers) if headers else None)


def respond(
    request: Request,
    status: int,
    detail: str,
    *,
    kind: str | None = None,
    headers: Mapping[str, str] | None = None,
    hint: str | None = None,
    **members: Any,
) -> Response:
    """The problem as a response; ``members`` are extension members (RFC 9457 section 3.2)."""
    problem = Problem(
        type=f"urn:aftermerge:problem:{kind}" if kind else "about:blank",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        instance=request.url.path,
        request_id=getattr(request.state, "request_id", ""),
        hint=hint or None,
        **members,
    )
    content = problem.model_dump(mode="json", exclude_none=True)
    return JSONResponse(content, status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answer every refusal of ``app`` in this form; bugs are the envelope's (``api/middleware.py``)."""
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(AftermergeError, _on_ours)
    app.add_exception_handler(NotModified, _on_not_modified)


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.UNAUTHORIZED and _is_page(request):
        return HTMLResponse(_LOGGED_OUT, error.status_code, headers=error.headers)
    return respond(request, error.status_code, str(error.detail), headers=error.headers)


async def _on_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # The input is left out: it may hold what the sender would not want to see in a log.
    faults = [
        {"field": ".".join(str(part) for part in fault["loc"]), "detail": fault["msg"]}
        for fault in error.errors()
    ]
    first = faults[0] if faults else {"field": "request", "detail": "is not valid"}
    detail = f"{first['field']}: {first['detail']}"
    return respond(request, HTTPStatus.UNPROCESSABLE_ENTITY, detail, kind="malformed-input", errors=faults)


async def _on_ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, AftermergeError)
    status, kind = next((s, k) for type_, s, k in STATUSES if isinstance(error, type_))
    headers = {"Retry-After": str(error.retry_after_s)} if isinstance(error, Overloaded) else None
    reserved = {
        "type",
        "title",
        "status",
        "detail",
        "instance",
        "request_id",
        "hint",
        "request",
        "kind",
        "headers",
    }
    members = {name: value for name, value in error.facts.items() if name not in reserved}
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        structlog.get_logger(__name__).error("request failed", path=request.url.path, error=str(error))
        # Paths and driver texts are for the operator's log, not for whoever asks.
        members = {}
    return respond(request, status, str(error), kind=kind, headers=headers, hint=error.hint, **members)


async def _on_not_modified(request: Request, error: Exception) -> Response:  # noqa: ARG001
    assert isinstance(error, NotModified)
    return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={"ETag": error.etag})


def _is_page(request: Request) -> bool:
    return not request.url.path.startswith("/v1") and "text/html" in request.headers.get("accept", "")


_LOGGED_OUT = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Aftermerge: log in</title></head>
<body><main><h1>You are not logged in</h1>
<p>Open a one-time login link: the server prints one when it starts, and <code>aftermerge token login</code> makes another.</p>
</main></body></html>
"""
