"""Who may ask: opaque bearer tokens and, for browsers, a cookie that a one-time link buys.

A token is ``am_<token_id>_<43 url-safe characters>``: 32 random bytes, so one SHA-256 is enough to store it safely.
The ledger holds the hash, never the token. Login codes and sessions live in memory and end with the process.
"""

import hashlib
import hmac
import os
import re
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api import problems
from schemas import store as stores
from schemas import tables
from schemas.responses import NewToken, Token
from schemas.store import Row, Store
from schemas.vocabulary import TokenScope

ADMIN_TOKEN_FILE = "admin.token"  # noqa: S105 - a file name
FIRST_NAME = "first admin"
COOKIE = "aftermerge_session"
CODE_MINUTES = 10
SESSION_HOURS = 12
CODES_MAX = 100
SESSIONS_MAX = 1000
LOCAL = "local"
REMEMBERED = timedelta(seconds=60)
"""How long a token that was found good is not looked up again. A lookup takes 2.5 ms, a quarter of a core at 100
requests a second. One process writes the ledger, so that a revocation is heeded at once."""
REMEMBERED_MAX = 1000

_TOKEN = re.compile(r"am_([0-9a-f]{8})_([A-Za-z0-9_-]{43})")
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="aftermerge"'}
# For the OpenAPI document only: it does not refuse by itself, :func:`identify` reads the header.
_BEARER = HTTPBearer(auto_error=False, description="am_<token id>_<secret>")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_remembered: WeakKeyDictionary[Store, dict[str, "_Remembered"]] = WeakKeyDictionary()
"""By store and hash of the token; emptied when the store's ledger changes."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks. ``via`` is ``bearer`` or ``cookie``."""

    token_id: str
    scope: TokenScope
    via: str = "bearer"

    def may(self, scope: TokenScope) -> bool:
        """True when this scope is, or includes, ``scope``."""
        return self.scope in (TokenScope.ADMIN, scope)


@dataclass(frozen=True, slots=True)
class _Remembered:
    identity: Identity
    since: datetime
    until: datetime


# --- tokens -----------------------------------------------------------------------------------------


def create(
    store: Store,
    *,
    name: str,
    scope: TokenScope,
    now: datetime,
    actor: str,
    expires_at: datetime | None = None,
) -> NewToken:
    """A new token; its text is in the result and nowhere else. ``actor``: token id of who asked, or ``local``."""
    token_id, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
    row = {
        "token_id": token_id,
        "name": name,
        "scope": scope.value,
        "secret_sha256": _digest(secret),
        "created_at": now,
        "expires_at": expires_at,
        "revoked_at": None,
        "last_used_at": None,
    }
    with store.write_lock, store.transaction():
        store.append_rows(tables.TOKENS, [row])
        record(store, actor=actor, action="token.create", target=token_id, now=now)
    return NewToken(**_public(row), token=f"am_{token_id}_{secret}")


def listing(store: Store) -> list[Token]:
    """Every token, oldest first."""
    return [Token(**_public(row)) for row in store.rows(stores.sql("api", "tokens"), token_id=None)]


def revoke(store: Store, token_id: str, *, now: datetime, actor: str) -> Token:
    """End a token at once; a token that has ended already stays as it is.

    Raises:
        UnknownName: there is no such token.
    """
    with store.write_lock, store.transaction():
        row = _stored(store, token_id)
        if row["revoked_at"] is None:
            row = row | {"revoked_at": now}
            store.append_rows(tables.TOKENS, [row], replace=True)
            record(store, actor=actor, action="token.revoke", target=token_id, now=now)
    _remembered.pop(store, None)
    return Token(**_public(row))


def rotate(
    store: Store, token_id: str, *, now: datetime, actor: str, data_folder: Path | None = None
) -> NewToken:
    """A new token of the same name, scope and expiry; the old one ends at once.

    The token file of ``data_folder`` is rewritten when it holds the old token, so that the command line goes on.

    Raises:
        UnknownName: there is no such token.
    """
    with store.write_lock, store.transaction():
        old = _stored(store, token_id)
        fresh = create(
            store,
            name=old["name"],
            scope=TokenScope(old["scope"]),
            now=now,
            actor=actor,
            expires_at=old["expires_at"],
        )
        revoke(store, token_id, now=now, actor=actor)
    if data_folder is not None and (path := data_folder / ADMIN_TOKEN_FILE).exists():
        match = _TOKEN.fullmatch(path.read_text(encoding="ascii", errors="replace").strip())
        if match is not None and match[1] == token_id:
            _write_private(path, fresh.token)
    return fresh


