import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rest_client import rest

from api import auth
from api.problems import UnknownName
from schemas.store import Store
from schemas.vocabulary import TokenScope

NOW = datetime(2026, 3, 2, 12, 30, tzinfo=UTC)


def _create(store: Store, scope: TokenScope = TokenScope.READ, **given: datetime) -> auth.NewToken:
    return auth.create(store, name="ci", scope=scope, now=NOW, actor=auth.LOCAL, **given)


def test_a_token_is_stored_as_a_hash_only() -> None:
    store = Store.open()
    made = _create(store)
    prefix, token_id, secret = made.token.split("_", 2)
    assert (prefix, len(token_id), len(secret)) == ("am", 8, 43)
    rows = store.rows("SELECT * FROM tokens")
    assert secret not in repr(rows)
    assert len(rows[0]["secret_sha256"]) == 64


def test_only_the_whole_token_is_valid() -> None:
    store = Store.open()
    token = _create(store).token
    assert auth.verify(store, token, now=NOW) == auth.Identity(token[3:11], TokenScope.READ)
    for wrong in (token[:-1], token + "A", token[:12] + "A" * 43, "am_00000000_" + token[12:], "", "Bearer"):
        assert auth.verify(store, wrong, now=NOW) is None


def test_a_token_ends_by_expiry_and_by_revocation() -> None:
    store = Store.open()
    short = _create(store, expires_at=NOW + timedelta(hours=1)).token
    assert auth.verify(store, short, now=NOW + timedelta(minutes=59)) is not None
    assert auth.verify(store, short, now=NOW + timedelta(hours=1)) is None
    long = _create(store)
    auth.revoke(store, long.token_id, now=NOW, actor=auth.LOCAL)
    assert auth.verify(store, long.token, now=NOW) is None


def test_a_good_token_is_not_looked_up_again_until_the_ledger_changes_or_a_minute_is_over() -> None:
    store = Store.open()
    kept, ended = _create(store), _create(store)
    short = _create(store, expires_at=NOW + timedelta(seconds=30)).token
    assert all(auth.verify(store, token, now=NOW) for token in (kept.token, ended.token, short))
    # Nobody but this process writes the ledger; a change behind its back shows what is remembered.
    store.execute("UPDATE tokens SET scope = 'admin'")
    scopes = [auth.verify(store, kept.token, now=NOW + timedelta(seconds=s)) for s in (59, 60)]
    assert [found.scope for found in scopes if found] == [TokenScope.READ, TokenScope.ADMIN]
    assert auth.verify(store, short, now=NOW + timedelta(seconds=29)) is not None
    assert auth.verify(store, short, now=NOW + timedelta(seconds=30)) is None
    auth.revoke(store, ended.token_id, now=NOW, actor=auth.LOCAL)
    assert auth.verify(store, ended.token, now=NOW + timedelta(seconds=1)) is None
    assert auth.verify(Store.open(), kept.token, now=NOW) is None


def test_the_hour_of_use_is_remembered() -> None:
    store = Store.open()
    made = _create(store)
    auth.verify(store, made.token, now=NOW)
    assert auth.listing(store)[0].last_used_at == NOW.replace(minute=0)


def test_rotation_keeps_name_and_scope_and_ends_the_old_one(tmp_path: Path) -> None:
    store = Store.open()
    path = auth.first_token(store, tmp_path)
    old = path.read_text().strip()
    fresh = auth.rotate(store, old[3:11], now=datetime.now(UTC), actor=auth.LOCAL, data_folder=tmp_path)
    assert auth.verify(store, old, now=datetime.now(UTC)) is None
    assert fresh.scope is TokenScope.ADMIN
    assert path.read_text().strip() == fresh.token
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_every_step_of_a_token_is_audited_without_its_secret() -> None:
    store = Store.open()
    made = _create(store)
    auth.rotate(store, made.token_id, now=NOW, actor="feedbeef")
    rows = store.rows('SELECT token_id, action, "object" FROM audit')
    assert {(row["token_id"], row["action"]) for row in rows} == {
        (auth.LOCAL, "token.create"),
        ("feedbeef", "token.create"),
        ("feedbeef", "token.revoke"),
    }
    assert made.token[12:] not in repr(rows)


