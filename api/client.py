"""How a command reaches the running server of a data folder: over loopback REST, with the folder's admin token.

Over TLS it trusts the one certificate that the server wrote into its ``server.json``, whatever its name and whoever
signed it. Standard library only: most commands are one request, and a start-up of seconds for it would be felt.
"""

import hashlib
import hmac
import http.client
import json
import secrets
import ssl
import urllib.parse
from pathlib import Path
from typing import Any

from api import folder
from api.folder import Server
from schemas.errors import AftermergeError, MalformedInput, Overloaded, SourceUnavailable, StoreError
from schemas.settings import Settings

TIMEOUT_S = 1800.0
"""A report or a correlation of a large installation takes minutes."""
GREETING_S = 5.0

# As api/problems.py maps the kinds to statuses, read backwards.
_KINDS: dict[int, type[AftermergeError]] = {502: SourceUnavailable, 503: StoreError}


class Client:
    """Speaks to the running server; no proxy setting ever sees the token."""

    def __init__(self, server: Server, token: str) -> None:
        self.api_url = server.api_url
        self._server = server
        self._token = token

    def call(self, method: str, path: str, body: object = None, **parameters: Any) -> Any:
        """The JSON answer of one request; None when there is no content.

        Raises:
            MalformedInput: the server refused the request; its problem is the message.
            SourceUnavailable: a git remote did not answer the server.
            StoreError: the server failed or went away.
        """
        query = urllib.parse.urlencode({k: v for k, v in parameters.items() if v is not None})
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        content = None
        if body is not None:
            content = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        try:
            target = f"{path}?{query}" if query else path
            status, _, answer = _request(self._server, method, target, headers, content, TIMEOUT_S)
        except (OSError, http.client.HTTPException) as error:
            raise StoreError(
                f"the server at {self.api_url} did not answer: {error or type(error).__name__}",
                hint="see its log",
            ) from error
        if 200 <= status < 300:
            return json.loads(answer) if answer else None
        raise _refusal(status, answer)


def running(settings: Settings) -> Client | None:
    """A client of the server on this data folder; None when none runs, whatever ``server.json`` says.

    Raises:
        StoreError: a server runs, but its token cannot be read.
    """
    server = folder.stated(settings.data)
    if server is None or not _is_itself(server):
        return None
    try:
        token = Path(server.token_path).read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise StoreError(
            f"a server runs on {settings.data}, but {server.token_path} cannot be read",
            hint="put an admin token there, or run the command as the user who started the server",
        ) from error
    return Client(server, token)


def _is_itself(server: Server) -> bool:
    """Does the process that wrote ``server.json`` answer there, and not another that got its port?"""
    challenge = secrets.token_urlsafe(32)
    try:
        headers = {folder.CHALLENGE_HEADER: challenge}
        status, answered, _ = _request(server, "GET", "/healthz", headers, None, GREETING_S)
    except (OSError, http.client.HTTPException, ValueError):
        return False
    proof = answered.get(folder.PROOF_HEADER.lower(), "")
    return status == http.client.OK and hmac.compare_digest(proof.encode(), server.prove(challenge).encode())


def _request(
    server: Server, method: str, target: str, headers: dict[str, str], body: bytes | None, timeout_s: float
) -> tuple[int, dict[str, str], bytes]:
    """(status, headers with lower-case names, body) of one request on a connection of its own."""
    connection = _connection(server, timeout_s)
    try:
        connection.request(method, target, body, headers)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def _connection(server: Server, timeout_s: float) -> http.client.HTTPConnection:
    """Connected, and over TLS sure of whom to, before anything is sent."""
    address = urllib.parse.urlsplit(server.api_url)
    assert address.hostname is not None
    if address.scheme != "https":
        return http.client.HTTPConnection(address.hostname, address.port, timeout=timeout_s)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Its names are those that senders use, not 127.0.0.1; the fingerprint below says more than any name.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection(
        address.hostname, address.port, timeout=timeout_s, context=context
    )
    connection.connect()
    assert isinstance(connection.sock, ssl.SSLSocket)
    shown = hashlib.sha256(connection.sock.getpeercert(binary_form=True) or b"").hexdigest()
    if not hmac.compare_digest(shown, server.certificate_sha256):
        connection.close()
        raise ssl.SSLCertVerificationError("the listener has another certificate than the server")
    return connection


def _refusal(status: int, answer: bytes) -> AftermergeError:
    try:
        problem = json.loads(answer)
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    message = problem.get("detail") or problem.get("title") or f"the server answered {status}"
    hint = problem.get("hint") or ""
    if status == http.client.UNAUTHORIZED:
        hint = "the admin token in the data folder was revoked: write one that is valid into its file"
    if problem.get("type") == "urn:aftermerge:problem:overloaded":
        return Overloaded(message, hint=hint or "try again later")
    kind = _KINDS.get(status, MalformedInput if status < 500 else StoreError)
    if kind is StoreError and not hint:
        hint = f"see the server's log, request {problem.get('request_id', 'unknown')}"
    return kind(message, hint=hint)
