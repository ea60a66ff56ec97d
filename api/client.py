"""How a command reaches an installation: the running server over loopback REST, or the store when none runs."""

import json
from pathlib import Path
from typing import Any

import httpx

from api.auth import ADMIN_TOKEN_FILE
from api.serve import SERVER_FILE
from schemas.errors import AftermergeError, MalformedInput, StoreError
from schemas.settings import Settings

TIMEOUT_S = 1800.0


class Client:
    """Speaks to the running server with the data folder's admin token."""

    def __init__(self, api_url: str, token: str) -> None:
        self.api_url = api_url
        # trust_env off: a proxy setting must never see the token of a loopback server.
        self._http = httpx.Client(
            base_url=api_url, headers={"Authorization": f"Bearer {token}"}, timeout=TIMEOUT_S, trust_env=False
        )

    def call(self, method: str, path: str, body: object = None, **parameters: Any) -> Any:
        """The JSON answer of one request.

        Raises:
            MalformedInput: the server refused the request; its problem is the message.
            StoreError: the server failed or went away.
        """
        query = {key: value for key, value in parameters.items() if value is not None}
        try:
            response = self._http.request(method, path, json=body, params=query)
        except httpx.HTTPError as error:
            raise StoreError(
                f"the server at {self.api_url} did not answer: {error}", hint="see its log"
            ) from error
        if response.is_success:
            return response.json() if response.content else None
        problem = _problem(response)
        kind = MalformedInput if response.status_code < 500 else StoreError
        raise kind(
            problem.get("detail") or problem.get("title") or response.text, hint=problem.get("hint", "")
        )


def _problem(response: httpx.Response) -> dict[str, Any]:
    try:
        found = response.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def running(settings: Settings) -> Client | None:
    """A client of the server on this data folder, or None when none runs.

    Raises:
        AftermergeError: a server runs, but its token cannot be read.
    """
    path = settings.data / SERVER_FILE
    if not path.exists():
        return None
    ports = json.loads(path.read_text(encoding="utf-8"))
    try:
        httpx.get(f"{ports['api_url']}/healthz", timeout=5.0, trust_env=False).raise_for_status()
    except httpx.HTTPError:
        return None
    token_path = settings.data / ADMIN_TOKEN_FILE
    try:
        token = Path(token_path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise AftermergeError(
            f"a server runs on {settings.data}, but {token_path} cannot be read",
            hint="put an admin token there, or run the command as the user who started the server",
        ) from error
    return Client(ports["api_url"], token)
