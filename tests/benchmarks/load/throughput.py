"""What a span costs the server, and how many it takes: durable only, and durable and queryable.

A closed loop with eight requests in flight, several runs on fresh data folders by turns, the median of each. CPU is the
server's process tree, from the first timed request until everything acknowledged can be queried (or, without a loader,
until the last acknowledgement).
"""

import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import ledger, printing, servers
from benchmarks.load.processes import Sampler
from benchmarks.load.sending import Plan, Sender, Sent
from benchmarks.load.servers import DURABLE_ONLY, WHOLE

# The spool may take what a run sends: here nobody loads it.
_ENDLESS_BYTES = str(1 << 40)
_RARELY_S = "3600"


@dataclass(frozen=True, slots=True)
class Variant:
    """One line of the table."""

    name: str
    program: tuple[str, ...]
    transport: str
    compression: str
    settings: dict[str, str]


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of one variant. ``drained_s``: from the last acknowledgement until all can be queried; ``stored``: spans in
    the file at the end. Both are nothing without a loader."""

    sent: Sent
    us_per_span: float
    peak_mb: float
    drained_s: float = 0.0
    stored: int | None = None
    bytes_per_span: float | None = None

    @property
    def visible_per_s(self) -> float:
        """Spans a second until the last of them can be queried: what is kept up in the long run."""
        return self.sent.timed / (self.sent.seconds + self.drained_s)

    @property
    def is_complete(self) -> bool:
        """Everything that was acknowledged is in the store, and nothing else."""
        return self.stored in (None, self.sent.acked)


def variants(
    transports: list[str], compressions: list[str], settings: dict[str, str], off: dict[str, str]
) -> list[Variant]:
    """Both kinds of server by each transport; once more with ``off`` on top of ``settings`` when it is given."""
    found = []
    for label, extra in (("", {}), (f" ({_named(off)})", off)):
        if label and not off:
            continue
        for kind, program, own in (
            ("durable", DURABLE_ONLY, {"backlog_bytes_max": _ENDLESS_BYTES}),
            ("queryable", WHOLE, {}),
        ):
            for transport in transports:
                for compression in compressions:
                    name = f"{kind}, {transport}, {compression}{label}"
                    stated = {"correlate_interval_s": _RARELY_S} | own | settings | extra
                    found.append(Variant(name, program, transport, compression, stated))
    return found


def compare(chosen: list[Variant], *, rounds: int, seconds: float, requests: int, in_flight: int) -> None:
    """Run every variant ``rounds`` times, by turns, and print the medians."""
    found: dict[str, list[Measured]] = {variant.name: [] for variant in chosen}
    for number in range(rounds):
        for variant in chosen:
            measured = run(variant, seconds=seconds, requests=requests, in_flight=in_flight)
            found[variant.name].append(measured)
            printing.say(
                f"round {number + 1}, {variant.name}: {measured.us_per_span:.2f} µs/span, "
                f"{measured.sent.per_second:,.0f} spans/s, refused {measured.sent.refusals or 'none'}, "
                f"acked {measured.sent.acked:,}, stored {'–' if measured.stored is None else f'{measured.stored:,}'}"
            )
    printing.show(
        f"Server's CPU, closed loop with {in_flight} in flight on the same machine, median of {rounds}",
        (
            "server",
            "µs/span",
            "least – most",
            "spans/CPU s",
            "acked spans/s",
            "visible spans/s",
            "ack p50 ms",
            "p99 ms",
            "refused attempts",
            "bytes/span",
            "peak MB",
            "client µs/span",
            "stored = acked",
        ),
        [_row(name, runs) for name, runs in found.items()],
    )


def run(variant: Variant, *, seconds: float, requests: int, in_flight: int) -> Measured:
    """One run on a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="aftermerge-load-") as folder:
        data = Path(folder) / "data"
        is_whole = variant.program == WHOLE
        server = servers.Server(data, variant.program, variant.settings)
        sender = None
        try:
            server.start()
            plan = Plan(
                endpoint=server.endpoints[variant.transport],
                transport=variant.transport,
                compression=variant.compression,
                in_flight=in_flight,
                seconds=seconds,
                requests=requests,
            )
            sender = Sender(plan).ready()
            if is_whole:
                server.drain(plan.warmup * plan.recipe.span_count)
            before = server.usage()
            with Sampler(server.pid) as sampler:
                sent = sender.go().wait()
                drained_s = server.drain(sent.acked) if is_whole else 0.0
                after = server.usage()
            us_per_span = (after.cpu_s - before.cpu_s) / sent.timed * 1e6
            if not is_whole:
                return Measured(sent, us_per_span, sampler.peak_mb)
            server.stop()
            held = ledger.size(server.store)
            return Measured(sent, us_per_span, sampler.peak_mb, drained_s, held.spans, held.bytes_per_span)
        finally:
            server.kill()
            if sender is not None:
                sender.kill()


def _row(name: str, runs: list[Measured]) -> list[object]:
    costs = [r.us_per_span for r in runs]
    cost = statistics.median(costs)
    sizes = [r.bytes_per_span for r in runs if r.bytes_per_span is not None]
    return [
        name,
        cost,
        f"{min(costs):.2f} – {max(costs):.2f}",
        round(1e6 / cost),
        round(statistics.median(r.sent.per_second for r in runs)),
        round(statistics.median(r.visible_per_s for r in runs)) if sizes else None,
        statistics.median(r.sent.ack_ms["p50"] for r in runs),
        statistics.median(r.sent.ack_ms["p99"] for r in runs),
        round(statistics.median(sum(r.sent.refusals.values()) for r in runs)),
        round(statistics.median(sizes)) if sizes else None,
        round(max(r.peak_mb for r in runs)),
        statistics.median(r.sent.client_us_per_span for r in runs),
        "yes" if all(r.is_complete for r in runs) else "NO",
    ]


def _named(settings: dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in settings.items())
