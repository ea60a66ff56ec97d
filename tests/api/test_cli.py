"""Every command, with a running server and without one: the same words, the same store."""

import json
import os
import stat
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from builders import exception, insert, server
from repository_builder import RepositoryBuilder
from server_process import Running, refused, run, send, serving

from api import client, folder
from api.folder import Server
from api.installation import Installation
from schemas.settings import Settings

WEEK = "2026-W10"


@pytest.fixture(autouse=True)
def here(command_line: None) -> None:
    """Every test runs the command line in this process."""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = RepositoryBuilder(tmp_path_factory.mktemp("shop"))
    built.commit("Add prices", {"shop/prices.py": "def price():\n    return 1\n"})
    built.commit(
        "Add coupons\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n",
        {"shop/prices.py": "def price():\n    return 1 / 0\n"},
    )
    return built.path


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    data = tmp_path_factory.mktemp("cli") / "data"
    settings = Settings(data=data)
    with Installation.open(settings) as installation:
        insert(installation.store, [server(1, is_error=True)], [exception(1)])
    with serving(data, correlate_interval_s=3600) as server_process:
        yield server_process


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    return json.loads(run(capsys, *arguments, "--json"))


def digest(text: str) -> str:
    return next(line.split()[1] for line in text.splitlines() if line.startswith("digest "))


