"""The server as a process: ports, refusals, tokens, and what is in the store after it was stopped or killed."""

import asyncio
import dataclasses
import signal
import socket
import ssl
import stat
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import certificates
import duckdb
import grpc
import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from server_process import Running, refused, run, send, serving

from api import auth, client
from api import serve as serving_code
from api.installation import Installation
from schemas.errors import StoreError
from schemas.migrations import CURRENT
from schemas.settings import Settings
from schemas.store import Store
from schemas.vocabulary import TokenScope

SPANS = 20
EVERYWHERE = "0.0.0.0"  # noqa: S104 - never bound here


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server that demands tokens, in its second life: the first was killed right after it acknowledged spans."""
    data = tmp_path_factory.mktemp("serve") / "data"
    with serving(data, ingest_token_required=True) as first:
        for transport in ("grpc", "http"):
            sent = send(
                first.server, SPANS, service=f"killed-{transport}", transport=transport, token=first.token
            )
            assert sent == SPANS
        first.process.kill()
        first.process.wait()
        assert (data / "server.json").exists()
    with serving(data, ingest_token_required=True, correlate_interval_s=0.5) as second:
        yield second


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_every_port_that_is_stated_answers(running: Running) -> None:
    server = running.server
    assert server.pid == running.process.pid
    assert len({server.otlp_grpc_port, server.otlp_http_port, 0}) == 3
    assert httpx.get(f"http://127.0.0.1:{server.otlp_http_port}/healthz").status_code == 200
    assert httpx.get(f"{server.api_url}/healthz").json() == {"status": "ok"}
    with grpc.insecure_channel(f"127.0.0.1:{server.otlp_grpc_port}") as channel:
        grpc.channel_ready_future(channel).result(timeout=10)


def test_what_is_private_is_readable_by_its_owner_only(running: Running) -> None:
    for name in ("admin.token", "server.json", "aftermerge.duckdb"):
        assert mode(running.data / name) == 0o600, name


def test_without_a_token_telemetry_is_refused(running: Running) -> None:
    request = ExportTraceServiceRequest()
    url = f"http://127.0.0.1:{running.server.otlp_http_port}/v1/traces"
    headers = {"content-type": "application/x-protobuf"}
    assert httpx.post(url, content=request.SerializeToString(), headers=headers).status_code == 401
    export = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
    with grpc.insecure_channel(f"127.0.0.1:{running.server.otlp_grpc_port}") as channel:
        with pytest.raises(grpc.RpcError) as refused:
            channel.unary_unary(export)(request.SerializeToString(), timeout=10)
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED  # type: ignore[attr-defined]


def test_a_login_link_works_once(running: Running) -> None:
    # The first life printed one too; it ended with that process.
    link = [word for word in running.printed.read_text().split() if "/login?code=" in word][-1]
    first = httpx.get(link)
    assert (first.status_code, first.headers["location"]) == (303, "/")
    cookie = first.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert httpx.get(link).status_code == 401


def test_metrics_and_status_need_a_read_token_and_say_what_happened(running: Running) -> None:
    url = running.server.api_url
    assert httpx.get(f"{url}/metrics").status_code == 401
    assert httpx.get(f"{url}/v1/operations/status").status_code == 401
    ends = time.monotonic() + 30
    # A few spans wait for others to fill a row group, a second as a rule.
    while time.monotonic() < ends:
        seen = running.get("/v1/operations/status").json()
        if seen["correlation"] is not None and seen["held"]["span_count"] == 2 * SPANS:
            break
        time.sleep(0.2)
    told = running.get("/v1/operations/status").json()
    text = running.get("/metrics")
    assert text.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'aftermerge_items_stored_total{table="spans"} 40.0' in text.text
    assert "aftermerge_spool_backlog_bytes" in text.text
    assert told["held"] == {"span_count": 2 * SPANS, "exception_count": 0}
    assert told["backlog_bytes"] == 0
    assert told["server"]["stored"] == {"spans": 2 * SPANS}
    assert told["server"]["signals"]["traces"]["requests_refused"].get("unauthenticated", 0) >= 0
    assert len(told["correlation"]["inferences_digest"]) == 64
    assert told["server"]["jobs"]["correlate"]["error"] is None


def test_a_second_server_on_the_folder_is_refused_in_a_sentence(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(capsys, "serve", "--data", str(running.data))
    assert "another process has" in said
    assert "a server is running on this data folder" in said
    assert running.get("/readyz").status_code == 200


def test_what_was_acknowledged_before_a_stop_or_a_kill_is_stored_exactly_once(running: Running) -> None:
    """The last test of this server: it is stopped here, with spans sent right before."""
    token = running.token
    for transport in ("grpc", "http"):
        sent = send(running.server, SPANS, service=f"drained-{transport}", transport=transport, token=token)
        assert sent == SPANS
    assert running.stop(signal.SIGTERM) == 0
    assert not (running.data / "server.json").exists()
    store = Store.open(running.data / "aftermerge.duckdb")
    found = store.rows(
        "SELECT service, count(*) AS sent, count(DISTINCT (trace_id, span_id)) AS unlike FROM spans GROUP BY ALL"
    )
    store.close()
    assert {row["service"]: (row["sent"], row["unlike"]) for row in found} == dict.fromkeys(
        ("killed-grpc", "killed-http", "drained-grpc", "drained-http"), (SPANS, SPANS)
    )
    said = running.log.read_text() + running.printed.read_text()
    assert str(running.data / "admin.token") in said
    assert token not in said
    assert "Traceback" not in said


STUCK = """
import time
from api.cli import main
from api.installation import Installation
Installation.correlate = lambda self: time.sleep(600)
main()
"""


def test_a_long_correlation_does_not_hold_the_process(tmp_path: Path) -> None:
    with serving(tmp_path / "data", program=("-c", STUCK), correlate_interval_s=0.1) as stuck:
        assert send(stuck.server, 5, service="checkout", transport="http") == 5
        time.sleep(0.3)
        began = time.monotonic()
        stuck.process.send_signal(signal.SIGINT)
        # A second Ctrl-C does not wait for jobs; without it they have JOBS_GRACE_S.
        time.sleep(0.2)
        assert stuck.stop(signal.SIGINT) == 0
        assert time.monotonic() - began < serving_code.JOBS_GRACE_S
        store = Store.open(tmp_path / "data" / "aftermerge.duckdb")
        assert store.value("SELECT count(*) FROM spans") == 5
        store.close()
        assert "given up" in stuck.log.read_text()


# --- TLS ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("tls")
    pair = certificates.self_signed(folder)
    with serving(folder / "data", tls_certificate=pair.certificate, tls_key=pair.key) as running:
        yield running


def test_over_tls_the_pages_and_the_probes_are_served(secured: Running) -> None:
    assert secured.server.api_url.startswith("https://127.0.0.1:")
    assert secured.get("/v1/operations/status").status_code == 200
    link = next(word for word in secured.printed.read_text().split() if "/login?code=" in word)
    cookie = httpx.get(link, verify=secured.trusted).headers["set-cookie"].lower()
    assert "secure" in cookie
    with pytest.raises(httpx.HTTPError):
        httpx.get(secured.server.api_url.replace("https", "http") + "/healthz")
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(secured.server.api_url + "/healthz", verify=ssl.create_default_context())


def test_over_tls_commands_reach_the_server_that_they_know(
    secured: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "aftermerge" not in run(capsys, "token", "list", "--data", str(secured.data))
    made = run(capsys, "token", "create", "fleet", "--scope", "ingest", "--data", str(secured.data))
    assert made.startswith("am_")


def test_a_listener_with_another_certificate_gets_no_token(secured: Running) -> None:
    """It may even know the proof: the certificate is looked at before anything is sent."""
    server = secured.server
    reached = client.Client(server, "am_secret")
    assert reached.call("GET", "/healthz") == {"status": "ok"}
    other = dataclasses.replace(server, certificate_sha256="0" * 64)
    with pytest.raises(StoreError, match="another certificate"):
        client.Client(other, "am_secret").call("GET", "/healthz")
    assert not client._is_itself(other)


# --- refusals: in this process, for nothing has been started when they come ---------------------------------


@pytest.fixture(autouse=True)
def here(command_line: None) -> None:
    """Every test may run the command line in this process."""


@pytest.mark.parametrize("purpose", ["api", "otlp_http", "otlp_grpc"])
def test_a_busy_port_is_refused_with_the_setting_that_chooses_another(
    purpose: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        option = f"--{purpose.replace('_', '-')}-port"
        said = refused(capsys, "serve", "--data", str(tmp_path / "data"), option, str(port))
    assert f"port {port} for {purpose} is taken" in said
    assert f"AFTERMERGE_{purpose.upper()}_PORT" in said
    assert not (tmp_path / "data" / "server.json").exists()


def test_a_store_of_a_newer_schema_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = Settings(data=tmp_path / "data")
    settings.data.mkdir()
    Store.open(settings.store_path).close()
    with duckdb.connect(str(settings.store_path)) as newer:
        newer.execute("INSERT INTO meta.schema_version VALUES (?, now()::TIMESTAMP)", [CURRENT + 1])
    said = refused(capsys, "serve", "--data", str(settings.data))
    assert f"schema version {CURRENT + 1}" in said
    assert "upgrade aftermerge" in said


def test_an_address_that_is_not_ours_is_refused() -> None:
    with pytest.raises(StoreError, match=r"cannot listen on 192\.0\.2\.1:0"):
        serving_code.listener("192.0.2.1", 0, purpose="api")


async def _is_undelayed(listener: socket.socket) -> bool:
    """Does an accepted connection send its last piece without waiting for the ACK of the one before (TCP_NODELAY)?"""
    found: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted = writer.get_extra_info("socket")
        found.set_result(bool(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))
        writer.close()

    async with await asyncio.start_server(answer, sock=listener):
        _, client = await asyncio.open_connection(*listener.getsockname())
        client.close()
        return await found


def test_the_last_piece_of_an_answer_waits_for_nothing() -> None:
    assert asyncio.run(_is_undelayed(serving_code.listener("127.0.0.1", 0, purpose="api")))


def test_a_folder_that_cannot_be_written_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    said = refused(capsys, "serve", "--data", str(tmp_path / "file" / "data"))
    assert "cannot write to" in said


@pytest.mark.parametrize(
    ("variables", "toml", "said"),
    [
        ({"AFTERMERGE_API_PORT": "abc"}, "", "setting api_port"),
        ({"AFTERMERGE_REPOSITORIES": "{"}, "", "repositories"),
        ({}, "colour = 'blue'\n", "setting colour"),
        ({}, "[services.checkout]\nrepositroy = 'acme/shop'\n", "setting services.checkout.repositroy"),
        (
            {},
            "[repositories.'acme/shop']\nsource = '/srv/shop'\nassume_unmarked = 'human'\n",
            "assume_unmarked_from go together",
        ),
        ({}, "port = [\n", "the settings cannot be read"),
        (
            {"AFTERMERGE_HOST": EVERYWHERE, "AFTERMERGE_INGEST_TOKEN_REQUIRED": "false"},
            "",
            "refused beyond loopback",
        ),
        ({"AFTERMERGE_TLS_KEY": "server.key"}, "", "tls_certificate and tls_key go together"),
        ({}, "cors_origins = ['https://shop.example/']\n", "is no origin"),
        ({}, "body_bytes_max = 500_000_000\n", "at least twice body_bytes_max"),
    ],
)
def test_a_setting_that_cannot_be_is_told_in_a_sentence(
    variables: dict[str, str],
    toml: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "aftermerge.toml").write_text(toml)
    assert said in refused(capsys, "serve", "--data", str(tmp_path / "data"))


def test_files_that_are_no_certificate_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFTERMERGE_TLS_CERTIFICATE", str(tmp_path / "none.crt"))
    monkeypatch.setenv("AFTERMERGE_TLS_KEY", str(tmp_path / "none.key"))
    said = refused(capsys, "serve", "--data", str(tmp_path / "data"))
    assert "tls_certificate: cannot read" in said
    assert not (tmp_path / "data" / "server.json").exists()


def test_beyond_loopback_the_server_needs_a_token_for_telemetry(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address that is not ours stands for one beyond loopback: with a token the refusal is that of the address."""
    data, beyond = str(tmp_path / "data"), "192.0.2.1"

    def said() -> str:
        return refused(capsys, "serve", "--data", data, "--host", beyond)

    assert f"{beyond} is beyond loopback, and there is no token for telemetry yet" in said()
    capsys.readouterr()
    made = run(capsys, "token", "create", "fleet", "--scope", "ingest", "--data", data).strip()
    assert f"cannot listen on {beyond}" in said()
    run(capsys, "token", "revoke", made.split("_")[1], "--data", data)
    assert "no token for telemetry" in said()
    for scope in ("read", "admin"):
        run(capsys, "token", "create", "other", "--scope", scope, "--data", data)
    assert "no token for telemetry" in said()
    monkeypatch.setenv("AFTERMERGE_INGEST_TOKEN", "short")
    assert "ingest_token" in said()
    monkeypatch.setenv("AFTERMERGE_INGEST_TOKEN", "f" * 32)
    assert f"cannot listen on {beyond}" in said()


