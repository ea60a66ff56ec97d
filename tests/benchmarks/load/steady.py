"""A steady rate against the whole server at work: latencies, what queries take, how soon spans are seen, memory.

``latency`` asks how quick, ``soak`` whether anything grows: they differ in rate and length only.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from benchmarks.load import ledger, printing, production, servers, shop_code, trends
from benchmarks.load.processes import Sampler
from benchmarks.load.production import Markers, Questions
from benchmarks.load.sending import Plan, Sender, Sent
from benchmarks.load.templates import Recipe

SETTLED_S = 120.0
"""Slopes are judged from here on: before, caches fill."""
IN_FLIGHT_MAX = 256


@dataclass(frozen=True, slots=True)
class Found:
    """What one run showed."""

    sent: Sent
    questions: Questions
    markers: Markers
    sampler: Sampler
    cpu_us_per_span: float
    failure_groups: int
    held: ledger.Size
    peak_mb: float
    raised: int
    """How often the store was allowed more memory than its settings begin with."""


def run(*, rate: float, seconds: float, transport: str, settings: dict[str, str]) -> Found:
    """Offer ``rate`` spans a second for ``seconds``, drain, stop, and look at the store."""
    with tempfile.TemporaryDirectory(prefix="aftermerge-load-") as folder:
        history = shop_code.write(Path(folder) / "shop")
        with servers.running(Path(folder) / "data", settings=settings) as server:
            production.found(server, history)
            plan = Plan(
                endpoint=server.endpoints[transport],
                transport=transport,
                rate=rate,
                seconds=seconds,
                in_flight=IN_FLIGHT_MAX,
                recipe=Recipe(revision=history.head),
            )
            sender = Sender(plan)
            try:
                sender.ready()
                before = server.usage().cpu_s
                with (
                    Sampler(server.pid, interval_s=1.0) as sampler,
                    Markers(server) as markers,
                    Questions(server) as questions,
                ):
                    sent = sender.go().wait()
                server.drain(sent.acked + markers.spans)
                cost = (server.usage().cpu_s - before) / sent.timed * 1e6
                groups = server.get("/v1/services").json()["items"]
                raised = server.log.read_text().count("memory_raised")
            finally:
                sender.kill()
        held = ledger.size(Path(folder) / "data" / "aftermerge.duckdb")
    return Found(
        sent,
        questions,
        markers,
        sampler,
        cost,
        sum(g["failure_group_count"] for g in groups),
        held,
        sampler.peak_mb,
        raised,
    )


def show(found: Found, *, title: str) -> None:
    """Print what was found."""
    sent, sampler = found.sent, found.sampler
    samples = sampler.samples
    memory = [s.rss_bytes / 1e6 for s in samples]
    own = [(s.rss_bytes - s.mapped_bytes) / 1e6 for s in samples]
    expected = sent.acked + found.markers.spans
    printing.show(
        title,
        ("figure", "value"),
        [
            ("spans acknowledged (a second)", f"{sent.acked:,} ({sent.per_second:,.0f})"),
            ("spans stored, markers included", f"{found.held.spans:,} of {expected:,}"),
            ("ack ms, p50 / p90 / p99 / max", _quantiles(sent)),
            ("attempts refused; given up", f"{sent.refusals or 0}; {sent.given_up}"),
            *(
                (f"{path} ms, p50 / p99 / max", _three(took))
                for path, took in found.questions.took_ms.items()
            ),
            ("all of them ms, p50 / p99 / max", _three(found.questions.all_ms)),
            ("questions failed", len(found.questions.failures)),
            ("ack to visible s, p50 / p99 / max", _three([(0, s) for s in found.markers.visible_s])),
            ("memory MB, first minute / last minute / peak", _ends(memory)),
            ("of that its own, without mapped files", _ends(own)),
            ("times the store was given more memory", found.raised),
            ("server µs/span, everything included", found.cpu_us_per_span),
            ("bytes/span on disk", found.held.bytes_per_span),
            ("correlations ended while spans came; their s, p50 / p99 / max", _correlations(found)),
            ("failure groups that they found", found.failure_groups),
        ],
    )
    failures = [str(o["error"]) for o in found.markers.correlations.values() if o["error"] is not None]
    for failure in found.questions.failures[:3] + failures[:3]:
        printing.say(failure)
    windows, asked = sent.windows, found.questions.all_ms
    lines = {
        "memory MB": ([s.at_s for s in samples], memory),
        "of that its own MB": ([s.at_s for s in samples], own),
        "ack p50 ms": ([w.at_s for w in windows], [w.p50_ms for w in windows]),
        "ack p99 ms, windows of 10 s": ([w.at_s for w in windows], [w.p99_ms for w in windows]),
        "question ms": ([at for at, _ in asked], [took for _, took in asked]),
    }
    printing.show(
        f"Growth per hour and its 95 % interval, least squares over minutes, after the first {SETTLED_S:.0f} s",
        ("figure", "per hour"),
        [
            (name, trends.slope(at, values, skip_s=SETTLED_S) or "too short to say")
            for name, (at, values) in lines.items()
        ],
    )


def _quantiles(sent: Sent) -> str:
    return " / ".join(f"{sent.ack_ms[name]:.1f}" for name in ("p50", "p90", "p99", "max"))


def _three(found: list[tuple[float, float]]) -> str:
    if not found:
        return "–"
    values = np.array([value for _, value in found])
    return (
        " / ".join(f"{v:.3g}" for v in (*np.percentile(values, (50, 99)), values.max()))
        + f"  (n {len(values)})"
    )


def _correlations(found: Found) -> str:
    outcomes = found.markers.correlations.values()
    failed = sum(outcome["error"] is not None for outcome in outcomes)
    took = [(0.0, float(outcome["duration_s"])) for outcome in outcomes]
    return f"{_three(took)}, {failed} failed"


def _ends(memory: list[float]) -> str:
    return f"{np.mean(memory[:60]):.0f} / {np.mean(memory[-60:]):.0f} / {max(memory):.0f}"
