"""The composition root of the server: one process, one data folder, three ports.

Startup refuses with a sentence that helps: another server on the folder, a busy port, a store of a newer schema, one
of our packages shadowed by another distribution, a certificate that is none, ports beyond loopback without a token. Shutdown drains: what was acknowledged is in the store, and nothing
that takes longer (a correlation, a fetch) is waited for beyond a bound, because the next start does it again.
"""

import asyncio
import contextlib
import errno
import gc
import hashlib
import hmac
import os
import resource
import secrets
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import structlog
import uvicorn
from apscheduler.schedulers.background import BackgroundScheduler
from prometheus_client import ProcessCollector, generate_latest

from api import app, auth, folder, memory, pages, schedule, shadowing, status
from api.folder import Server
from api.installation import Installation
from api.metric_cache import DataCache
from collector import connections, otlp_grpc, otlp_http, tls
from collector.counters import Counters
from collector.inflight import Budget
from collector.intake.door import Door
from collector.loader import Loader
from collector.policy import Policy
from collector.receiver import Receiver
from collector.spool import Spool
from schemas.errors import StoreError
from schemas.records import Progress
from schemas.settings import Settings
from schemas.vocabulary import TokenScope

log = structlog.get_logger()

SWITCH_INTERVAL_S = 0.0005
"""How soon a thread at work lets the event loop run: decoding in the loader held acknowledgements up to 306 ms at the
interpreter's default of 5 ms, and 70 ms at this (99th percentile at 20,000 spans a second)."""
REQUESTS_GRACE_S = 5
"""How long requests in flight may take after the signal."""
JOBS_GRACE_S = 10.0
"""How long after the signal a job at work may take; what it would have written is inferred or fetched again."""
FILES_MAX = 65_536
"""Open files that we ask for; many systems give 1024, which as many connections use up."""
PROGRESS_S = 5.0
"""Least time between two lines about a step that goes on."""


class _Quiet(uvicorn.Server):
    """A uvicorn server that leaves signals to us: three servers share one process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass(frozen=True, slots=True)
class _Running:
    """What must be stopped in order."""

    http: list[_Quiet]
    tasks: list[asyncio.Task[None]]
    grpc: Any
    scheduler: BackgroundScheduler
    loader: Loader
    spool: Spool


async def serve(settings: Settings, *, announce: bool = True) -> NoReturn:
    """Run until SIGINT or SIGTERM, drain, and end the process with code 0. A second signal ends the waiting for jobs.

    Raises:
        StoreError: one of the reasons in the module's docstring, or a listener that ended by itself.
    """
    shadowing.refuse()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    with Installation.open(settings) as installation:
        await _run(installation, announce=announce)
    _end()


def listener(host: str, port: int, *, purpose: str) -> socket.socket:
    """A listening TCP socket; port 0 is any free one.

    Raises:
        StoreError: the port is taken, or the address is not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With its protocol named asyncio sets TCP_NODELAY; else the last piece of an answer waits 40 ms for a delayed ACK.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(512)
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
    bound.setblocking(False)
    return bound


