"""Hostile senders at full size against a server process, while a well-behaved one goes on: ``make hostile``.

Not part of the suite: about five minutes. One line per attack: what it was answered, the most memory the process held
during it, and how the well-behaved sender fared meanwhile (a request refused for now is sent again, as exporters do,
and its latency runs on). Ends with 1 when an answer, a bound or the well-behaved sender is not as it should be.
"""

import contextlib
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import hostile_senders as hostile
import httpx
import otlp_builders as build
import server_process
from hostile_senders import HEAD, MIB
from server_process import Running

PROTOBUF = {"content-type": "application/x-protobuf"}
RSS_MIB_MAX = 3072
"""Of the whole process, store included; 64 bodies of 64 MiB would be 4096 without a bound."""
REQUEST_TIMEOUT_S = 5
ROUNDS, PER_ROUND = 100, 1000
"""Connections that come and go."""


@dataclass
class Attack:
    """``run`` returns what it was answered; ``expected`` are the answers that are right."""

    name: str
    run: Callable[["Server"], Counter[str]]
    expected: frozenset[str]


class Server:
    """Where the process listens, and what it holds."""

    def __init__(self, running: Running) -> None:
        self.http, self.grpc = running.server.otlp_http_port, running.server.otlp_grpc_port
        self.pid = running.process.pid
        self.url = f"http://127.0.0.1:{self.http}/v1/traces"

    def rss_mib(self) -> int:
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return next(int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith("VmRSS"))

    def over_http(self, body: Any, **headers: str) -> str:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            answer = httpx.post(self.url, content=body, headers=PROTOBUF | named, timeout=60, trust_env=False)
        except httpx.TransportError as error:
            return type(error).__name__
        return f"http {answer.status_code}"

    def over_grpc(self, body: bytes) -> str:
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(f"127.0.0.1:{self.grpc}", options=options) as channel:
            try:
                channel.unary_unary(hostile.EXPORT)(body, timeout=60)
            except grpc.RpcError as error:
                told: Any = error
                details = dict(told.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
                return f"grpc {told.code().name}{' later' if b'RetryInfo' in details else ''}"
        return "grpc OK"


@dataclass
class WellBehaved:
    """Two exporters that send a span every 50 ms, one over each door, and send again what was refused for now."""

    server: Server
    latencies_s: dict[str, list[float]] = field(default_factory=lambda: {"http": [], "grpc": []})
    lost: list[str] = field(default_factory=list)
    most_mib: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "WellBehaved":
        self._threads = [threading.Thread(target=f) for f in (self._http, self._grpc, self._watch)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _http(self) -> None:
        with httpx.Client(timeout=60, trust_env=False) as client:

            def send(body: bytes) -> str:
                try:
                    code = client.post(self.server.url, content=body, headers=PROTOBUF).status_code
                except httpx.TransportError:
                    return "later"
                return "later" if code in (429, 502, 503, 504) else "" if code == 200 else f"http {code}"

            self._go_on(send, "http")

    def _grpc(self) -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(f"127.0.0.1:{self.server.grpc}", options=options) as channel:
            export = channel.unary_unary(hostile.EXPORT)

            def send(body: bytes) -> str:
                try:
                    export(body, timeout=60)
                except grpc.RpcError as error:
                    told: Any = error
                    details = dict(told.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
                    passes = (
                        told.code().name in ("UNAVAILABLE", "DEADLINE_EXCEEDED") or b"RetryInfo" in details
                    )
                    return "later" if passes else told.code().name
                return ""

            self._go_on(send, "grpc")

    def told(self) -> str:
        ordered = {door: sorted(found) for door, found in self.latencies_s.items()}
        return ", ".join(
            f"{len(found)} over {door} (median {statistics.median(found) * 1000:.0f} ms, longest {found[-1]:.2f} s)"
            for door, found in ordered.items()
        )

    def _go_on(self, send: Callable[[bytes], str], door: str) -> None:
        while not self._ended.wait(0.05):
            body = build.traces(build.span()).SerializeToString()
            began = time.monotonic()
            while (told := send(body)) == "later" and time.monotonic() - began < 60:
                time.sleep(0.25)
            if told:
                self.lost.append(told)
            self.latencies_s[door].append(time.monotonic() - began)

    def _watch(self) -> None:
        while not self._ended.wait(0.02):
            self.most_mib = max(self.most_mib, self.server.rss_mib())


# --- attacks --------------------------------------------------------------------------------------------


def together(count: int, send: Callable[[int], str]) -> Counter[str]:
    with ThreadPoolExecutor(count) as pool:
        return Counter(pool.map(send, range(count)))


def bombs(server: Server) -> Counter[str]:
    gzipped, zstd = hostile.gzip_bomb(1024 * MIB), hostile.zstd_bomb(1024 * MIB)
    sends: tuple[Callable[[], str], ...] = (
        lambda: server.over_http(gzipped, content_encoding="gzip"),
        lambda: server.over_http(zstd, content_encoding="zstd"),
        lambda: server.over_grpc(gzipped),
    )
    return together(64, lambda number: sends[number % 3]())


def inflated(server: Server) -> Counter[str]:
    """64 senders of what is just allowed: 60 MiB each, a thousandth on the wire."""
    body = hostile.padded(60 * MIB)
    return together(
        64,
        lambda n: server.over_grpc(body) if n % 2 else server.over_http(body, content_encoding="gzip"),
    )


def large(server: Server) -> Counter[str]:
    """32 senders of 60 MiB that are not compressed."""
    body = build.traces(build.span(), scope="s" * 60 * MIB).SerializeToString()
    return together(32, lambda n: server.over_grpc(body) if n % 2 else server.over_http(hostile.chunks(body)))


def nested(server: Server) -> Counter[str]:
    protobuf, json = hostile.nested_protobuf(63 * MIB), hostile.nested_json(63 * MIB)
    return Counter(
        [
            server.over_http(protobuf),
            server.over_grpc(protobuf),
            server.over_http(json, content_type="application/json"),
        ]
    )


def slow_headers(server: Server) -> Counter[str]:
    return trickled(server.http, [HEAD] * 1500)


def slow_bodies(server: Server) -> Counter[str]:
    return trickled(server.http, [HEAD + b"content-length: 100000\r\n\r\nx"] * 1500)


def trickled(port: int, beginnings: list[bytes]) -> Counter[str]:
    """Each connection sends its beginning and then a byte a second, for two request timeouts."""
    answered: Counter[str] = Counter()
    with contextlib.ExitStack() as opened:
        living = []
        for beginning in beginnings:
            with contextlib.suppress(OSError):
                connection = opened.enter_context(hostile.connected(port))
                connection.sendall(beginning)
                connection.setblocking(False)
                living.append(connection)
        for _ in range(2 * REQUEST_TIMEOUT_S):
            time.sleep(1)
            for connection in list(living):
                try:
                    said = connection.recv(4096)
                except BlockingIOError:
                    with contextlib.suppress(OSError):
                        connection.send(b"x")
                except OSError:
                    said = b""
                    answered["closed"] += 1
                    living.remove(connection)
                else:
                    answered[f"http {said[9:12].decode()}" if said else "closed"] += 1
                    living.remove(connection)
        answered["still open"] += len(living)
    return +answered


def slow_calls(server: Server) -> Counter[str]:
    """500 calls that announce 60 MiB and send a byte a second, for two request timeouts."""
    count = 500
    with contextlib.ExitStack() as opened:
        calls = [opened.enter_context(hostile.begun_call(server.grpc, 60 * MIB)) for _ in range(count)]
        for _ in range(2 * REQUEST_TIMEOUT_S):
            time.sleep(1)
            for call in calls:
                with contextlib.suppress(OSError):
                    call.sendall(hostile.data(b"x"))
        ended = 0
        for call in calls:
            call.setblocking(False)
            with contextlib.suppress(OSError):
                # The trailers carry the status as text.
                ended += b"grpc-status" in call.recv(1 << 20)
    return Counter({"grpc ended": ended, "still open": count - ended})


def come_and_go(server: Server) -> Counter[str]:
    """100,000 connections, a thousand at a time, a few with a beginning."""
    failed = 0
    for number in range(ROUNDS):
        port = server.grpc if number % 2 else server.http
        with contextlib.ExitStack() as opened:
            for at in range(PER_ROUND):
                try:
                    connection = opened.enter_context(hostile.connected(port))
                    if at % 10 == 0:
                        connection.sendall(HEAD[: at % 60])
                except OSError:
                    failed += 1
    return Counter({"opened": ROUNDS * PER_ROUND - failed, "refused": failed})


ATTACKS = (
    Attack(
        "64 bombs of 1 GiB",
        bombs,
        frozenset({"http 413", "grpc RESOURCE_EXHAUSTED", "http 503", "grpc RESOURCE_EXHAUSTED later"}),
    ),
    Attack(
        "64 x 60 MiB, compressed",
        inflated,
        frozenset({"http 200", "http 503", "grpc OK", "grpc RESOURCE_EXHAUSTED later"}),
    ),
    Attack(
        "32 x 60 MiB", large, frozenset({"http 200", "http 503", "grpc OK", "grpc RESOURCE_EXHAUSTED later"})
    ),
    Attack("63 MiB of nesting", nested, frozenset({"http 400", "grpc INVALID_ARGUMENT"})),
    Attack("1500 slow headers", slow_headers, frozenset({"http 408", "http 503", "closed"})),
    Attack("1500 slow bodies", slow_bodies, frozenset({"http 408", "http 503", "closed"})),
    Attack("500 slow calls", slow_calls, frozenset({"grpc ended"})),
    Attack("100,000 connections", come_and_go, frozenset({"opened", "refused"})),
)


def main(names: list[str]) -> int:
    bad = 0
    for attack in ATTACKS:
        if names and not any(name in attack.name for name in names):
            continue
        with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as server:
            with WellBehaved(server) as other:
                time.sleep(1)
                began = time.monotonic()
                answered = +attack.run(server)
                took_s = time.monotonic() - began
                time.sleep(1)
            is_good = set(answered) <= attack.expected and not other.lost and other.most_mib <= RSS_MIB_MAX
            bad += not is_good
            print(
                f"{'ok ' if is_good else 'BAD'} {attack.name:25} {took_s:5.1f} s  {other.most_mib:5} MiB at most, "
                f"{server.rss_mib()} after; meanwhile {other.told()}, lost {other.lost or 'none'}; "
                f"answers {dict(answered)}",
                flush=True,
            )
    return 1 if bad else 0


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Server]:
    with server_process.serving(folder / "data", request_timeout_s=REQUEST_TIMEOUT_S) as running:
        yield Server(running)
        assert running.stop() == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
