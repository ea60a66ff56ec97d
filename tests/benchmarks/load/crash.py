"""Killed at random moments under load: what was acknowledged is in the store, once. And a restart with a full spool."""

import random
import tempfile
import time
from pathlib import Path

import httpx
from benchmarks.load import ledger, printing, servers
from benchmarks.load.processes import Sampler
from benchmarks.load.sending import Plan, Sender, send
from benchmarks.load.servers import DURABLE_ONLY, WHOLE, Server
from benchmarks.load.templates import Recipe
from benchmarks.load.transports import connect

ALIVE_S = (0.2, 4.0)
"""Bounds of a life's length after its first acknowledgement."""
STARTING_S = (0.5, 2.5)
"""Bounds of a life's length after the start, for one life in four: it ends before or while it begins to receive."""
IN_FLIGHT_MAX = 64
REPLAY_S = 900.0
_ENDLESS_BYTES = str(1 << 40)


def rounds(count: int, *, rate: float, seed: int, transport: str, settings: dict[str, str]) -> bool:
    """Kill the server ``count`` times; False when a span is missing or doubled.

    One sender offers ``rate`` spans a second all the time, also to a server that starts and replays, and never sends the
    same twice: what is there twice was stored twice.
    """
    chance, recipe = random.Random(seed), Recipe(count=8)
    with tempfile.TemporaryDirectory(prefix="aftermerge-load-") as folder:
        server = Server(Path(folder) / "data", settings=settings)
        noted = Path(folder) / "acknowledged"
        plan = Plan(
            endpoint=server.endpoints[transport],
            transport=transport,
            rate=rate,
            in_flight=IN_FLIGHT_MAX,
            seconds=count * 60.0,
            timeout_s=5.0,
            retries=False,
            ledger=str(noted),
            recipe=recipe,
        )
        sender = None
        try:
            server.start()
            sender = Sender(plan).ready().go()
            for number in range(count):
                is_early = number > 0 and chance.random() < 0.25
                if not is_early:
                    known = _lines(noted)
                    servers.await_until(
                        lambda known=known: _lines(noted) > known,  # type: ignore[misc]
                        servers.START_S,
                        "the server acknowledges",
                    )
                lives_s = chance.uniform(*(STARTING_S if is_early else ALIVE_S))
                time.sleep(lives_s)
                left = len(list((server.data / "spool").glob("*.*")))
                server.kill()
                since = "start" if is_early else "first acknowledgement"
                printing.say(
                    f"kill {number + 1}, {lives_s:.1f} s after the {since}: "
                    f"{_lines(noted):,} requests acked so far, {left} segments in the spool"
                )
                server.start(wait=False)
            sent = sender.stop()
            servers.await_until(server.is_ready, REPLAY_S, "the server is ready")
            server.drain_all(REPLAY_S)
            server.stop()
            verdict = ledger.judge(noted, recipe.templates, server.store)
        finally:
            server.kill()
            if sender is not None:
                sender.kill()
    printing.show(
        f"{count} kills at random moments under load ({transport}, {rate:,.0f} spans/s offered, seed {seed})",
        ("spans", "count"),
        [
            ("acknowledged", verdict.acked),
            ("of these missing", verdict.missing),
            ("of these doubled", verdict.doubled),
            ("stored", verdict.stored),
            (
                "stored, never acknowledged (written before the kill, answer lost)",
                verdict.stored - verdict.acked,
            ),
            ("stored rows beyond the first of a span id", verdict.repeated),
            ("attempts by status", printing.brief(sent.statuses)),
        ],
    )
    # The warm-up is acknowledged and noted like the rest.
    return verdict.missing == verdict.doubled == verdict.repeated == 0 and verdict.acked == sent.acked


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def replay(span_count: int, *, settings: dict[str, str]) -> bool:
    """Start the whole server on a spool of ``span_count`` spans; False when not all of them arrive."""
    recipe = Recipe()
    with tempfile.TemporaryDirectory(prefix="aftermerge-load-") as folder:
        data = Path(folder) / "data"
        server = Server(data, DURABLE_ONLY, {"backlog_bytes_max": _ENDLESS_BYTES} | settings)
        try:
            server.start()
            plan = Plan(
                endpoint=server.endpoints["grpc"],
                requests=-(-span_count // recipe.span_count) - 8,
                warmup=8,
                seconds=600,
                recipe=recipe,
            )
            sent = send(plan)
            server.kill()
            spooled = sum(p.stat().st_size for p in (data / "spool").iterdir() if p.is_file())
            server.program, server.settings = WHOLE, settings
            began = time.monotonic()
            server.start(wait=False)
            with Sampler(server.pid, interval_s=0.1) as sampler:
                acked_s = _await_acknowledgement(server, began)
                lags = _watch(server, began)
                server.drain(sent.acked + 1, REPLAY_S)
                drained_s = time.monotonic() - began
                cost = server.usage().cpu_s / sent.acked * 1e6
            server.stop()
            held = ledger.size(server.store)
        finally:
            server.kill()
    printing.show(
        f"Restart with {sent.acked:,} spooled spans ({spooled / 1e6:,.0f} MB)",
        ("figure", "value"),
        [
            ("first request acknowledged after s", acked_s),
            ("/readyz 200 after s", lags[-1][0]),
            ("all of them visible after s", drained_s),
            ("loaded spans/s", round(sent.acked / drained_s)),
            (
                "lag told by the status, s, at first / most",
                f"{lags[0][1]} / {max(lag for _, lag, _ in lags)}",
            ),
            ("backlog told at first, bytes", lags[0][2]),
            ("µs/span of the restarted server", cost),
            ("peak MB", sampler.peak_mb),
            ("stored (one more was sent to see an acknowledgement)", held.spans),
        ],
    )
    return held.spans == sent.acked + 1


def _await_acknowledgement(server: Server, began: float) -> float:
    import asyncio

    (template,) = Recipe(count=1, span_count=1, seed=11).templates

    async def first() -> float:
        transport = connect("grpc", server.endpoints["grpc"], compression="none", timeout_s=5, headers={})
        body = template.fresh(bytes(range(16)), time.time_ns()).body
        while time.monotonic() - began < servers.START_S:
            if (await transport.send(body)).is_acked:
                await transport.close()
                return time.monotonic() - began
            await asyncio.sleep(0.05)
        raise servers.Late("no request was acknowledged")

    return asyncio.run(first())


def _watch(server: Server, began: float) -> list[tuple[float, float, int]]:
    """(seconds since the start, lag in seconds, backlog in bytes) as the status tells them, until ready."""
    found: list[tuple[float, float, int]] = []

    def is_ready() -> bool:
        try:
            is_up = server.is_ready()
            told = server.status()
        except (httpx.HTTPError, OSError):
            return False
        lag = float(told["server"]["loader_lag_s"])
        found.append((time.monotonic() - began, lag, int(told["backlog_bytes"])))
        return is_up

    servers.await_until(is_ready, REPLAY_S, "the server is ready")
    return found
