"""The server under load: its real process on a data folder, and what its operators can ask of it over REST."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from benchmarks.load.processes import Usage, usage
from server_process import PROJECT, environment

from api import folder
from demo.fleet import free_port

DURABLE_ONLY = ("-m", "benchmarks.load.durable_only")
WHOLE = ("-m", "api.cli")
PYTHON = os.environ.get("AFTERMERGE_LOAD_PYTHON", sys.executable)
"""Runs the server. One that has ``requirements/runtime.txt`` alone holds 25 MB less: Arrow loads pandas where it is."""
START_S = 120.0
STOP_S = 180.0
_POLL_S = 0.1


class Late(Exception):
    """Something did not happen in its time."""


def await_until(holds: Callable[[], Any], seconds: float, what: str, *, every_s: float = _POLL_S) -> float:
    """Wait until ``holds``; returns after how many seconds it did.

    Raises:
        Late: it did not in ``seconds``.
    """
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if holds():
            return time.monotonic() - began
        time.sleep(every_s)
    raise Late(f"{what}: not in {seconds:.0f} s")


@dataclass
class Server:
    """One data folder and the server on it; the ports stay the same from start to start."""

    data: Path
    program: tuple[str, ...] = WHOLE
    settings: dict[str, str] = field(default_factory=dict)
    ports: tuple[int, int, int] = field(default_factory=lambda: (free_port(), free_port(), free_port()))
    process: "subprocess.Popen[bytes] | None" = None

    def __post_init__(self) -> None:
        # Exporters on this machine's own proxy settings would not reach it.
        self.client = httpx.Client(trust_env=False, timeout=120)

    @property
    def endpoints(self) -> dict[str, str]:
        """Transport -> where to send."""
        return {"grpc": f"127.0.0.1:{self.ports[0]}", "http": f"http://127.0.0.1:{self.ports[1]}/v1/traces"}

    @property
    def url(self) -> str:
        """Base of the REST port."""
        return f"http://127.0.0.1:{self.ports[2]}"

    @property
    def store(self) -> Path:
        """The DuckDB file."""
        return self.data / "aftermerge.duckdb"

    @property
    def log(self) -> Path:
        """What it printed."""
        return self.data.with_suffix(".log")

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self.process is not None
        return self.process.pid

    def start(self, *, wait: bool = True) -> "Server":
        """Start it and, unless told otherwise, wait until it is ready."""
        self.data.mkdir(parents=True, exist_ok=True)
        names = ("otlp_grpc_port", "otlp_http_port", "api_port")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [PYTHON, *self.program, "serve", "--data", str(self.data)],
                cwd=self.data.parent,
                env=environment(**dict(zip(names, self.ports, strict=True)), **self.settings)
                | {"PYTHONPATH": f"{PROJECT}:{PROJECT / 'tests'}"},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        if wait:
            await_until(self.is_ready, START_S, "the server is ready")
        return self

    def is_ready(self) -> bool:
        """``/readyz`` answers 200, and ``server.json`` is this process's.

        Raises:
            Late: the process ended instead.
        """
        if self.process is None or self.process.poll() is not None:
            raise Late(f"the server ended: {self.log.read_text()[-2000:]}")
        stated = folder.stated(self.data)
        try:
            is_up = self.client.get(f"{self.url}/readyz").status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False
        return is_up and stated is not None and stated.pid == self.pid

    def stop(self) -> None:
        """Drain and end."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(STOP_S)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def usage(self) -> Usage:
        """CPU and memory of its process tree."""
        return usage(self.pid)

    # --- what its operators ask --------------------------------------------------------------------

    def get(self, path: str, **query: Any) -> httpx.Response:
        """GET with the admin token; an answer that is no success raises."""
        return self._ask("GET", path, params=query)

    def post(self, path: str, body: object) -> Any:
        """POST JSON with the admin token; the answer, parsed."""
        return self._ask("POST", path, json=body).json()

    def _ask(self, method: str, path: str, **given: Any) -> httpx.Response:
        token = (self.data / "admin.token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        answer = self.client.request(method, self.url + path, headers=headers, **given)
        if answer.is_error:
            raise RuntimeError(f"{method} {path} answered {answer.status_code}: {answer.text[:500]}")
        return answer

    def status(self) -> dict[str, Any]:
        """``/v1/operations/status``, as ``aftermerge status`` shows it."""
        found: dict[str, Any] = self.get("/v1/operations/status").json()
        return found

    def stored(self) -> int:
        """Spans that queries see now."""
        return int(self.status()["held"]["span_count"])

    def drain(self, span_count: int, seconds: float = 600.0) -> float:
        """Wait until so many spans can be queried; returns how long it took. Asking ten times a second cost as much
        CPU as a twentieth of what is measured."""
        return await_until(
            lambda: self.stored() >= span_count, seconds, f"{span_count:,} spans are stored", every_s=0.5
        )

    def drain_all(self, seconds: float = 600.0) -> float:
        """Wait until nothing waits in the spool; returns how long it took."""
        return await_until(lambda: self.status()["backlog_bytes"] == 0, seconds, "the spool is empty")


@contextmanager
def running(
    data: Path, *, program: tuple[str, ...] = WHOLE, settings: dict[str, str] | None = None
) -> Iterator[Server]:
    """A server that is ready; drained at the end, or killed when something went wrong."""
    server = Server(data, program, settings or {})
    try:
        server.start()
        yield server
        server.stop()
    finally:
        server.kill()
        server.client.close()


def parsed(stated: list[str]) -> dict[str, str]:
    """``["KEY=VALUE", ...]`` as settings for :class:`Server`.

    Raises:
        ValueError: one of them has no ``=``.
    """
    found = {}
    for item in stated:
        name, separator, value = item.partition("=")
        if not separator:
            raise ValueError(f"{item!r} is not KEY=VALUE")
        found[name.removeprefix("AFTERMERGE_").lower()] = value
    return found
