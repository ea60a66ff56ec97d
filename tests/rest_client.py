"""The REST port over an in-memory store, asked through httpx as a client would ask it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from api import app, auth
from collector.intake.door import Door
from schemas.settings import Settings
from schemas.store import Store
from schemas.vocabulary import TokenScope


@dataclass(frozen=True)
class Rest:
    """A server without a socket. ``client`` sends no token; ``get`` and the others send one of their scope."""

    client: TestClient
    store: Store
    login: auth.Login
    tokens: dict[TokenScope, str]

    def headers(self, scope: TokenScope) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[scope]}"}

    def get(self, path: str, scope: TokenScope = TokenScope.READ, **given: Any) -> Any:
        return self.client.get(path, headers=self.headers(scope) | given.pop("headers", {}), **given)

    def post(self, path: str, scope: TokenScope = TokenScope.INTAKE, **given: Any) -> Any:
        return self.client.post(path, headers=self.headers(scope) | given.pop("headers", {}), **given)


def rest(
    store: Store,
    *,
    operations: Any = None,
    is_ready: Callable[[], bool] = lambda: True,
    data: Path = Path("nowhere"),
    **settings: Any,
) -> Rest:
    """A :class:`Rest` over ``store`` with one token per scope."""
    now = datetime.now(UTC)
    tokens = {
        scope: auth.create(store, name=str(scope), scope=scope, now=now, actor=auth.LOCAL).token
        for scope in TokenScope
    }
    stated = Settings(data=data, **settings)
    login = auth.Login()
    built = app.build(
        store, stated, intake=Door(store, stated), login=login, operations=operations, is_ready=is_ready
    )
    return Rest(TestClient(built, follow_redirects=False), store, login, tokens)
