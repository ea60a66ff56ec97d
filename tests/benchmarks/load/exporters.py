"""The SDK's exporters at their defaults, against a server that refuses everything for some seconds: do they lose spans?

The backlog is filled while the loader rests, so that every export is refused; then the loader is woken and the server
takes them again. That is shorter than the 10 s after which these exporters give a batch up.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb
import httpx
from benchmarks.load import printing, servers
from benchmarks.load.sending import TESTS
from benchmarks.load.servers import DURABLE_ONLY, Server
from benchmarks.load.templates import NONCE_BYTES, Recipe

REFUSED_S = 5.0
"""From the first refusal that an application may meet until the loader is woken."""
APPLICATION_S = 15.0
SPANS_PER_S = 150.0
"""Of one application: its queue of 2,048 spans holds 13 s of them."""
REQUESTS_MAX = 2_000
_BACKLOG_BYTES = str(8 << 20)


def run(*, settings: dict[str, str]) -> bool:
    """One application by each transport; False when a span was lost or none of its exports was refused."""
    with tempfile.TemporaryDirectory(prefix="aftermerge-load-") as folder:
        server = Server(Path(folder) / "data", DURABLE_ONLY, {"backlog_bytes_max": _BACKLOG_BYTES} | settings)
        applications: dict[str, subprocess.Popen[str]] = {}
        try:
            server.start()
            _fill(server)
            applications = {kind: _application(server, kind) for kind in server.endpoints}
            # The first export comes seconds after the start: refusals are waited for, not guessed.
            refused = _refused(server)
            servers.await_until(
                lambda: _refused(server) > refused, servers.START_S, "an application meets a refusal"
            )
            time.sleep(REFUSED_S)
            os.kill(server.pid, signal.SIGUSR1)
            told = {kind: json.loads(p.communicate(timeout=120)[0]) for kind, p in applications.items()}
            server.drain_all()
            server.stop()
            stored = {kind: _stored(server.store, kind) for kind in applications}
        finally:
            for process in applications.values():
                process.kill()
            server.kill()
    _show(told, stored)
    return all(stored[kind] == t["made"] and t["retries"] for kind, t in told.items())


def _fill(server: Server) -> None:
    """Send, smaller and smaller requests at last, until not even one span is taken any more."""
    headers = {"Content-Type": "application/x-protobuf"}
    for span_count in (512, 16, 1):
        (template,) = Recipe(count=1, span_count=span_count).templates
        for _ in range(REQUESTS_MAX):
            body = template.fresh(os.urandom(NONCE_BYTES), time.time_ns()).body
            answer = server.client.post(server.endpoints["http"], content=body, headers=headers)
            if answer.status_code != httpx.codes.OK:
                break


def _refused(server: Server) -> int:
    told = server.status()["server"]["signals"]["traces"]["requests_refused"]
    return sum(told.values())


def _application(server: Server, transport: str) -> "subprocess.Popen[str]":
    arguments = (
        *(server.endpoints[transport], transport, f"application-{transport}"),
        *(str(SPANS_PER_S), str(APPLICATION_S)),
    )
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.load.sdk_application", *arguments],
        env=os.environ | {"PYTHONPATH": f"{TESTS}:{TESTS.parent}", "NO_PROXY": "*"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def _stored(store: Path, transport: str) -> int:
    """Distinct spans of an application: an exporter sends a batch twice when an answer is lost."""
    with duckdb.connect(str(store), read_only=True) as connection:
        row = connection.execute(
            "SELECT count(DISTINCT span_id) FROM facts.spans WHERE service = $service",
            {"service": f"application-{transport}"},
        ).fetchone()
    assert row is not None
    return int(row[0])


def _show(told: dict[str, dict[str, Any]], stored: dict[str, int]) -> None:
    printing.show(
        f"SDK at its defaults, {SPANS_PER_S:.0f} spans/s for {APPLICATION_S:.0f} s, every export refused for"
        f" {REFUSED_S:.0f} s and until the backlog has room",
        ("exporter", "made", "exporter: taken", "exporter: failed", "retries", "longest export s", "stored"),
        [
            [
                kind,
                *(t[k] for k in ("made", "exported", "failed", "retries", "longest_export_s")),
                stored[kind],
            ]
            for kind, t in told.items()
        ],
    )
