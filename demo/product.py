"""The product as its users meet it: a server process, a command line, a REST port. Nothing of it is imported."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demo.fleet import PROJECT, free_port

START_S = 60.0
STOP_S = 60.0
COMMAND = (sys.executable, "-m", "api.cli")


class ProductError(Exception):
    """The product said no, or nothing at all."""


@dataclass
class Product:
    """``aftermerge serve`` on ``data`` with free loopback ports."""

    data: Path
    grpc_port: int = field(default_factory=free_port)
    http_port: int = field(default_factory=free_port)
    api_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def endpoints(self) -> dict[str, str]:
        """OTLP protocol -> URL."""
        return {
            "grpc": f"http://127.0.0.1:{self.grpc_port}",
            "http/protobuf": f"http://127.0.0.1:{self.http_port}",
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def log_path(self) -> Path:
        return self.data / "logs" / "aftermerge.log"

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AFTERMERGE_")}
        return inherited | {
            "PYTHONPATH": str(PROJECT),
            "NO_PROXY": "127.0.0.1,localhost",
            "AFTERMERGE_DATA": str(self.data),
            "AFTERMERGE_OTLP_GRPC_PORT": str(self.grpc_port),
            "AFTERMERGE_OTLP_HTTP_PORT": str(self.http_port),
            "AFTERMERGE_API_PORT": str(self.api_port),
        }

    def start(self) -> None:
        """Start the server and wait until it is ready.

        Raises:
            ProductError: it ended, or was not ready in ``START_S`` seconds; with the end of its log.
        """
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*COMMAND, "serve", "--data", str(self.data)],
                cwd=self.data,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C on the terminal is for the demo, which then stops the server in order.
                start_new_session=True,
            )
        ends = time.monotonic() + START_S
        while time.monotonic() < ends:
            if self.process.poll() is not None:
                raise ProductError(f"the server ended with code {self.process.returncode}\n{self.log_tail()}")
            try:
                with urllib.request.urlopen(self.url + "/readyz", timeout=5) as response:
                    # The command line finds the server by this file; a server that was killed left an old one.
                    if response.status == 200 and self._is_announced():
                        return
            except (urllib.error.URLError, OSError):
                pass
            time.sleep(0.1)
        raise ProductError(f"the server was not ready in {START_S} s\n{self.log_tail()}")

    def _is_announced(self) -> bool:
        path = self.data / "server.json"
        try:
            return bool(json.loads(path.read_text())["pid"] == (self.process.pid if self.process else None))
        except (OSError, ValueError, KeyError):
            return False

    def stop(self) -> None:
        """Ask the server to drain and end, and wait for it."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise ProductError(f"the server did not stop in {STOP_S} s\n{self.log_tail()}") from None

    def kill(self) -> None:
        """End the server without any warning, as a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def command(self, *arguments: str) -> str:
        """Run ``aftermerge ARGUMENTS`` against the running server; what it printed."""
        done = subprocess.run(
            [*COMMAND, *arguments, "--data", str(self.data)],
            cwd=self.data,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if done.returncode != 0:
            raise ProductError(f"aftermerge {' '.join(arguments)}: {done.stdout}{done.stderr}".strip())
        return done.stdout

    @property
    def token(self) -> str:
        return (self.data / "admin.token").read_text().strip()

    def post(self, path: str, body: object | None = None) -> Any:
        """POST ``body`` as JSON; the answer, parsed."""
        return self._send("POST", path, None if body is None else json.dumps(body).encode())

    def get(self, path: str, **query: str) -> Any:
        """GET ``path``; the answer, parsed."""
        return self._send("GET", f"{path}?{urllib.parse.urlencode(query)}" if query else path, None)

    def log_tail(self, lines: int = 15) -> str:
        text = self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def _send(self, method: str, path: str, body: bytes | None) -> Any:
        request = urllib.request.Request(self.url + path, data=body, method=method)
        request.add_header("Authorization", f"Bearer {self.token}")
        request.add_header("Accept", "application/json")
        if body is not None:
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=300) as response:
                text = response.read()
        except urllib.error.HTTPError as error:
            said = error.read().decode(errors="replace")
            raise ProductError(f"{method} {path} answered {error.code}: {said}") from error
        except (urllib.error.URLError, OSError) as error:
            raise ProductError(f"{method} {path}: {error}\n{self.log_tail()}") from error
        return json.loads(text) if text else None
