"""``/metrics`` and ``/v1/operations/status``: what the server counts of itself, for Prometheus and for a person."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api import problems
from api.routes.parts import Reader

T = TypeVar("T")

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Prometheus text exposition format."""

router = APIRouter(tags=["operations"], responses=problems.RESPONSES | problems.described(501))


@router.get("/metrics", response_class=Response, responses={200: {"content": {MEDIA_TYPE: {}}}})
def metrics_text(request: Request, _: Reader) -> Response:
    """Counters, gauges and histograms of this process in the Prometheus text format."""
    return Response(_injected(request.app.state.metrics_text)(), media_type=MEDIA_TYPE)


@router.get("/v1/operations/status")
def status(request: Request, _: Reader) -> dict[str, Any]:
    """Telemetry received, stored, rejected, refused and altered; backlog; last correlation; repositories; jobs."""
    found: dict[str, Any] = _injected(request.app.state.status)()
    return found


def _injected(found: Callable[[], T] | None) -> Callable[[], T]:
    if found is None:
        raise problems.refusal(HTTPStatus.NOT_IMPLEMENTED, "this server counts nothing of itself")
    return found
