import asyncio
import gzip
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import inflight
from collector.encodings import TooLarge
from collector.inflight import Budget, Busy, Lease, TooSlow, Turns
from schemas.errors import MalformedInput

BODY = b"a span " * 1000


@given(st.lists(st.lists(st.integers(-5, 40), max_size=6), max_size=6))
def test_what_is_held_never_exceeds_the_bound_and_comes_back(leases: list[list[int]]) -> None:
    budget = Budget(100)

    def hold(rest: list[list[int]]) -> None:
        if not rest:
            return
        with budget.lease() as lease:
            for size in rest[0]:
                before = budget.held_bytes
                try:
                    lease.grow(size)
                except Busy:
                    assert before + size > 100
                    assert budget.held_bytes == before
                assert budget.held_bytes <= 100
            hold(rest[1:])

    hold(leases)
    assert budget.held_bytes == 0


def test_a_body_is_held_compressed_and_inflated_and_then_inflated_only() -> None:
    budget, zipped = Budget(len(BODY) + 1000), gzip.compress(BODY)

    async def inflate(content: bytes, bytes_max: int = len(BODY)) -> tuple[bytes, int]:
        with budget.lease() as lease:
            lease.grow(len(content))
            plain = await lease.inflate(content, "gzip", bytes_max)
            return plain, lease.held_bytes

    assert asyncio.run(inflate(zipped)) == (BODY, len(BODY))
    for content, bytes_max, refused in (
        (zipped, len(BODY) - 1, TooLarge),
        (zipped[:-1], len(BODY), MalformedInput),
        (gzip.compress(BODY * 2), 1 << 20, Busy),
        # Large enough for a thread.
        (gzip.compress(BODY, 0) * 8, 1 << 20, Busy),
    ):
        budget.bytes_max = len(content) + len(BODY)
        with pytest.raises(refused):
            asyncio.run(inflate(content, bytes_max))
        assert budget.held_bytes == 0


def test_what_is_not_compressed_stays_as_it_is() -> None:
    with Budget(10).lease() as lease:
        assert asyncio.run(Lease.inflate(lease, BODY, None, 1)) is BODY


# --- turns ----------------------------------------------------------------------------------------------


async def never() -> bytes:
    await asyncio.Event().wait()
    return b""


def saying(what: bytes) -> Callable[[], Awaitable[bytes]]:
    async def receive() -> bytes:
        await asyncio.sleep(0)
        return what

    return receive


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inflight, "TURN_S", 0.02)


@pytest.mark.usefixtures("impatient")
def test_who_takes_too_long_gives_way_once_others_wait() -> None:
    async def run() -> list[bytes | BaseException]:
        turns = Turns(1, timeout_s=30)
        dead = [asyncio.create_task(turns.read(never)) for _ in range(3)]
        await asyncio.sleep(0.05)
        living = await turns.read(saying(b"here"))
        # The other two dead ones had no turn yet, or give way to each other; the last may stay until its time is up.
        for task in dead:
            task.cancel()
        ended = await asyncio.gather(*dead, return_exceptions=True)
        assert await turns.read(saying(b"again")) == b"again"
        return [living, *ended]

    living, *ended = asyncio.run(run())
    assert living == b"here"
    assert isinstance(ended[0], Busy)
    assert all(isinstance(error, (Busy, asyncio.CancelledError)) for error in ended)


def test_alone_it_may_take_all_its_time() -> None:
    async def run() -> None:
        turns = Turns(1, timeout_s=0.05)
        with pytest.raises(TooSlow, match=r"within 0\.05 s"):
            await turns.read(never)
        assert await turns.read(saying(b"next")) == b"next"

    asyncio.run(run())


def test_turns_that_are_given_up_are_not_lost() -> None:
    """Whatever is cancelled, and whenever: afterwards as many may read as before."""

    async def run(cancelled: int, ticks: int) -> None:
        turns = Turns(2, timeout_s=30)
        tasks = [asyncio.create_task(turns.read(saying(b"x"))) for _ in range(6)]
        for _ in range(ticks):
            await asyncio.sleep(0)
        tasks[cancelled].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (turns._free_count, list(turns._waiting), turns._reading) == (2, [], {})

    for cancelled in range(6):
        for ticks in range(8):
            asyncio.run(run(cancelled, ticks))
