"""Senders that mean harm, or are broken: refused with the right code, and nobody else is held up by them.

The same at full size against a server process: ``make hostile``.
"""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import hostile_senders as hostile
import httpx
import otlp_builders as build
import pytest
from google.rpc import error_details_pb2, status_pb2
from hostile_senders import HEAD, MIB

PROTOBUF = {"content-type": "application/x-protobuf"}
SLOW_S = 1.0
"""The bound on slow requests here. What is asserted is that a request ends, not when."""


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[build.Collector]:
    with build.running_collector(
        tmp_path_factory.mktemp("data"),
        body_bytes_max=4 * MIB,
        inflight_bytes_max=8 * MIB,
        request_timeout_s=SLOW_S,
        connections_max=20,
    ) as running:
        yield running


def good_body() -> bytes:
    return build.traces(build.span()).SerializeToString()


def is_served(running: build.Collector) -> bool:
    """Both doors take an ordinary request; what they refuse for now is sent again, as exporters do."""
    return _retried(lambda: over_http(running, good_body()).status_code == 200) and _retried(
        lambda: over_grpc(running, good_body()) == b""
    )


def over_http(running: build.Collector, body: Any, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.post(f"{running.url}/v1/traces", content=body, headers=PROTOBUF | named, timeout=30)


def over_grpc(running: build.Collector, body: bytes, **options: Any) -> bytes:
    with grpc.insecure_channel(f"127.0.0.1:{running.grpc_port}", **options) as channel:
        answered: bytes = channel.unary_unary(hostile.EXPORT)(body, timeout=30)
        return answered


def refusal(
    running: build.Collector, body: bytes, **options: Any
) -> tuple[grpc.StatusCode, status_pb2.Status]:
    with pytest.raises(grpc.RpcError) as caught:
        over_grpc(running, body, **options)
    error: Any = caught.value
    details = dict(error.trailing_metadata()).get("grpc-status-details-bin", b"")
    return error.code(), status_pb2.Status.FromString(details)


def _retried(ask: Callable[[], bool], attempts: int = 20) -> bool:
    for _ in range(attempts):
        with contextlib.suppress(httpx.HTTPError, grpc.RpcError):
            if ask():
                return True
        time.sleep(0.25)
    return False


# --- bodies that are not what they seem -----------------------------------------------------------------


@pytest.mark.parametrize(("encoding", "bomb"), [("gzip", hostile.gzip_bomb), ("zstd", hostile.zstd_bomb)])
def test_a_bomb_is_too_large_and_holds_nothing_afterwards(
    collector: build.Collector, encoding: str, bomb: Any
) -> None:
    body = bomb(256 * MIB)
    assert len(body) < MIB
    answer = over_http(collector, body, content_encoding=encoding)
    assert answer.status_code == 413
    assert status_pb2.Status.FromString(answer.content).code == 8
    if encoding == "gzip":
        code, status = refusal(collector, body)
        assert (code, len(status.details)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, 0)
    assert collector.budget.held_bytes == 0
    assert is_served(collector)


def test_bottomless_nesting_is_malformed(collector: build.Collector) -> None:
    body = hostile.nested_protobuf(3 * MIB)
    assert over_http(collector, body).status_code == 400
    assert refusal(collector, body)[0] is grpc.StatusCode.INVALID_ARGUMENT
    answer = over_http(collector, hostile.nested_json(3 * MIB), content_type="application/json")
    assert answer.status_code == 400
    assert is_served(collector)


def test_many_large_bodies_at_a_time_are_refused_for_now_and_stay_within_the_budget(
    collector: build.Collector,
) -> None:
    """8 MiB fit; sixteen senders bring 3 MiB each, slowly enough to overlap."""
    body, together = (
        build.traces(build.span(), scope="s" * 3 * MIB).SerializeToString(),
        threading.Barrier(16),
    )
    most = 0

    def slowly() -> Iterator[bytes]:
        for number, part in enumerate(hostile.chunks(body, MIB)):
            if number == 2:
                with contextlib.suppress(threading.BrokenBarrierError):
                    together.wait(0.5)
            yield part

    def sent(_: int) -> httpx.Response:
        nonlocal most
        answered = over_http(collector, slowly())
        most = max(most, collector.budget.held_bytes)
        return answered

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(sent, range(16)))
    assert {answer.status_code for answer in answers} <= {200, 503}
    busy = [answer for answer in answers if answer.status_code == 503]
    assert busy
    assert {answer.headers["retry-after"] for answer in busy} == {"2"}
    assert status_pb2.Status.FromString(busy[0].content).details[0].Unpack(error_details_pb2.RetryInfo())
    assert most <= 8 * MIB
    assert collector.budget.held_bytes == 0
    name, labels = "aftermerge_otlp_requests_refused_total", {"signal": "traces", "reason": "busy"}
    assert collector.counters.registry.get_sample_value(name, labels) == len(busy)


def test_a_full_budget_is_exhausted_with_a_time_to_come_back(collector: build.Collector) -> None:
    with collector.budget.lease() as lease:
        lease.grow(8 * MIB)
        code, status = refusal(collector, good_body())
        retry = error_details_pb2.RetryInfo()
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert status.details[0].Unpack(retry)
        assert retry.retry_delay.seconds == 2
    assert is_served(collector)


