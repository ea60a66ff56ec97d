"""After ``kill -9`` at any moment and a restart, every acknowledged span is in the store exactly once."""

import asyncio
import itertools
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import otlp_builders as build
import pytest

from collector import segments
from collector.counters import Counters
from collector.loader import Loader
from collector.spool import Spool
from schemas.settings import Settings
from schemas.store import Store

PROCESS = Path(__file__).parent.parent / "otlp_process.py"
SPANS_PER_REQUEST = 8


class Sender(threading.Thread):
    """Sends requests as fast as it can until the server is gone; knows which were acknowledged."""

    def __init__(self, port: int, numbers: "itertools.count[int]") -> None:
        super().__init__(daemon=True)
        self._url, self._numbers = f"http://127.0.0.1:{port}/v1/traces", numbers
        self.acknowledged: list[int] = []

    def run(self) -> None:
        with httpx.Client() as client:
            while True:
                ids = [next(self._numbers) for _ in range(SPANS_PER_REQUEST)]
                spans = [
                    build.span(trace_id=n.to_bytes(16, "big"), span_id=n.to_bytes(8, "big")) for n in ids
                ]
                body = build.traces(*spans).SerializeToString()
                try:
                    answer = client.post(
                        self._url,
                        content=body,
                        headers={"content-type": "application/x-protobuf"},
                        timeout=10,
                    )
                except httpx.HTTPError:
                    return
                if answer.status_code == 200:
                    self.acknowledged.extend(ids)


def killed_under_load(folder: Path, numbers: "itertools.count[int]", seconds: float) -> list[int]:
    """Span ids acknowledged by one life of the server, which ends with SIGKILL in mid-load."""
    command = [sys.executable, str(PROCESS), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROCESS.parent.parent) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        senders = [Sender(port, numbers) for _ in range(4)]
        for sender in senders:
            sender.start()
        deadline = time.monotonic() + 20
        while not all(s.acknowledged for s in senders) and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        for sender in senders:
            sender.join(15)
    return [n for s in senders for n in s.acknowledged]


@pytest.mark.slow
def test_acknowledged_spans_survive_kill_9_exactly_once(tmp_path: Path) -> None:
    numbers = itertools.count(1)
    moments = random.Random(7)
    acknowledged: list[int] = []
    for _ in range(3):
        acknowledged += killed_under_load(tmp_path, numbers, moments.uniform(0.1, 0.6))
    settings = Settings(data=tmp_path)
    store, counters = Store.open(settings.store_path), Counters()
    spool = Spool(settings.spool_path, counters=counters)
    loader = Loader(store, spool, settings, counters)
    loader.start()
    assert loader.stop(30)
    asyncio.run(spool.close())
    rows = store.rows("SELECT span_id, count(*) AS times FROM facts.spans GROUP BY span_id")
    times = {row["span_id"]: row["times"] for row in rows}
    in_done = store.value("SELECT sum(span_count)::BIGINT FROM facts.spool_done")
    store.close()
    assert len(acknowledged) > 100
    assert [n for n in acknowledged if n not in times] == []
    assert {n for n, count in times.items() if count > 1} == set()
    assert in_done == len(times)
    assert segments.find(settings.spool_path) == []
