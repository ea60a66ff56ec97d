"""Other receivers of OTLP that install from the package index: how each is started, fed, counted and stopped.

They live in an environment of their own (``make peers``), because their dependencies are not ours. Each runs on
loopback in a folder of its own, with nothing that reaches out.
"""

import os
import signal
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from benchmarks.load.processes import Usage, usage
from benchmarks.load.sending import TESTS
from benchmarks.load.servers import Late, await_until

from demo.fleet import free_port

ENVIRONMENT = TESTS.parent / ".venv-peers"
START_S = 300.0
"""A first start writes the tables of its store by some hundred migrations."""
STOP_S = 30.0
_ROTEL = "from rotel.agent import Agent; print(Agent.agent_path)"


@dataclass(frozen=True)
class Peer:
    """``command`` and ``variables`` are given (folder, ports); ``count``: spans in its store, None if it keeps none.

    ``acks``: what an acknowledgement of it means, in a few words.
    """

    name: str
    package: str
    acks: str
    transports: dict[str, str]
    health: str | None
    spans: int
    command: Callable[[Path, list[int]], list[str]]
    variables: Callable[[Path, list[int]], dict[str, str]]
    headers: dict[str, str] = field(default_factory=dict)
    store: str | None = None

    @property
    def version(self) -> str:
        """As installed."""
        code = f"from importlib.metadata import version; print(version({self.package!r}))"
        return _answer(code)


def _mlflow(folder: Path, ports: list[int]) -> list[str]:
    store, artifacts = f"sqlite:///{folder}/mlflow.db", str(folder / "artifacts")
    return [
        *(str(ENVIRONMENT / "bin/python"), "-m", "mlflow", "server"),
        *("--host", "127.0.0.1", "--port", str(ports[1])),
        *("--backend-store-uri", store, "--artifacts-destination", artifacts),
        # One worker: the default of four cost a tenth more a span and were slower, waiting for each other at SQLite.
        *("--workers", "1"),
    ]


def _mlflow_variables(folder: Path, ports: list[int]) -> dict[str, str]:
    return {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        # Seven processes for jobs that have nothing to do with receiving.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }


def _phoenix(folder: Path, ports: list[int]) -> list[str]:
    return [str(ENVIRONMENT / "bin/python"), "-m", "phoenix.server.main", "serve"]


def _phoenix_variables(folder: Path, ports: list[int]) -> dict[str, str]:
    return {
        "PHOENIX_WORKING_DIR": str(folder),
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_GRPC_PORT": str(ports[0]),
        "PHOENIX_PORT": str(ports[1]),
        "PHOENIX_TELEMETRY_ENABLED": "false",
        "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
    }


def _rotel(folder: Path, ports: list[int]) -> list[str]:
    return [
        *(_answer(_ROTEL), "start", "--exporter", "blackhole"),
        *("--otlp-grpc-endpoint", f"127.0.0.1:{ports[0]}", "--otlp-http-endpoint", f"127.0.0.1:{ports[1]}"),
        *("--pid-file", str(folder / "pid"), "--log-file", str(folder / "log")),
    ]


def _rotel_variables(folder: Path, ports: list[int]) -> dict[str, str]:
    return {}


MLFLOW = Peer(
    name="MLflow tracking server (SQLite)",
    package="mlflow",
    acks="stored",
    transports={"http": "http://127.0.0.1:{http}/v1/traces"},
    health="/health",
    spans=8_192,
    command=_mlflow,
    variables=_mlflow_variables,
    headers={"x-mlflow-experiment-id": "0"},
    store="mlflow.db",
)
PHOENIX = Peer(
    name="Arize Phoenix (SQLite)",
    package="arize-phoenix",
    acks="in memory",
    transports={"grpc": "127.0.0.1:{grpc}", "http": "http://127.0.0.1:{http}/v1/traces"},
    health="/healthz",
    spans=4_096,
    command=_phoenix,
    variables=_phoenix_variables,
    store="phoenix.db",
)
ROTEL = Peer(
    name="Rotel (forwards to nowhere)",
    package="rotel",
    acks="in memory",
    transports={"grpc": "127.0.0.1:{grpc}", "http": "http://127.0.0.1:{http}/v1/traces"},
    health=None,
    spans=512_000,
    command=_rotel,
    variables=_rotel_variables,
)
ALL = {"mlflow": MLFLOW, "phoenix": PHOENIX, "rotel": ROTEL}


@dataclass
class Running:
    """One peer's processes."""

    peer: Peer
    folder: Path
    process: "subprocess.Popen[bytes]"
    ports: list[int]

    def endpoint(self, transport: str) -> str:
        """Where to send by ``transport``."""
        return self.peer.transports[transport].format(grpc=self.ports[0], http=self.ports[1])

    def usage(self) -> Usage:
        """CPU and memory of its process tree."""
        return usage(self.process.pid)

    def stored(self) -> int:
        """Spans in its store; 0 before there is one."""
        assert self.peer.store is not None
        try:
            with closing(
                sqlite3.connect(f"file:{self.folder / self.peer.store}?mode=ro", uri=True)
            ) as connection:
                return int(connection.execute("SELECT count(*) FROM spans").fetchone()[0])
        except sqlite3.OperationalError:
            # Locked, or its tables are not there yet: asked again later.
            return 0

    def store_bytes(self) -> int:
        """The store's files, journals included."""
        return sum(p.stat().st_size for p in self.folder.glob(f"{self.peer.store}*"))

    def stop(self) -> None:
        """End its processes: it leads a group of its own."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, number)
                self.process.wait(STOP_S)
            except ProcessLookupError:
                return
            except subprocess.TimeoutExpired:
                continue


def start(peer: Peer, folder: Path) -> Running:
    """Start it in ``folder`` and wait until it answers.

    Raises:
        Late: it did not.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ports = [free_port(), free_port()]
    clean = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("MLFLOW_", "PHOENIX_", "ROTEL_", "OTEL_", "PYTHON"))
    }
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            peer.command(folder, ports),
            cwd=folder,
            env=clean | {"HOME": str(folder), "NO_PROXY": "*"} | peer.variables(folder, ports),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    running = Running(peer, folder, process, ports)
    try:
        await_until(lambda: _answers(running), START_S, f"{peer.name} answers")
    except BaseException:
        running.stop()
        raise
    return running


def _answers(running: Running) -> bool:
    if running.process.poll() is not None:
        raise Late(f"{running.peer.name} ended: {(running.folder / 'output').read_text()[-2000:]}")
    path = running.peer.health
    try:
        answer = httpx.get(f"http://127.0.0.1:{running.ports[1]}{path or '/'}", trust_env=False, timeout=5)
    except httpx.HTTPError:
        return False
    return path is None or answer.is_success


def _answer(code: str) -> str:
    done = subprocess.run(
        [str(ENVIRONMENT / "bin/python"), "-c", code], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise Late(f"the peers are not installed, `make peers` does it: {done.stderr.strip()[-300:]}")
    return done.stdout.strip()
