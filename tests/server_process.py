"""The server as its operators run it: a process of its own on a data folder, with free ports."""

import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from api import cli, folder
from api.folder import Server

PROJECT = Path(__file__).parent.parent
START_S = 60.0
STOP_S = 40.0


@dataclass
class Running:
    """One life of a server. ``log`` and ``printed`` are files that it writes."""

    data: Path
    process: "subprocess.Popen[bytes]"
    log: Path
    printed: Path
    trusted: ssl.SSLContext | bool = True

    @property
    def server(self) -> Server:
        found = folder.stated(self.data)
        assert found is not None
        return found

    @property
    def token(self) -> str:
        return (self.data / "admin.token").read_text().strip()

    def get(self, path: str, **given: Any) -> httpx.Response:
        """GET with the admin token."""
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.get(
            self.server.api_url + path, headers=headers, timeout=30, verify=self.trusted, **given
        )

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send the signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(STOP_S)


def environment(**settings: object) -> dict[str, str]:
    """Free ports and no setting of whoever runs the tests."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AFTERMERGE_")}
    ports = dict.fromkeys(("OTLP_GRPC_PORT", "OTLP_HTTP_PORT", "API_PORT"), "0")
    stated = ports | {name.upper(): str(value) for name, value in settings.items()}
    return (
        inherited
        | {"PYTHONPATH": str(PROJECT), "NO_PROXY": "*"}
        | {f"AFTERMERGE_{name}": value for name, value in stated.items()}
    )


@contextmanager
def serving(
    data: Path, *, program: tuple[str, ...] = ("-m", "api.cli"), **settings: object
) -> Iterator[Running]:
    """A server that is ready; killed at the end if the test did not stop it."""
    data.mkdir(parents=True, exist_ok=True)
    log, printed = data.parent / f"{data.name}.log", data.parent / f"{data.name}.out"
    with log.open("ab") as errors, printed.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, *program, "serve", "--data", str(data)],
            cwd=data.parent,
            env=environment(**settings),
            stdout=output,
            stderr=errors,
            start_new_session=True,
        )
    running = Running(data, process, log, printed)
    if certificate := settings.get("tls_certificate"):
        running.trusted = ssl.create_default_context(cafile=str(certificate))
    try:
        _await_ready(running)
        yield running
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _await_ready(running: Running) -> None:
    ends = time.monotonic() + START_S
    while time.monotonic() < ends:
        assert running.process.poll() is None, running.log.read_text()
        stated = folder.stated(running.data)
        if stated is not None and stated.pid == running.process.pid:
            try:
                if (
                    httpx.get(f"{stated.api_url}/readyz", timeout=5, verify=running.trusted).status_code
                    == 200
                ):
                    return
            except httpx.HTTPError:
                pass
        time.sleep(0.05)
    raise AssertionError(f"not ready in {START_S} s: {running.log.read_text()}")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What ``aftermerge ARGUMENTS`` prints, run in this process; it must succeed."""
    sys.argv = ["aftermerge", *arguments]
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr()
    assert ended.value.code in (0, None), said.err
    return said.out


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What ``aftermerge ARGUMENTS`` says to whom it refuses: an error, a hint, exit code 1, no traceback."""
    sys.argv = ["aftermerge", *arguments]
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr().err
    assert ended.value.code == 1, said
    assert said.startswith("error: ")
    assert "hint: " in said
    assert "Traceback" not in said
    return said


class _Acknowledged(SpanExporter):
    """Passes on what an exporter says, and remembers it."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self.count = 0

    def export(self, spans: Any) -> SpanExportResult:
        result = self._exporter.export(spans)
        self.count += len(spans) if result is SpanExportResult.SUCCESS else 0
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


def send(server: Server, count: int, *, service: str, transport: str, token: str | None = None) -> int:
    """``count`` spans through the SDK's own exporter, each a request; how many were acknowledged."""
    headers = {"authorization": f"Bearer {token}"} if token else None
    exporter: SpanExporter = (
        GrpcExporter(f"127.0.0.1:{server.otlp_grpc_port}", insecure=True, headers=headers, timeout=5)
        if transport == "grpc"
        else HttpExporter(f"http://127.0.0.1:{server.otlp_http_port}/v1/traces", headers=headers, timeout=5)
    )
    acknowledged = _Acknowledged(exporter)
    provider = TracerProvider(resource=Resource({"service.name": service}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(acknowledged))
    tracer = provider.get_tracer("tests")
    for number in range(count):
        with tracer.start_as_current_span(f"span {number}"):
            pass
    provider.shutdown()
    return acknowledged.count