def test_an_unknown_token_cannot_be_revoked() -> None:
    with pytest.raises(UnknownName):
        auth.revoke(Store.open(), "00000000", now=NOW, actor=auth.LOCAL)


def test_the_first_token_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    store = Store.open()
    path = auth.first_token(store, tmp_path / "data")
    text = path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert auth.first_token(store, tmp_path / "data").read_text() == text
    found = auth.verify(store, text.strip(), now=datetime.now(UTC))
    assert found is not None
    assert found.scope is TokenScope.ADMIN
    path.unlink()
    assert not auth.first_token(store, tmp_path / "data").exists()


def test_a_token_file_of_another_store_is_replaced(tmp_path: Path) -> None:
    stale = auth.first_token(Store.open(), tmp_path).read_text()
    store = Store.open()
    fresh = auth.first_token(store, tmp_path).read_text()
    assert fresh != stale
    assert auth.verify(store, fresh.strip(), now=datetime.now(UTC)) is not None


def test_a_login_code_is_good_once_and_for_ten_minutes() -> None:
    login = auth.Login()
    code = login.link("aaaaaaaa", now=NOW).partition("=")[2]
    session = login.redeem(code, now=NOW)
    assert session is not None
    assert login.redeem(code, now=NOW) is None
    assert login.identity(session, now=NOW) == auth.Identity("aaaaaaaa", TokenScope.READ, "cookie")
    assert login.identity(session, now=NOW + timedelta(hours=auth.SESSION_HOURS)) is None
    late = login.link("aaaaaaaa", now=NOW).partition("=")[2]
    assert login.redeem(late, now=NOW + timedelta(minutes=10)) is None


def test_a_browser_logs_in_reads_and_logs_out() -> None:
    port = rest(Store.open())
    path = port.post("/v1/operations/login-link", TokenScope.ADMIN).json()["path"]
    answer = port.client.get(path)
    cookie = answer.headers["set-cookie"]
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert port.client.get("/v1/changes").status_code == 200
    assert port.client.get(path).status_code == 401
    port.client.post("/logout")
    assert port.client.get("/v1/changes").status_code == 401


def test_a_session_ends_with_the_token_that_opened_it() -> None:
    port = rest(Store.open())
    path = port.post("/v1/operations/login-link", TokenScope.ADMIN).json()["path"]
    port.client.get(path)
    admin = port.tokens[TokenScope.ADMIN]
    auth.revoke(port.store, admin[3:11], now=datetime.now(UTC), actor=auth.LOCAL)
    assert port.client.get("/v1/changes").status_code == 401


def test_a_cookie_changes_nothing_for_a_foreign_page() -> None:
    port = rest(Store.open())
    link = port.login.link(auth.LOCAL, now=datetime.now(UTC), scope=TokenScope.ADMIN)
    port.client.get(link)
    body = {"name": "x", "scope": "admin"}
    foreign = port.client.post("/v1/tokens", json=body, headers={"Origin": "http://evil.example"})
    absent = port.client.post("/v1/tokens", json=body)
    own = port.client.post("/v1/tokens", json=body, headers={"Origin": "http://testserver"})
    assert [foreign.status_code, absent.status_code, own.status_code] == [401, 401, 201]


def test_tokens_over_rest(tmp_path: Path) -> None:
    port = rest(Store.open(), data=tmp_path)
    made = port.post("/v1/tokens", TokenScope.ADMIN, json={"name": "ci", "scope": "intake"})
    assert made.status_code == 201
    token_id, token = made.json()["token_id"], made.json()["token"]
    rotated = port.post(f"/v1/tokens/{token_id}/rotate", TokenScope.ADMIN).json()
    assert rotated["scope"] == "intake"
    port.client.delete(f"/v1/tokens/{rotated['token_id']}", headers=port.headers(TokenScope.ADMIN))
    listed = port.get("/v1/tokens", TokenScope.ADMIN)
    assert token not in listed.text
    ended = {row["token_id"]: row["revoked_at"] is not None for row in listed.json()["items"]}
    assert ended[token_id]
    assert ended[rotated["token_id"]]
    assert port.post("/v1/tokens/00000000/rotate", TokenScope.ADMIN).status_code == 404
    past = {"name": "x", "scope": "read", "expires_at": "2020-01-01T00:00:00Z"}
    assert port.post("/v1/tokens", TokenScope.ADMIN, json=past).status_code == 422
