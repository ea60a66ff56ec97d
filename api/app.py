"""The application on the REST port: routes, auth, problems, headers. Builds; starts nothing and knows no socket."""

from collections.abc import Callable, Sequence
from typing import Any

from fastapi import APIRouter, FastAPI

from api import auth, middleware, problems
from api.metric_cache import DataCache
from api.routes import (
    backtest,
    changes,
    code,
    failures,
    health,
    incidents,
    intake,
    metrics,
    operations,
    provenance,
    schemas_,
    status,
    tokens,
)
from schemas.settings import Settings
from schemas.store import Store

VERSION = "1"

ROUTERS: tuple[APIRouter, ...] = (
    changes.router,
    incidents.router,
    failures.router,
    backtest.router,
    code.router,
    metrics.router,
    provenance.router,
    intake.router,
    operations.router,
    status.router,
    tokens.router,
    schemas_.router,
    health.router,
)


def build(
    store: Store,
    settings: Settings,
    *,
    intake: intake.IntakeDoor,
    login: auth.Login,
    operations: operations.Operations | None = None,
    pages_router: APIRouter | Sequence[APIRouter] | None = None,
    is_ready: Callable[[], bool] = lambda: True,
    prove: Callable[[str], str] | None = None,
    metrics_text: Callable[[], bytes] | None = None,
    status_of: Callable[[], dict[str, Any]] | None = None,
    metric_cache: DataCache | None = None,
) -> FastAPI:
    """The FastAPI application over ``store``.

    Args:
        store: open; its lifetime is the caller's.
        settings: ``intake_bytes_max`` bounds every request body here but ``source_map_bytes_max`` that of a source map.
        intake: the collector's door.
        login: codes and sessions of browsers; shared with whoever prints the first link.
        operations: what ``/v1/operations`` does, and how to answer as of the past; None: 501, and ``as_of``
            then only leaves out what came later.
        pages_router: HTML pages, each guarded by ``auth.requires`` like every route.
        is_ready: False while starting or draining.
        prove: answers the challenge by which a command makes sure who listens (``api/folder.py``).
        metrics_text: the body of ``/metrics``.
        status_of: the answer of ``/v1/operations/status``.
        metric_cache: shared with the pages; None: one of its own.
    """
    app = FastAPI(
        title="Aftermerge",
        version=VERSION,
        summary="What changes did after they were merged.",
        openapi_url="/v1/openapi.json",
        # FastAPI's own documentation pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.store = store
    app.state.settings = settings
    app.state.intake = intake
    app.state.login = login
    app.state.operations = operations
    app.state.is_ready = is_ready
    app.state.prove = prove
    app.state.metrics_text = metrics_text
    app.state.status = status_of
    app.state.metric_cache = metric_cache or DataCache()
    problems.install(app)
    app.add_middleware(
        middleware.BodyLimit,
        bytes_max=settings.intake_bytes_max,
        by_path={code.SOURCE_MAPS: settings.source_map_bytes_max},
    )
    app.add_middleware(middleware.Envelope)
    pages = [pages_router] if isinstance(pages_router, APIRouter) else pages_router or ()
    for router in (*ROUTERS, *pages):
        app.include_router(router)
    _describe_intake(app)
    return app


def _describe_intake(app: FastAPI) -> None:
    """Add the intake bodies, which FastAPI does not see because their routes read raw bytes."""
    plain = app.openapi

    def described() -> dict[str, Any]:
        document = plain()
        document["components"]["schemas"].update(intake.components())
        return document

    app.openapi = described  # type: ignore[method-assign]