def test_tokens_are_made_turned_and_ended(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    at = ("--data", str(running.data))
    admin = running.token
    made = run(capsys, "token", "create", "grafana", *at).strip()
    (first, second) = told(capsys, "token", "list", *at)
    assert (first["scope"], second["name"], second["scope"]) == ("admin", "grafana", "read")
    assert made not in run(capsys, "token", "list", *at)
    url = running.server.api_url
    asked = {"Authorization": f"Bearer {made}"}
    assert httpx.get(f"{url}/metrics", headers=asked).status_code == 200
    turned = run(capsys, "token", "rotate", second["token_id"], *at).strip()
    assert httpx.get(f"{url}/metrics", headers=asked).status_code == 401
    asked = {"Authorization": f"Bearer {turned}"}
    assert httpx.get(f"{url}/metrics", headers=asked).status_code == 200
    newest = next(
        t for t in told(capsys, "token", "list", *at) if t["revoked_at"] is None and t["name"] == "grafana"
    )
    assert run(capsys, "token", "revoke", newest["token_id"], *at) == f"{newest['token_id']}: revoked\n"
    assert httpx.get(f"{url}/metrics", headers=asked).status_code == 401
    assert "there is no token 'ffffffff'" in refused(capsys, "token", "revoke", "ffffffff", *at)

    # The folder's own token: the command line goes on with the new one.
    turned = run(capsys, "token", "rotate", first["token_id"], *at).strip()
    assert running.token == turned != admin
    link = run(capsys, "token", "login", *at).strip()
    assert httpx.get(link).status_code == 303
    assert httpx.get(link).status_code == 401

    path = running.data / "admin.token"
    path.write_text(admin)
    assert "the admin token in the data folder was revoked" in refused(capsys, "token", "list", *at)
    path.write_text(turned)


def test_an_operators_first_hour(
    running: Running, repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One session in order, with a running server; then the same questions without one."""
    at = ("--data", str(running.data))
    assert "acme/shop: 2 commits, 2 changes on main" in run(
        capsys, "repo", "add", "acme/shop", str(repository), *at
    )
    (listed,) = told(capsys, "repo", "list", *at)
    assert (listed["repository"], listed["change_count"]) == ("acme/shop", 2)
    assert listed["synced_at"].startswith("20")
    assert "acme/shop" in run(capsys, "repo", "list", *at)
    assert run(capsys, "repo", "sync", *at).startswith("acme/shop: 2 changes, head ")

    assert (
        run(capsys, "service", "map", "checkout", "--repository", "acme/shop", *at) == "checkout: acme/shop\n"
    )
    assert "no repository is called acme/none" in refused(
        capsys, "service", "map", "checkout", "--repository", "acme/none", *at
    )
    (checkout,) = told(capsys, "doctor", *at)
    assert (checkout["service"], checkout["repository"]) == ("checkout", "acme/shop")
    assert checkout["missing"]
    assert "checkout" in run(capsys, "doctor", *at)

    correlated = told(capsys, "correlate", *at)
    assert correlated["counts"]["changes"] == 2
    rebuilt = run(capsys, "rebuild", *at)
    assert digest(rebuilt) == correlated["digest"]
    assert "the same as before" in rebuilt
    before = told(capsys, "correlate", "--as-of", "2026-01-05T10:30:00Z", *at)
    assert (before["counts"]["changes"], before["as_of"][:19]) == (1, "2026-01-05T10:30:00")
    assert told(capsys, "status", *at)["correlation"]["inferences_digest"] == correlated["digest"]
    assert "no RFC 3339 time" in refused(capsys, "correlate", "--as-of", "yesterday", *at)

    printed = run(capsys, "report", "--week", WEEK, *at).splitlines()
    paths = [Path(line) for line in printed if line.startswith("/")]
    assert [path.name for path in paths] == [f"{WEEK}.html", f"{WEEK}.md", f"{WEEK}.json"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o600}
    assert json.loads(paths[2].read_text())["week"] == WEEK
    assert paths[0].read_text().startswith("<!")
    elsewhere = told(capsys, "report", "--week", WEEK, "--to", str(tmp_path / "out"), *at)["paths"]
    assert Path(elsewhere[2]).read_bytes() == paths[2].read_bytes()
    assert "no ISO week" in refused(capsys, "report", "--week", "last", *at)

    known = {command: told(capsys, *command, *at) for command in (("repo", "list"), ("token", "list"))}
    # Acknowledged, then killed: the file that says where it listens is no obstacle, and its spans are not lost.
    assert send(running.server, 3, service="cart", transport="http") == 3
    running.process.kill()
    running.process.wait()
    assert folder.stated(running.data) is not None
    assert digest(run(capsys, "rebuild", *at)) == correlated["digest"]
    assert [row["service"] for row in told(capsys, "doctor", *at)] == ["cart", "checkout"]
    assert told(capsys, "status", *at)["held"]["span_count"] == 4
    assert {command: told(capsys, *command, *at) for command in known} == known
    correlated = told(capsys, "correlate", *at)
    again = told(capsys, "report", "--week", WEEK, *at)["paths"]
    assert again == [str(path) for path in paths]
    status = run(capsys, "status", *at)
    assert "none runs on this data folder" in status
    assert f"digest {correlated['digest']}" in status
    assert "start it: aftermerge serve" in refused(capsys, "token", "login", *at)
    assert run(capsys, "repo", "remove", "acme/shop", *at) == "acme/shop: removed\n"
    assert told(capsys, "repo", "list", *at) == []


class Impostor(BaseHTTPRequestHandler):
    """Another program that got the port of a server that is gone; it remembers what it was told."""

    seen: list[dict[str, str]] = []  # noqa: RUF012 - the handler is made anew for each request

    def do_GET(self) -> None:
        self.seen.append({name.lower(): value for name, value in self.headers.items()})
        self.send_response(200)
        self.send_header(folder.PROOF_HEADER, "0" * 64)
        self.end_headers()
        self.wfile.write(b'{"status": "ok"}')

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """Nothing to say."""


def test_another_program_on_the_port_never_gets_the_token(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    made = run(capsys, "token", "create", "first", "--scope", "admin", "--data", str(data)).strip()
    folder.write_private(data / "admin.token", made)
    with HTTPServer(("127.0.0.1", 0), Impostor) as impostor:
        threading.Thread(target=impostor.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{impostor.server_port}"
        stale = Server(os.getpid(), url, 1, 2, str(data / "admin.token"), "secret")
        folder.state(data, stale)
        assert client.running(Settings(data=data)) is None
        assert [row["name"] for row in told(capsys, "token", "list", "--data", str(data))] == ["first"]
        impostor.shutdown()
    assert Impostor.seen
    assert all("authorization" not in headers for headers in Impostor.seen)
    assert all(made not in str(headers) and "secret" not in str(headers) for headers in Impostor.seen)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}', '{"api_url": "http://127.0.0.1:1"}'])
def test_a_server_file_that_is_none_is_no_server(content: str, tmp_path: Path) -> None:
    (tmp_path / "server.json").write_text(content)
    assert client.running(Settings(data=tmp_path)) is None


def test_a_question_makes_no_installation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "typo"
    for command in (("doctor",), ("status",), ("repo", "list"), ("correlate",), ("report",)):
        assert "there is no installation in" in refused(capsys, *command, "--data", str(data))
    assert not data.exists()


def test_a_bad_source_is_told_and_not_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = str(tmp_path / "data")
    said = refused(capsys, "repo", "add", "acme/shop", str(tmp_path / "nowhere"), "--data", data)
    assert "is neither a folder on this machine nor an https or ssh URL" in said
    assert told(capsys, "repo", "list", "--data", data) == []
    said = refused(capsys, "repo", "sync", "acme/shop", "--data", data)
    assert "no repository is called acme/shop" in said


def test_times_in_json_are_rfc_3339(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = str(tmp_path / "data")
    run(capsys, "token", "create", "first", "--data", data)
    (row,) = told(capsys, "token", "list", "--data", data)
    made = datetime.fromisoformat(row["created_at"])
    assert made.tzinfo is not None
    assert abs((datetime.now(UTC) - made).total_seconds()) < 60
