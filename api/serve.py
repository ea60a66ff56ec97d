"""The composition root of the server: one process, one data folder, three ports.

Startup refuses with a sentence that helps: another server on the folder, a busy port, a store of a newer schema, one
of our packages shadowed by another distribution. Shutdown drains: what was acknowledged is in the store.
"""

import asyncio
import contextlib
import errno
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import structlog
import uvicorn

from api import app, auth, pages, schedule, shadowing
from api.installation import Installation, write_private
from collector import otlp_grpc, otlp_http
from collector.counters import Counters
from collector.intake.door import Door
from collector.loader import Loader
from collector.receiver import Receiver
from collector.spool import Spool
from schemas.errors import StoreError
from schemas.settings import Settings
from schemas.vocabulary import TokenScope

log = structlog.get_logger()

SERVER_FILE = "server.json"
"""Where the running server says which ports it has; the command line reads it."""


class _Quiet(uvicorn.Server):
    """A uvicorn server that leaves signals to us: three servers share one process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listener(host: str, port: int, *, purpose: str) -> socket.socket:
    """A bound TCP socket.

    Raises:
        StoreError: the port is taken, or the address is not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        is_taken = error.errno == errno.EADDRINUSE
        raise StoreError(
            f"port {port} for {purpose} is taken"
            if is_taken
            else f"cannot listen on {host}:{port}: {error.strerror}",
            hint=f"stop what listens there, or choose another port with AFTERMERGE_{purpose.upper()}_PORT",
            port=port,
        ) from error
    bound.listen(512)
    bound.setblocking(False)
    return bound


async def serve(settings: Settings, *, announce: bool = True) -> None:
    """Run until SIGINT or SIGTERM, then drain.

    Raises:
        StoreError: one of the reasons in the module's docstring.
    """
    shadowing.refuse()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    with Installation.open(settings) as installation:
        await _run(installation, announce=announce)


SWITCH_INTERVAL_S = 0.0005
"""How soon a thread at work lets the event loop run: decoding in the loader held acknowledgements up to 306 ms at the
interpreter's default of 5 ms, and 70 ms at this (99th percentile at 20,000 spans a second)."""


async def _run(installation: Installation, *, announce: bool) -> None:
    settings, store = installation.settings, installation.store
    counters = Counters()
    api_socket = listener(settings.host, settings.api_port, purpose="api")
    otlp_socket = listener(settings.host, settings.otlp_http_port, purpose="otlp_http")
    listener(settings.host, settings.otlp_grpc_port, purpose="otlp_grpc").close()

    spool = Spool(
        settings.spool_path,
        segment_bytes_max=settings.segment_bytes_max,
        segment_age_s=settings.segment_age_s,
        backlog_bytes_max=settings.backlog_bytes_max,
        counters=counters,
    )
    loader = Loader(store, spool, settings, counters)
    receiver = Receiver(settings, spool, counters)
    token_path = auth.first_token(store, settings.data)
    login = auth.Login()

    def authorize(header: str | None) -> bool:
        if not settings.needs_ingest_token:
            return True
        kind, _, token = (header or "").partition(" ")
        found = auth.verify(store, token.strip(), now=datetime.now(UTC)) if kind.lower() == "bearer" else None
        return found is not None and found.may(TokenScope.INGEST)

    rest = app.build(
        store,
        settings,
        intake=Door(store, settings),
        login=login,
        operations=installation,
        pages_router=pages.router(store, settings, port=installation.answers),
        is_ready=lambda: loader.is_alive and receiver.is_ready,
    )
    loader.start()
    grpc_server, grpc_port = await otlp_grpc.serve(
        receiver, host=settings.host, port=settings.otlp_grpc_port, authorize=authorize
    )
    servers = [
        _server(otlp_http.app(receiver, authorize=authorize)),
        _server(rest),
    ]
    tasks = [
        asyncio.create_task(server.serve(sockets=[bound]))
        for server, bound in zip(servers, (otlp_socket, api_socket), strict=True)
    ]
    scheduler = schedule.start(installation)
    api_url = f"http://{_shown(settings.host)}:{api_socket.getsockname()[1]}"
    ports = {
        "pid": os.getpid(),
        "api_url": api_url,
        "otlp_grpc_port": grpc_port,
        "otlp_http_port": otlp_socket.getsockname()[1],
    }
    write_private(settings.data / SERVER_FILE, json.dumps(ports) + "\n")
    if announce:
        _announce(api_url, ports, token_path, login, auth.LOCAL)
    log.info("serving", **ports)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)

    log.info("draining")
    await grpc_server.stop(grace=5)
    for server in servers:
        server.should_exit = True
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.to_thread(scheduler.shutdown, True)
    is_drained = await asyncio.to_thread(loader.stop)
    await spool.close()
    (settings.data / SERVER_FILE).unlink(missing_ok=True)
    stopped.cancel()
    log.info("stopped", drained=is_drained)


def _server(asgi: object) -> uvicorn.Server:
    return _Quiet(
        uvicorn.Config(
            asgi,  # type: ignore[arg-type]  # an ASGI application by duck typing
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_keep_alive=75,
            timeout_graceful_shutdown=5,
            server_header=False,
        )
    )


def _shown(host: str) -> str:
    """The address at which a client on this machine reaches a listener on ``host``."""
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _announce(
    api_url: str, ports: dict[str, object], token_path: Path, login: auth.Login, actor: str
) -> None:
    link = login.link(actor, now=datetime.now(UTC))
    lines = [
        f"OTLP/gRPC  {ports['otlp_grpc_port']}    OTLP/HTTP  {ports['otlp_http_port']}",
        f"REST and dashboard  {api_url}",
        f"Log a browser in (once, within {auth.CODE_MINUTES} minutes): {api_url}{link}",
        f"Admin token: {token_path}",
    ]
    print("\n".join(lines), flush=True)  # noqa: T201
