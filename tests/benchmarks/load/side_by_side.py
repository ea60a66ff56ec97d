"""What a span costs us and what it costs the peers: the same requests, in one run, on one machine, by turns.

CPU of the process tree from the first timed request until every acknowledged span is in the store (where there is
one), so that nobody gains by acknowledging early. Ours does both of its kinds: durable only beside the peer that
stores nothing, durable and queryable beside those that store.
"""

import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import peers, printing, servers, throughput
from benchmarks.load.peers import Peer
from benchmarks.load.processes import Sampler
from benchmarks.load.sending import Plan, Sender
from benchmarks.load.servers import DURABLE_ONLY
from benchmarks.load.throughput import Variant
from benchmarks.measures import figure

OUR_SPANS = 1_024_000
"""As many as ``server`` sends. The first of them pay for the memory that the later ones find: of a quarter as many a
tenth more each."""
DRAIN_S = 900.0


@dataclass(frozen=True, slots=True)
class Line:
    """One run of one receiver. ``stored`` and ``bytes_per_span`` are None where nothing is stored."""

    name: str
    acks: str
    transport: str
    acked: int
    stored: int | None
    us_per_span: float
    spans_per_s: float
    ack_p50_ms: float
    visible_s: float
    bytes_per_span: float | None
    peak_mb: float
    process_count: int


def compare(
    names: list[str], *, rounds: int, transports: list[str], in_flight: int, settings: dict[str, str]
) -> bool:
    """Measure and print; False when a store does not hold what was acknowledged."""
    runs: dict[tuple[str, str], list[Line]] = {}
    for number in range(rounds):
        for transport in transports:
            found = [_ours(v, in_flight) for v in throughput.variants([transport], ["none"], settings, {})]
            chosen = [peers.ALL[name] for name in names if transport in peers.ALL[name].transports]
            found += [_theirs(peer, transport, in_flight) for peer in chosen]
            for line in found:
                runs.setdefault((line.name, line.transport), []).append(line)
                printing.say(
                    f"round {number + 1}, {line.name}, {transport}: {line.us_per_span:,.2f} µs/span, "
                    f"acked {line.acked:,}, stored {line.stored}"
                )
    medians = {key: statistics.median(line.us_per_span for line in lines) for key, lines in runs.items()}
    rows = []
    for (name, transport), lines in runs.items():
        last, cost = lines[-1], medians[name, transport]
        ours = medians["ours, durable" if last.stored is None else "ours, queryable", transport]
        rows.append(
            [
                name,
                transport,
                last.acks,
                cost,
                round(1e6 / cost),
                "1" if name.startswith("ours") else f"1 : {figure(cost / ours)}",
                round(statistics.median(line.spans_per_s for line in lines)),
                statistics.median(line.ack_p50_ms for line in lines),
                statistics.median(line.visible_s for line in lines),
                last.bytes_per_span,
                round(max(line.peak_mb for line in lines)),
                last.process_count,
                f"{last.acked:,} / {'–' if last.stored is None else f'{last.stored:,}'}",
            ]
        )
    printing.show(
        f"CPU of the process tree, closed loop, {in_flight} in flight, 512 spans a request, median of {rounds}",
        (
            "receiver",
            "transport",
            "an ack means",
            "µs/span",
            "spans/CPU s",
            "ours : peer",
            "acked spans/s",
            "ack p50 ms",
            "last ack to all visible s",
            "bytes/span",
            "peak MB",
            "processes",
            "acked / stored",
        ),
        rows,
    )
    return all(line.stored in (None, line.acked) for lines in runs.values() for line in lines)


def _ours(variant: Variant, in_flight: int) -> Line:
    measured = throughput.run(variant, seconds=60, requests=OUR_SPANS // 512, in_flight=in_flight)
    kind = "durable" if variant.program == DURABLE_ONLY else "queryable"
    return Line(
        name=f"ours, {kind}",
        acks="on disk",
        transport=variant.transport,
        acked=measured.sent.acked,
        stored=measured.stored,
        us_per_span=measured.us_per_span,
        spans_per_s=measured.sent.per_second,
        ack_p50_ms=measured.sent.ack_ms["p50"],
        visible_s=measured.drained_s,
        bytes_per_span=measured.bytes_per_span,
        peak_mb=measured.peak_mb,
        process_count=1,
    )


def _theirs(peer: Peer, transport: str, in_flight: int) -> Line:
    with tempfile.TemporaryDirectory(prefix="peer-") as folder:
        running = peers.start(peer, Path(folder))
        sender = None
        try:
            plan = Plan(
                endpoint=running.endpoint(transport),
                transport=transport,
                in_flight=in_flight,
                requests=peer.spans // 512,
                warmup=1,
                seconds=300,
                headers=peer.headers,
            )
            sender = Sender(plan).ready()
            if peer.store is not None:
                # The warm-up's cost must not be counted as the timed requests' own.
                _await_stored(running, plan.recipe.span_count)
            before = running.usage()
            with Sampler(running.process.pid) as sampler:
                sent = sender.go().wait()
                visible_s = _await_stored(running, sent.acked) if peer.store is not None else 0.0
                after = running.usage()
            stored = running.stored() if peer.store is not None else None
            return Line(
                name=f"{peer.name} {peer.version}",
                acks=peer.acks,
                transport=transport,
                acked=sent.acked,
                stored=stored,
                us_per_span=(after.cpu_s - before.cpu_s) / sent.timed * 1e6,
                spans_per_s=sent.per_second,
                ack_p50_ms=sent.ack_ms["p50"],
                visible_s=visible_s,
                bytes_per_span=running.store_bytes() / stored if stored else None,
                peak_mb=sampler.peak_mb,
                process_count=after.process_count,
            )
        finally:
            running.stop()
            if sender is not None:
                sender.kill()


def _await_stored(running: peers.Running, span_count: int) -> float:
    return servers.await_until(
        lambda: running.stored() >= span_count,
        DRAIN_S,
        f"{running.peer.name} stored {span_count:,}",
        every_s=0.5,
    )
