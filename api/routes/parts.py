"""The parts of the application that routes ask for, as FastAPI dependencies; the composition root puts them there."""

from typing import Annotated

from fastapi import Depends, Query, Request

from api import paging
from api.auth import Identity, Login, requires
from schemas.settings import Settings
from schemas.store import Store
from schemas.vocabulary import TokenScope


def _store(request: Request) -> Store:
    found: Store = request.app.state.store
    return found


def _settings(request: Request) -> Settings:
    found: Settings = request.app.state.settings
    return found


def _login(request: Request) -> Login:
    found: Login = request.app.state.login
    return found


StoreDep = Annotated[Store, Depends(_store)]
SettingsDep = Annotated[Settings, Depends(_settings)]
LoginDep = Annotated[Login, Depends(_login)]
Reader = Annotated[Identity, Depends(requires(TokenScope.READ))]
Admin = Annotated[Identity, Depends(requires(TokenScope.ADMIN))]

Cursor = Annotated[str | None, Query(max_length=1024, description="next_cursor of the page before")]
Limit = Annotated[int, Query(ge=1, le=paging.LIMIT_MAX, description="rows at most")]