# --- requests that take their time ----------------------------------------------------------------------


def test_headers_that_trickle_are_ended_in_time(collector: build.Collector) -> None:
    with hostile.connected(collector.http_port) as slow:
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            for byte in HEAD * 100:
                slow.sendall(bytes([byte]))
                time.sleep(0.1)
                if time.monotonic() - began > SLOW_S / 2:
                    break
        assert hostile.answer(slow).startswith(b"HTTP/1.1 408")
    with hostile.connected(collector.http_port) as silent:
        assert hostile.answer(silent) == b""


def test_a_body_that_trickles_is_ended_with_a_status(collector: build.Collector) -> None:
    with hostile.connected(collector.http_port) as slow:
        slow.sendall(HEAD + b"content-length: 1000\r\n\r\n" + b"x" * 10)
        # The rest of the body is not waited for: the connection ends.
        head, _, body = hostile.answer(slow).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 408")
        assert status_pb2.Status.FromString(body).code == 4
    assert collector.budget.held_bytes == 0


def test_a_call_that_trickles_is_ended(collector: build.Collector) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{collector.grpc_port}") as channel:

        def never() -> Iterator[bytes]:
            threading.Event().wait(20)
            yield b""

        with pytest.raises(grpc.RpcError) as caught:
            channel.stream_unary(hostile.EXPORT)(never(), timeout=20)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED  # type: ignore[attr-defined]
        assert "did not arrive whole" in caught.value.details()  # type: ignore[attr-defined]


def test_dead_uploads_do_not_close_the_grpc_door(tmp_path: Path) -> None:
    """Two bodies are read at a time; six are begun and go nowhere, for a minute if they could."""
    with (
        build.running_collector(
            tmp_path, body_bytes_max=4 * MIB, inflight_bytes_max=8 * MIB, request_timeout_s=60
        ) as running,
        contextlib.ExitStack() as begun,
    ):
        for _ in range(6):
            dead = begun.enter_context(hostile.begun_call(running.grpc_port, 3 * MIB))
            dead.sendall(hostile.data(bytes(10)))
        # What is_served waits for an answer is half of that minute.
        assert is_served(running)


def test_headers_without_end_are_too_large(collector: build.Collector) -> None:
    for endless in (
        b"x-long: " + b"x" * 200_000,
        b"x: y\r\n" * 40_000,
        b"transfer-encoding: chunked\r\n\r\n0;" + b"x" * 200_000,
    ):
        with hostile.connected(collector.http_port) as connection:
            with contextlib.suppress(ConnectionError):
                connection.sendall(HEAD + endless)
            assert hostile.answer(connection)[:12] in (b"HTTP/1.1 431", b"")
    with (
        grpc.insecure_channel(f"127.0.0.1:{collector.grpc_port}") as channel,
        pytest.raises(grpc.RpcError) as caught,
    ):
        channel.unary_unary(hostile.EXPORT)(b"", metadata=(("x", "x" * 40_000),), timeout=20)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED  # type: ignore[attr-defined]
    assert is_served(collector)


# --- connections ----------------------------------------------------------------------------------------


def test_idle_connections_give_way_to_whoever_has_something_to_say(collector: build.Collector) -> None:
    body = good_body()
    whole = HEAD + f"content-length: {len(body)}\r\n\r\n".encode() + body
    with contextlib.ExitStack() as opened:
        for _ in range(60):
            idle = opened.enter_context(hostile.connected(collector.http_port))
            idle.sendall(whole)
            assert idle.recv(4096).startswith(b"HTTP/1.1 200")


def test_connections_that_trickle_give_way_too(tmp_path: Path) -> None:
    """All twenty places are taken by requests that have a minute to arrive."""
    with (
        build.running_collector(tmp_path, request_timeout_s=60, connections_max=20) as running,
        contextlib.ExitStack() as opened,
    ):
        for number in range(30):
            slow = opened.enter_context(hostile.connected(running.http_port))
            with contextlib.suppress(ConnectionError):
                slow.sendall(HEAD + (b"content-length: 1000\r\n\r\nx" if number % 2 else b"x-slow: "))
        assert is_served(running)


def test_connections_that_come_and_go_leave_nothing(collector: build.Collector) -> None:
    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))

    assert is_served(collector)
    before = open_files()
    for port in (collector.http_port, collector.grpc_port):
        for _ in range(10):
            with contextlib.ExitStack() as opened:
                for _ in range(50):
                    opened.enter_context(hostile.connected(port))
    assert is_served(collector)
    assert _retried(lambda: open_files() <= before + 5)


def test_a_body_of_empty_messages_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    """Each takes two bytes to send and eighty times as many to hold."""
    spans = b"\x12\x00" * 2**19
    body = b"\x0a\x84\x80\x40\x12\x80\x80\x40" + spans
    with build.running_collector(tmp_path) as running:
        answer = httpx.post(f"{running.url}/v1/traces", content=body, headers=PROTOBUF)
        assert answer.status_code == 400
        assert b"empty messages" in answer.content