def test_the_stated_token_and_those_of_the_ledger_may_send(tmp_path: Path) -> None:
    with Installation.open(
        Settings(data=tmp_path, ingest_token_required=True, ingest_token="f" * 32)
    ) as made:  # type: ignore[arg-type]
        authorize = serving_code._authorizer(made)
        now = datetime.now(UTC)
        tokens = {
            scope: auth.create(made.store, name=scope, scope=scope, now=now, actor=auth.LOCAL).token
            for scope in TokenScope
        }
        may = {scope for scope, token in tokens.items() if authorize(f"Bearer {token}")}
        assert may == {TokenScope.INGEST, TokenScope.ADMIN}
        assert authorize("bearer  " + "f" * 32)
        for wrong in (
            None,
            "",
            "Bearer",
            "f" * 32,
            "Basic " + "f" * 32,
            "Bearer " + "f" * 31,
            "Bearer \udcff",
        ):
            assert not authorize(wrong)
        auth.revoke(made.store, tokens[TokenScope.INGEST].split("_")[1], now=now, actor=auth.LOCAL)
        assert not authorize(f"Bearer {tokens[TokenScope.INGEST]}")


def test_a_listener_on_every_address_is_reached_on_loopback() -> None:
    shown = {host: serving_code._shown(host) for host in (EVERYWHERE, "::", "127.0.0.1", "::1", "db.example")}
    assert shown == {
        EVERYWHERE: "127.0.0.1",
        "::": "[::1]",
        "127.0.0.1": "127.0.0.1",
        "::1": "[::1]",
        "db.example": "db.example",
    }
    assert Settings(host=EVERYWHERE).needs_ingest_token
    assert not Settings().needs_ingest_token


def test_signals_are_told_apart() -> None:
    async def twice() -> tuple[bool, bool, bool, bool]:
        stop, hurry = serving_code._on_signals()
        signal.raise_signal(signal.SIGTERM)
        await asyncio.wait_for(stop.wait(), 5)
        first = (stop.is_set(), hurry.is_set())
        signal.raise_signal(signal.SIGTERM)
        await asyncio.wait_for(hurry.wait(), 5)
        return (*first, stop.is_set(), hurry.is_set())

    assert asyncio.run(twice()) == (True, False, True, True)
