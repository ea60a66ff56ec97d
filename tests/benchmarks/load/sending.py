"""Load: a plan, what came of it, and the process of its own that carries it out (``python -m benchmarks.load.sending``).

Closed loop: so many requests are under way at any time. Open loop: requests start at the offered rate, whatever became
of those before, and their latency counts from when they were due. Bounded in time and in requests.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from benchmarks.load.ledger import Ledger
from benchmarks.load.templates import NONCE_BYTES, Fresh, Recipe, source
from benchmarks.load.transports import Transport, connect

TESTS = Path(__file__).resolve().parents[2]
WINDOW_S = 10.0
_TRIES_MAX = 6
"""As the SDK's exporters: six tries with pauses of 1, 2, 4, ... seconds, or the server's wish."""
_RECONNECT_S = 0.05
_START_S = 120.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """``endpoint``: ``127.0.0.1:port`` for gRPC, a URL for HTTP. ``rate``: spans/s offered; None is a closed loop.

    ``in_flight``: requests under way at once; with a rate, the most of them. ``retries``: what is refused for now is
    sent again as exporters do; without, each refused or unanswered request is given up and the next is a new one.
    """

    endpoint: str
    transport: str = "grpc"
    compression: str = "none"
    in_flight: int = 8
    rate: float | None = None
    seconds: float = 10.0
    requests: int = 1_000_000
    warmup: int = 8
    retries: bool = True
    timeout_s: float = 60.0
    headers: dict[str, str] = field(default_factory=dict)
    ledger: str | None = None
    recipe: Recipe = field(default_factory=Recipe)


@dataclass(frozen=True, kw_only=True)
class Window:
    """Acknowledgements of some seconds. ``at_s``: its middle, since the start."""

    at_s: float
    acks: int
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, kw_only=True)
class Sent:
    """Spans, except ``statuses`` (attempts by status). ``acked`` includes the ``warmup`` spans sent before the clock ran."""

    acked: int
    warmup: int
    rejected: int
    given_up: int
    attempts: int
    statuses: dict[str, int]
    is_all_retryable: bool
    seconds: float
    cpu_s: float
    ack_ms: dict[str, float]
    windows: tuple[Window, ...]
    bytes_per_span: float

    @property
    def timed(self) -> int:
        """Spans acknowledged while the clock ran."""
        return self.acked - self.warmup

    @property
    def per_second(self) -> float:
        """Spans acknowledged a second."""
        return self.timed / self.seconds if self.seconds else 0.0

    @property
    def client_us_per_span(self) -> float:
        """CPU of the sender."""
        return self.cpu_s / max(1, self.timed) * 1e6

    @property
    def refusals(self) -> dict[str, int]:
        """Attempts that were not acknowledged, by status."""
        return {name: count for name, count in self.statuses.items() if name not in {"OK", "200"}}


class Sender:
    """A sender's process. It begins when :meth:`go` is called, so that building templates is nobody's cost."""

    def __init__(self, plan: Plan) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.load.sending", json.dumps(asdict(plan))],
            env=os.environ | {"PYTHONPATH": f"{TESTS}:{TESTS.parent}", "NO_PROXY": "*"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._limit_s = plan.seconds + plan.timeout_s * _TRIES_MAX

    def ready(self) -> "Sender":
        """Wait until templates are built and the warm-up is acknowledged."""
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != "ready":
            self.kill()
            raise RuntimeError("the sender did not start")
        return self

    def go(self) -> "Sender":
        """Let it send."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return self

    def stop(self) -> Sent:
        """Ask it to end now."""
        self._process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> Sent:
        """What came of it, once its plan is done."""
        said, _ = self._process.communicate(timeout=self._limit_s)
        if self._process.returncode != 0:
            raise RuntimeError(f"the sender ended with code {self._process.returncode}")
        told = json.loads(said)
        return Sent(**told | {"windows": tuple(Window(**window) for window in told["windows"])})

    def kill(self) -> None:
        """End it, whatever it does."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()


def send(plan: Plan) -> Sent:
    """Carry out ``plan`` in a process of its own."""
    sender = Sender(plan)
    try:
        return sender.ready().go().wait()
    finally:
        sender.kill()


class Run:
    """One plan under way."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.templates = plan.recipe.templates
        self.requests = source(self.templates, lambda: os.urandom(NONCE_BYTES))
        self.ledger = Ledger(Path(plan.ledger), self.templates) if plan.ledger else None
        self.statuses: Counter[str] = Counter()
        self.acks: list[tuple[float, float]] = []
        self.acked = self.rejected = self.given_up = self.begun = self.bytes = 0
        self.is_all_retryable = True
        self.is_stopped = False
        self.began = 0.0

    async def deliver(self, transport: Transport, number: int, fresh: Fresh, due: float) -> None:
        """One request, as often as it takes."""
        spans = self.templates[number].span_count
        for attempt in range(_TRIES_MAX):
            started = due if attempt == 0 else time.perf_counter()
            answer = await transport.send(fresh.body)
            now = time.perf_counter()
            self.statuses[answer.status] += 1
            if answer.is_acked:
                self.acks.append((now - self.began, now - started))
                self.acked += spans - answer.rejected
                self.rejected += answer.rejected
                self.bytes += len(fresh.body)
                if self.ledger is not None:
                    self.ledger.add(number, fresh.nonce)
                return
            self.is_all_retryable &= answer.is_retryable
            if not (self.plan.retries and answer.is_retryable):
                break
            await asyncio.sleep(answer.retry_after_s or float(2**attempt))
        self.given_up += spans
        if not answer.is_answered:
            await asyncio.sleep(_RECONNECT_S)

    def is_over(self) -> bool:
        """The plan's bounds are reached, or somebody asked."""
        return (
            self.is_stopped
            or self.begun >= self.plan.requests
            or time.perf_counter() - self.began >= self.plan.seconds
        )

    async def closed(self, transport: Transport) -> None:
        """``in_flight`` requests at any time."""

        async def lane() -> None:
            while not self.is_over():
                self.begun += 1
                number, fresh = next(self.requests)
                await self.deliver(transport, number, fresh, time.perf_counter())

        await asyncio.gather(*(lane() for _ in range(self.plan.in_flight)))

    async def open(self, transport: Transport, rate: float) -> None:
        """A request whenever one is due, at most ``in_flight`` at a time."""
        room = asyncio.Semaphore(self.plan.in_flight)
        due = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:

            async def one(number: int, fresh: Fresh, due: float) -> None:
                try:
                    await self.deliver(transport, number, fresh, due)
                finally:
                    room.release()

            while not self.is_over():
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                await room.acquire()
                self.begun += 1
                number, fresh = next(self.requests)
                tasks.create_task(one(number, fresh, due))
                due += self.templates[number].span_count / rate

    def told(self, *, warmup: int, cpu_s: float) -> Sent:
        """What came of it."""
        acks = np.array(self.acks or [(0.0, 0.0)])
        at, took = acks[:, 0], acks[:, 1] * 1000
        windows = []
        for start in np.arange(0.0, at.max() + 1e-9, WINDOW_S):
            inside = took[(at >= start) & (at < start + WINDOW_S)]
            if len(inside):
                p50, p99 = (float(p) for p in np.percentile(inside, (50, 99)))
                windows.append(
                    Window(at_s=float(start + WINDOW_S / 2), acks=len(inside), p50_ms=p50, p99_ms=p99)
                )
        shown = dict(zip(("p50", "p90", "p99"), map(float, np.percentile(took, (50, 90, 99))), strict=True))
        return Sent(
            acked=self.acked,
            warmup=warmup,
            rejected=self.rejected,
            given_up=self.given_up,
            attempts=sum(self.statuses.values()),
            statuses=dict(self.statuses),
            is_all_retryable=self.is_all_retryable,
            seconds=float(at.max()),
            cpu_s=cpu_s,
            ack_ms=shown | {"max": float(took.max())},
            windows=tuple(windows),
            bytes_per_span=self.bytes / max(1, self.acked),
        )


async def carry_out(plan: Plan) -> Sent:
    """Build, warm up, wait for the word, send."""
    run = Run(plan)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: setattr(run, "is_stopped", True))
    transport = connect(
        plan.transport,
        plan.endpoint,
        compression=plan.compression,
        timeout_s=plan.timeout_s,
        headers=plan.headers,
    )
    for _ in range(plan.warmup):
        await run.deliver(transport, *next(run.requests), time.perf_counter())
    warmup = run.acked
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    run.acks.clear()
    run.began, cpu_s = time.perf_counter(), time.process_time()
    await (run.closed(transport) if plan.rate is None else run.open(transport, plan.rate))
    cpu_s = time.process_time() - cpu_s
    await transport.close()
    if run.ledger is not None:
        run.ledger.close()
    return run.told(warmup=warmup, cpu_s=cpu_s)


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    found = asyncio.run(carry_out(Plan(**given | {"recipe": Recipe(**given["recipe"])})))
    sys.stdout.write(json.dumps(asdict(found)) + "\n")