async def _run(installation: Installation, *, announce: bool) -> None:
    settings, store = installation.settings, installation.store
    stop, hurry = _on_signals()
    secured = tls.read(settings)
    _refuse_without_token(installation)
    _raise_file_limit()
    counters = Counters()
    outcomes = schedule.Outcomes(counters.registry)
    ProcessCollector(registry=counters.registry)
    # All three before anything is started: a refusal leaves no trace.
    with contextlib.ExitStack() as unused:
        api_socket = unused.enter_context(listener(settings.host, settings.api_port, purpose="api"))
        otlp_socket = unused.enter_context(
            listener(settings.host, settings.otlp_http_port, purpose="otlp_http")
        )
        listener(settings.host, settings.otlp_grpc_port, purpose="otlp_grpc").close()
        unused.pop_all()

    spool = Spool(
        settings.spool_path,
        segment_bytes_max=settings.segment_bytes_max,
        segment_age_s=settings.segment_age_s,
        backlog_bytes_max=settings.backlog_bytes_max,
        counters=counters,
    )
    policy = Policy.of(settings, folder.hash_key(settings.data))
    loader = Loader(store, spool, settings, counters, policy=policy, on_rest=memory.rest)
    receiver = Receiver(settings, spool, counters)
    token_path = auth.first_token(store, settings.data)
    login = auth.Login()
    budget = Budget(settings.inflight_bytes_max)
    authorize = _authorizer(installation)
    grpc_server, grpc_port = await otlp_grpc.serve(
        receiver,
        host=settings.host,
        port=settings.otlp_grpc_port,
        authorize=authorize,
        budget=budget,
        request_timeout_s=settings.request_timeout_s,
        connections_max=settings.connections_max,
        credentials=secured.otlp_grpc if secured else None,
    )
    otlp = otlp_http.app(
        receiver,
        authorize=authorize,
        budget=budget,
        request_timeout_s=settings.request_timeout_s,
        cors_origins=settings.cors_origins,
    )
    server = Server(
        pid=os.getpid(),
        api_url=f"{'https' if secured else 'http'}://{_shown(settings.host)}:{api_socket.getsockname()[1]}",
        otlp_grpc_port=grpc_port,
        otlp_http_port=otlp_socket.getsockname()[1],
        token_path=str(token_path.absolute()),
        secret=secrets.token_urlsafe(32),
        certificate_sha256=secured.certificate_sha256 if secured else "",
    )
    started_at = datetime.now(UTC)

    def status_of() -> dict[str, Any]:
        told = status.of_store(store, backlog_bytes=spool.backlog_bytes)
        counted = status.of_server(counters.registry.collect())
        about = {"pid": server.pid, "api_url": server.api_url, "started_at": started_at}
        return told | {"server": about | counted | {"jobs": outcomes.told()}}

    metric_cache = DataCache()

    def prepare() -> None:
        metric_cache.prepare(store, settings, datetime.now(UTC))

    def on_end(outcome: schedule.Outcome) -> None:
        outcomes.add(outcome)
        if outcome.job == "correlate" and outcome.error is None:
            prepare()

    installation.correlator.on_written = prepare
    rest = app.build(
        store,
        settings,
        intake=Door(store, settings),
        login=login,
        operations=installation,
        pages_router=pages.router(
            store,
            settings,
            port=installation.answers,
            metric_cache=metric_cache,
            last_backtest=lambda: installation.last_backtest,
        ),
        metric_cache=metric_cache,
        is_ready=lambda: loader.is_alive and receiver.is_ready and not stop.is_set(),
        prove=server.prove,
        metrics_text=lambda: generate_latest(counters.registry),
        status_of=status_of,
    )
    loader.start()
    servers = [
        _http_server(otlp, settings, secured.otlp if secured else None),
        _http_server(rest, settings, secured.api if secured else None),
    ]
    tasks = [
        asyncio.create_task(http.serve(sockets=[bound]))
        for http, bound in zip(servers, (otlp_socket, api_socket), strict=True)
    ]
    while not all(http.started for http in servers) and not any(task.done() for task in tasks):
        await asyncio.sleep(0.01)
    folder.state(settings.data, server)
    if announce:
        _announce(server, token_path, login)
    # What was made so far stays: without this each full collection walks some 300,000 objects of our libraries.
    gc.collect()
    gc.freeze()
    log.info("serving", api_url=server.api_url, otlp_grpc=grpc_port, otlp_http=server.otlp_http_port)
    scheduler = schedule.start(installation, on_end=on_end, progress=_progress())
    running = _Running(servers, tasks, grpc_server, scheduler, loader, spool)

    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
    is_asked = stop.is_set()
    stop.set()
    await _drain(running, hurry)
    folder.withdraw(settings.data, server)
    if not is_asked:
        raise StoreError("a listener ended by itself", hint="see the log above; what was accepted is safe")


async def _drain(running: _Running, hurry: asyncio.Event) -> None:
    """Stop the doors, load the spool, then give the job at work what is left of its time."""
    began = time.monotonic()
    log.info("draining")
    # Not asyncio.to_thread: the event loop would wait for such a thread at its end, however long the job takes.
    jobs = threading.Thread(target=running.scheduler.shutdown, name="jobs-end", daemon=True)
    jobs.start()
    for http in running.http:
        http.should_exit = True
    await asyncio.gather(running.grpc.stop(grace=REQUESTS_GRACE_S), *running.tasks, return_exceptions=True)
    is_loaded = await asyncio.to_thread(running.loader.stop)
    await running.spool.close()
    if not is_loaded:
        log.warning("the spool is not loaded yet; the next start goes on with it")
    log.info("drained", duration_s=round(time.monotonic() - began, 1))
    while jobs.is_alive() and time.monotonic() - began < JOBS_GRACE_S and not hurry.is_set():
        await asyncio.sleep(0.05)
    if jobs.is_alive():
        log.warning("a job at work was given up; the next start does it again")