def verify(store: Store, token: str, *, now: datetime) -> Identity | None:
    """Who ``token`` is; None when it is malformed, unknown, revoked or expired."""
    match = _TOKEN.fullmatch(token)
    if match is None:
        return None
    digest = _digest(token)
    known = _remembered.setdefault(store, {})
    held = known.get(digest)
    if held is not None and held.since <= now < held.until:
        return held.identity
    row = store.row(stores.sql("api", "tokens"), token_id=match[1])
    # An unknown id is compared too, so that the time taken does not tell which ids exist.
    expected = row["secret_sha256"] if row else _digest("")
    if not hmac.compare_digest(expected, _digest(match[2])) or row is None or not _is_live(row, now):
        return None
    _touch(store, row, now)
    identity = Identity(row["token_id"], TokenScope(row["scope"]))
    if len(known) >= REMEMBERED_MAX:
        known.clear()
    # A revocation since the lookup has put another table in this one's place, which then knows nothing of this token.
    known[digest] = _Remembered(identity, now, min(now + REMEMBERED, row["expires_at"] or now + REMEMBERED))
    return identity


def has_sender(store: Store, *, now: datetime) -> bool:
    """Is there a living token made for telemetry? The admin token may send too, but is not for handing around."""
    rows = store.rows(stores.sql("api", "tokens"), token_id=None)
    return any(row["scope"] == TokenScope.INGEST and _is_live(row, now) for row in rows)


def first_token(store: Store, data_folder: Path) -> Path:
    """Path of the data folder's admin token, a file of mode 600, made on the first start.

    A file that the operator removed stays away while the ledger holds a living admin token; a file whose token the
    ledger does not know (another store) is made anew.
    """
    path = data_folder / ADMIN_TOKEN_FILE
    now = datetime.now(UTC)
    held = path.read_text(encoding="ascii", errors="replace").strip() if path.exists() else ""
    if held and verify(store, held, now=now) is not None:
        return path
    living = [t for t in store.rows(stores.sql("api", "tokens"), token_id=None) if _is_live(t, now)]
    if any(t["scope"] == TokenScope.ADMIN for t in living):
        return path
    made = create(store, name=FIRST_NAME, scope=TokenScope.ADMIN, now=now, actor=LOCAL)
    data_folder.mkdir(parents=True, exist_ok=True)
    _write_private(path, made.token)
    return path


def record(
    store: Store, *, actor: str, action: str, target: str, now: datetime, request_id: str | None = None
) -> None:
    """One line of the audit ledger; the caller holds the write lock."""
    row = {
        "happened_at": now,
        "token_id": actor,
        "action": action,
        "object": target,
        "request_id": request_id,
    }
    store.append_rows(tables.AUDIT, [row])


# --- browsers ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Pass:
    identity: Identity
    expires_at: datetime


class Login:
    """One-time login codes and the sessions they buy, in memory, as hashes."""

    def __init__(self) -> None:
        self._codes: dict[str, _Pass] = {}
        self._sessions: dict[str, _Pass] = {}
        self._lock = threading.Lock()

    def link(self, token_id: str, *, now: datetime, scope: TokenScope = TokenScope.READ) -> str:
        """``/login?code=...``: good once, within ten minutes, for a session of ``scope`` on behalf of ``token_id``."""
        code = secrets.token_urlsafe(32)
        held = _Pass(Identity(token_id, scope, "cookie"), now + timedelta(minutes=CODE_MINUTES))
        with self._lock:
            _keep(self._codes, _digest(code), held, now, CODES_MAX)
        return f"/login?code={code}"

    def redeem(self, code: str, *, now: datetime) -> str | None:
        """A session secret for ``code``, which is spent by this; None when it is unknown, spent or too old."""
        with self._lock:
            held = self._codes.pop(_digest(code), None)
            if held is None or held.expires_at <= now:
                return None
            session = secrets.token_urlsafe(32)
            opened = _Pass(held.identity, now + timedelta(hours=SESSION_HOURS))
            _keep(self._sessions, _digest(session), opened, now, SESSIONS_MAX)
        return session

    def identity(self, session: str, *, now: datetime) -> Identity | None:
        """Who holds ``session``; None when it is unknown or over."""
        with self._lock:
            held = self._sessions.get(_digest(session))
        return held.identity if held is not None and held.expires_at > now else None

    def close(self, session: str) -> None:
        """Log out."""
        with self._lock:
            self._sessions.pop(_digest(session), None)


