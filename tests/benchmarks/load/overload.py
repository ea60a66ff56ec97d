"""More than the server can take: memory stays bounded, refusals are of the kind that exporters retry, nothing is lost.

Two overloads of one server with a small backlog, which is not restarted between them: a closed loop with many requests
in flight, and an open loop at a multiple of what the closed one achieved.
"""

import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.load import ledger, printing, servers
from benchmarks.load.processes import Sampler
from benchmarks.load.sending import Plan, Sender, Sent
from benchmarks.load.servers import Server
from benchmarks.load.templates import Recipe, Template

TIMES_CAPACITY = 5.0
CLOSED_IN_FLIGHT = 64
OPEN_IN_FLIGHT = 256
"""Bounds the sender's own memory: 300 KB a request."""


@dataclass
class Overload:
    """One overload and what came of it."""

    name: str
    plan: Plan
    sent: Sent | None = None
    peak_mb: float = 0.0
    backlogs: list[int] = field(default_factory=list)
    recovered_s: float = 0.0

    def carry_out(self, server: Server) -> Sent:
        """Send, watch, and wait until all is stored and the server is ready again."""
        sender, ended = Sender(self.plan), threading.Event()
        watching = threading.Thread(target=self._watch, args=(server, ended), daemon=True)
        try:
            sender.ready()
            with Sampler(server.pid) as sampler:
                watching.start()
                self.sent = sender.go().wait()
                ended.set()
                self.recovered_s = server.drain_all()
                servers.await_until(server.is_ready, servers.START_S, "the server is ready again")
            self.peak_mb = sampler.peak_mb
        finally:
            ended.set()
            sender.kill()
        return self.sent

    def _watch(self, server: Server, ended: threading.Event) -> None:
        while not ended.wait(0.5):
            self.backlogs.append(int(server.status()["backlog_bytes"]))


def run(*, seconds: float, backlog_mib: int, settings: dict[str, str]) -> bool:
    """All overloads; False when something was lost, or refused for good."""
    stated = {"backlog_bytes_max": str(backlog_mib << 20)} | settings
    with tempfile.TemporaryDirectory(prefix="aftermerge-load-") as folder:
        notes = Path(folder)
        with servers.running(notes / "data", settings=stated) as server:

            def plan(name: str, **given: Any) -> Plan:
                return Plan(endpoint=server.endpoints["grpc"], ledger=str(notes / name), **given)

            closed = Overload(
                f"{seconds:.0f} s, closed, {CLOSED_IN_FLIGHT} in flight",
                plan("closed", in_flight=CLOSED_IN_FLIGHT, seconds=seconds),
            )
            rate = TIMES_CAPACITY * closed.carry_out(server).per_second
            opened = Overload(
                f"{seconds:.0f} s, open, {rate:,.0f} spans/s offered",
                plan("open", in_flight=OPEN_IN_FLIGHT, seconds=seconds, rate=rate),
            )
            opened.carry_out(server)
            server.drain_all()
        templates = Recipe().templates
        found = [(o, _judged(o, templates, server.store)) for o in (closed, opened)]
    _show(found, backlog_mib)
    return all(v.missing == 0 and o.sent and o.sent.is_all_retryable for o, v in found)


def _judged(overload: Overload, templates: list[Template], store: Path) -> ledger.Verdict:
    assert overload.plan.ledger is not None
    return ledger.judge(Path(overload.plan.ledger), templates, store)


def _show(found: list[tuple[Overload, ledger.Verdict]], backlog_mib: int) -> None:
    rows = []
    for overload, verdict in found:
        sent = overload.sent
        assert sent is not None
        rows.append(
            [
                overload.name,
                round(sent.per_second),
                verdict.acked,
                verdict.missing,
                verdict.doubled,
                sent.given_up,
                ", ".join(f"{name} {count:,}" for name, count in sorted(sent.refusals.items())) or "none",
                "yes" if sent.is_all_retryable else "NO",
                round(overload.peak_mb),
                round(max(overload.backlogs, default=0) / 2**20),
                overload.recovered_s,
            ]
        )
    printing.show(
        f"Overload of one server, backlog bounded at {backlog_mib} MiB",
        (
            "overload",
            "acked spans/s",
            "acked",
            "missing",
            "doubled",
            "given up by the sender",
            "refused attempts",
            "all retryable",
            "peak MB",
            "backlog MiB",
            "drained after s",
        ),
        rows,
    )
