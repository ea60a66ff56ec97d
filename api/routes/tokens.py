"""``/v1/tokens`` and the browser's way in: one-time link, session cookie, log-out."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from api import auth, problems
from api.routes.parts import Admin, LoginDep, SettingsDep, StoreDep
from schemas.errors import MalformedInput
from schemas.responses import LoginLink, NewToken, Token, TokenList, TokenRequest

router = APIRouter(tags=["tokens"], responses=problems.RESPONSES)


@router.get("/v1/tokens", response_model=TokenList)
def list_tokens(store: StoreDep, _: Admin) -> Any:
    """Every token, without secrets, oldest first."""
    return {"items": auth.listing(store)}


@router.post("/v1/tokens", response_model=NewToken, status_code=HTTPStatus.CREATED)
def create_token(store: StoreDep, asker: Admin, wanted: TokenRequest) -> Any:
    """A new token. Its text is shown this once."""
    now = datetime.now(UTC)
    if wanted.expires_at is not None and (wanted.expires_at.tzinfo is None or wanted.expires_at <= now):
        raise MalformedInput("expires_at must lie in the future and name its time zone", field="expires_at")
    return auth.create(
        store,
        name=wanted.name,
        scope=wanted.scope,
        now=now,
        actor=asker.token_id,
        expires_at=wanted.expires_at,
    )


@router.post("/v1/tokens/{token_id}/rotate", response_model=NewToken, status_code=HTTPStatus.CREATED)
def rotate_token(store: StoreDep, settings: SettingsDep, asker: Admin, token_id: str) -> Any:
    """A new token in place of an old one, which ends at once."""
    return auth.rotate(
        store, token_id, now=datetime.now(UTC), actor=asker.token_id, data_folder=settings.data
    )


@router.delete("/v1/tokens/{token_id}", response_model=Token)
def revoke_token(store: StoreDep, asker: Admin, token_id: str) -> Any:
    """End a token at once, and the browser sessions that it opened."""
    return auth.revoke(store, token_id, now=datetime.now(UTC), actor=asker.token_id)


@router.post("/v1/operations/login-link", response_model=LoginLink)
def make_login_link(login: LoginDep, asker: Admin) -> Any:
    """A link that logs one browser in, once, within ten minutes."""
    now = datetime.now(UTC)
    return {
        "path": login.link(asker.token_id, now=now),
        "expires_at": now + timedelta(minutes=auth.CODE_MINUTES),
    }


@router.get("/login", include_in_schema=False)
def log_in(request: Request, login: LoginDep, code: Annotated[str, Query(max_length=200)] = "") -> Response:
    """Spend a login code for a session cookie and go to the dashboard."""
    session = login.redeem(code, now=datetime.now(UTC)) if code else None
    if session is None:
        raise problems.refusal(
            HTTPStatus.UNAUTHORIZED,
            "this login link is spent or too old; make another: aftermerge token login",
        )
    response = RedirectResponse("/", HTTPStatus.SEE_OTHER)
    response.set_cookie(
        auth.COOKIE,
        session,
        max_age=auth.SESSION_HOURS * 3600,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
        path="/",
    )
    return response


@router.post("/logout", include_in_schema=False)
def log_out(request: Request, login: LoginDep) -> Response:
    """End the session of this browser."""
    login.close(request.cookies.get(auth.COOKIE, ""))
    response = Response(status_code=HTTPStatus.NO_CONTENT)
    response.delete_cookie(auth.COOKIE, path="/", httponly=True, samesite="strict")
    return response