# --- dependencies -------------------------------------------------------------------------------------


def identify(request: Request) -> Identity | None:
    """Who sent ``request``, by its bearer token, else by its session cookie; None when neither holds."""
    state, now = request.app.state, datetime.now(UTC)
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if token:
        return verify(state.store, token.strip(), now=now) if kind.lower() == "bearer" else None
    session = request.cookies.get(COOKIE)
    if session is None or not _is_own_page(request):
        return None
    found: Identity | None = state.login.identity(session, now=now)
    if found is None or found.token_id == LOCAL:
        return found
    row = state.store.row(stores.sql("api", "tokens"), token_id=found.token_id)
    return found if row is not None and _is_live(row, now) else None


def requires(scope: TokenScope) -> Callable[[Request], Identity]:
    """A FastAPI dependency: 401 without a valid token, 403 when its scope is not enough, else who asks."""

    def dependency(
        request: Request,
        _documented: HTTPAuthorizationCredentials | None = Depends(_BEARER),
    ) -> Identity:
        found = identify(request)
        if found is None:
            raise problems.refusal(
                HTTPStatus.UNAUTHORIZED, "this needs a valid bearer token", headers=_CHALLENGE
            )
        if not found.may(scope):
            challenge = f'Bearer realm="aftermerge", error="insufficient_scope", scope="{scope}"'
            raise problems.refusal(
                HTTPStatus.FORBIDDEN,
                f"this needs a token of scope {scope}; yours has {found.scope}",
                headers={"WWW-Authenticate": challenge},
            )
        return found

    return dependency


def _is_own_page(request: Request) -> bool:
    """A cookie changes something only on behalf of our own pages (SameSite=Strict does not know ports)."""
    if request.method in _SAFE_METHODS:
        return True
    origin = request.headers.get("origin", "")
    return origin.partition("://")[2] == request.headers.get("host", "")


# --- details ------------------------------------------------------------------------------------------


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _public(row: Row) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "secret_sha256"}


def _is_live(row: Row, now: datetime) -> bool:
    return row["revoked_at"] is None and (row["expires_at"] is None or row["expires_at"] > now)


def _stored(store: Store, token_id: str) -> Row:
    row = store.row(stores.sql("api", "tokens"), token_id=token_id)
    if row is None:
        raise problems.UnknownName(f"there is no token {token_id!r}", hint="aftermerge token list shows them")
    return row


def _touch(store: Store, row: Row, now: datetime) -> None:
    """Remember the hour of use. A writer that is busy is not waited for: the next request will tell."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    if row["last_used_at"] is not None and row["last_used_at"] >= hour:
        return
    if store.write_lock.acquire(blocking=False):
        try:
            # Only this column: the row at hand may be older than a revocation.
            store.execute(stores.sql("api", "token_used"), token_id=row["token_id"], hour=hour)
        finally:
            store.write_lock.release()


def _keep(held: dict[str, _Pass], key: str, value: _Pass, now: datetime, most: int) -> None:
    """Add to a bounded table: what is over goes first, then the oldest."""
    for old in [k for k, v in held.items() if v.expires_at <= now]:
        del held[old]
    while len(held) >= most:
        del held[next(iter(held))]
    held[key] = value


def _write_private(path: Path, text: str) -> None:
    """Replace ``path`` in one step by a file that was never readable by others."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