def _on_signals() -> tuple[asyncio.Event, asyncio.Event]:
    """(set by the first signal, set by the second)."""
    stop, hurry = asyncio.Event(), asyncio.Event()

    def asked() -> None:
        (hurry if stop.is_set() else stop).set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked)
    return stop, hurry


def _end() -> NoReturn:
    """End the process without asking its threads.

    A correlation cannot be interrupted, and both the event loop and the interpreter would wait for its thread. It
    writes in one transaction, and everything that was acknowledged is in the store: nothing is lost by not waiting.
    """
    for child in _children():
        with contextlib.suppress(OSError):
            # Each git leads a session of its own, which a terminal's Ctrl-C does not reach.
            os.killpg(child, signal.SIGTERM)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _children() -> list[int]:
    """Process ids of our children, where the system tells them (Linux)."""
    found: list[int] = []
    for listed in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(pid) for pid in listed.read_text().split()]
    return found


def _refuse_without_token(installation: Installation) -> None:
    """Beyond loopback nobody sends without a token, so without one nothing could arrive.

    Raises:
        StoreError: there is none that was made for telemetry.
    """
    settings = installation.settings
    if settings.is_loopback or settings.ingest_token is not None:
        return
    if not auth.has_sender(installation.store, now=datetime.now(UTC)):
        raise StoreError(
            f"{settings.host} is beyond loopback, and there is no token for telemetry yet",
            hint=f"make one first: aftermerge token create fleet --scope ingest --data {settings.data}; "
            "or give one of 32 characters or more in AFTERMERGE_INGEST_TOKEN",
        )


def _authorizer(installation: Installation) -> Callable[[str | None], bool]:
    """May the sender of this ``authorization`` value send telemetry?"""
    settings, store = installation.settings, installation.store
    stated = settings.ingest_token.get_secret_value() if settings.ingest_token else None

    def authorize(header: str | None) -> bool:
        if not settings.needs_ingest_token:
            return True
        kind, _, token = (header or "").partition(" ")
        if kind.lower() != "bearer":
            return False
        token = token.strip()
        if stated is not None and hmac.compare_digest(_digest(stated), _digest(token)):
            return True
        found = auth.verify(store, token, now=datetime.now(UTC))
        return found is not None and found.may(TokenScope.INGEST)

    return authorize


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="replace")).digest()


def _raise_file_limit() -> None:
    """As many open files as the system lets us have: a connection that uses up the last would stop the store."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, FILES_MAX)
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _http_server(asgi: Any, settings: Settings, secured: ssl.SSLContext | None) -> _Quiet:
    return _Quiet(
        connections.Config(
            asgi,
            request_timeout_s=settings.request_timeout_s,
            connections_max=settings.connections_max,
            tls=secured,
            log_config=None,
            timeout_graceful_shutdown=REQUESTS_GRACE_S,
        )
    )


def _shown(host: str) -> str:
    """The address at which a client on this machine reaches a listener on ``host``."""
    if host == "0.0.0.0":  # noqa: S104 - compared, not bound
        return "127.0.0.1"
    if host == "::":
        return "[::1]"
    return f"[{host}]" if ":" in host else host


def _progress() -> Progress:
    """Logs each new step of a first sync, and a step that goes on every few seconds."""
    last_step, last_at = "", 0.0

    def tell(step: str, done: int, total: int) -> None:
        nonlocal last_step, last_at
        now = time.monotonic()
        if step != last_step or now - last_at >= PROGRESS_S:
            last_step, last_at = step, now
            log.info("first sync", step=f"{step} {done}/{total}" if total else step)

    return tell


def _announce(server: Server, token_path: Path, login: auth.Login) -> None:
    link = login.link(auth.LOCAL, now=datetime.now(UTC))
    lines = [
        f"OTLP/gRPC  {server.otlp_grpc_port}    OTLP/HTTP  {server.otlp_http_port}",
        f"REST and dashboard  {server.api_url}",
        f"Log a browser in (once, within {auth.CODE_MINUTES} minutes): {server.api_url}{link}",
        f"Admin token: {token_path}",
    ]
    print("\n".join(lines), flush=True)  # noqa: T201
