"""What every answer of the REST port gets, pages included: a request id, security headers, a bound on the body.

Plain ASGI, so that streaming and exceptions pass as they are. Sources: OWASP secure headers; RFC 9110 section 15.5.14.
"""

import re
import uuid
from collections.abc import Mapping
from http import HTTPStatus

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems

REQUEST_ID = "X-Request-ID"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

# Everything from our own origin, no inline script or style, no frame around us: a title or a message that came
# with somebody's telemetry can at worst be shown.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # Answers depend on who asks; a browser may keep one if it asks each time whether it still holds.
    "Cache-Control": "private, no-cache",
}


class Envelope:
    """Adds the request id and the headers, and turns what nobody caught into a problem."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        stated = Headers(scope=scope).get(REQUEST_ID, "")
        request_id = stated if _REQUEST_ID.fullmatch(stated) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        has_started = False

        async def sending(message: Message) -> None:
            nonlocal has_started
            if message["type"] == "http.response.start":
                has_started = True
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID] = request_id
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.add_vary_header("Accept, Authorization, Cookie")
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception as error:
            structlog.get_logger(__name__).error(
                "unexpected error", path=scope["path"], request_id=request_id, exc_info=error
            )
            if has_started:
                raise
            response = problems.respond(
                Request(scope),
                HTTPStatus.INTERNAL_SERVER_ERROR,
                "an unexpected error occurred",
                kind="internal-error",
                hint="look for this request id in the server's log",
            )
            await response(scope, receive, sending)


class BodyLimit:
    """Refuses a body beyond ``bytes_max``: by its Content-Length before reading, else as soon as it is exceeded.

    ``by_path``: paths whose bodies have a bound of their own.
    """

    def __init__(self, app: ASGIApp, *, bytes_max: int, by_path: Mapping[str, int] | None = None) -> None:
        self._app = app
        self._bytes_max = bytes_max
        self._by_path = by_path or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        bytes_max = self._by_path.get(scope["path"], self._bytes_max)
        detail = f"a request body here has at most {bytes_max} bytes"
        stated = Headers(scope=scope).get("content-length", "")
        if stated.isdigit() and int(stated) > bytes_max:
            response = problems.respond(
                Request(scope),
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                detail,
                # The body is not read: the connection cannot be used for another request.
                headers={"Connection": "close"},
            )
            await response(scope, receive, send)
            return
        received = 0

        async def receiving() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > bytes_max:
                raise problems.refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
            return message

        await self._app(scope, receiving, send)
