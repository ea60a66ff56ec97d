"""What requests hold in memory between their first byte and their answer, bounded over both doors together.

Bytes count when they are here, not when they are announced: a sender that states a length and sends nothing holds
nothing. Beyond the bound a request is refused with a time to come back; exporters keep the batch and send it again.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from collector import encodings
from schemas.errors import AftermergeError, Overloaded

RETRY_AFTER_S = 2
"""What a refusal that passes tells a sender to wait. An SDK's exporter tries six times within ten seconds and waits as
it is told: with 2 it goes on for 8 s, with 1 or 5 for 5 s."""
TURN_S = 1.0
"""How long a body may arrive while others wait to be read; 64 MiB take half of it at one Gbit/s."""
TURNS_MAX = 64
_INLINE_BYTES_MAX = 32 * 1024
"""Larger compressed bodies are inflated in a thread: at what gzip usually saves, 256 KiB take a third of a millisecond."""

_INFLATING = ThreadPoolExecutor(2, thread_name_prefix="inflate")
"""Two, because each may come to hold a whole body of which the others then have less."""


class Busy(Overloaded):
    """More bytes or requests are in flight than fit."""


class TooSlow(AftermergeError):
    """The request did not arrive whole within its time."""


class Budget:
    """Counts the bytes of bodies in flight, compressed and inflated, up to ``bytes_max``. Any thread may ask."""

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self._held_bytes = 0
        self._lock = threading.Lock()

    @property
    def held_bytes(self) -> int:
        """Bytes in flight now."""
        return self._held_bytes

    @contextmanager
    def lease(self) -> Iterator["Lease"]:
        """The share of one request; what it holds at the end comes back."""
        lease = Lease(self)
        try:
            yield lease
        finally:
            lease.grow(-lease.held_bytes)

    def _take(self, size_bytes: int) -> None:
        with self._lock:
            if size_bytes > 0 and self._held_bytes + size_bytes > self.bytes_max:
                raise Busy(
                    "too many bytes of requests are in flight",
                    retry_after_s=RETRY_AFTER_S,
                    hint="send the same again later",
                    held_bytes=self._held_bytes,
                )
            self._held_bytes += size_bytes


class Lease:
    """What one request holds of a budget."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.held_bytes = 0

    def grow(self, size_bytes: int) -> None:
        """Hold ``size_bytes`` more, or fewer when negative.

        Raises:
            Busy: the budget has no room for them.
        """
        self._budget._take(size_bytes)
        self.held_bytes += size_bytes

    async def inflate(self, body: bytes, content_encoding: str | None, bytes_max: int) -> bytes:
        """``body``, which this lease holds already, as it was before it was compressed; then that is what it holds.

        Raises:
            Busy: the budget has no room for what comes out.
            MalformedInput: and its kinds, as :func:`encodings.inflate`.
        """
        if content_encoding is None:
            return body
        arguments = (body, content_encoding, bytes_max, self.grow)
        if len(body) > _INLINE_BYTES_MAX:
            loop = asyncio.get_running_loop()
            plain = await loop.run_in_executor(_INFLATING, encodings.inflate, *arguments)
        else:
            plain = encodings.inflate(*arguments)
        self.grow(len(plain) - self.held_bytes)
        return plain


class Turns:
    """Who may read a body whose size is known only when it is here, as gRPC hands them over.

    At most ``count`` bodies arrive at a time, in the order in which they came. While others wait a turn lasts no longer
    than ``TURN_S``, and the shorter the more of them there are: a row of dead uploads of any length is over in a few
    times ``TURN_S``, where a fixed turn would hold a living sender up for as long as the row is. Belongs to one event
    loop.
    """

    def __init__(self, count: int, timeout_s: float) -> None:
        self._count = self._free_count = count
        self._timeout_s = timeout_s
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._reading: dict[asyncio.Timeout, float] = {}
        """Since when, in the loop's time."""

    async def read(self, receive: Callable[[], Awaitable[bytes]]) -> bytes:
        """What ``receive`` returns, once it is this request's turn.

        Raises:
            Busy: it gave way to others.
            TooSlow: it was not here, or did not get its turn, in time.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._take()
                try:
                    return await self._receive(receive)
                finally:
                    self._give()
        except TimeoutError as error:
            raise too_slow(self._timeout_s) from error

    async def _take(self) -> None:
        if self._free_count:
            self._free_count -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        for deadline, since_s in self._reading.items():
            if not deadline.expired():
                deadline.reschedule(since_s + self._turn_s())
        try:
            await turn
        except asyncio.CancelledError:
            if turn in self._waiting:
                self._waiting.remove(turn)
            elif not turn.cancelled():
                # It was given while we were giving up.
                self._give()
            raise

    def _give(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free_count += 1

    def _turn_s(self) -> float:
        return TURN_S / (1 + len(self._waiting) / self._count)

    async def _receive(self, receive: Callable[[], Awaitable[bytes]]) -> bytes:
        now_s = asyncio.get_running_loop().time()
        deadline = asyncio.timeout_at(now_s + self._turn_s() if self._waiting else None)
        try:
            async with deadline:
                self._reading[deadline] = now_s
                return await receive()
        except TimeoutError as error:
            raise Busy(
                "the request arrived slowly while others waited",
                retry_after_s=RETRY_AFTER_S,
                hint="send the same again later",
            ) from error
        finally:
            del self._reading[deadline]


def too_slow(timeout_s: float) -> TooSlow:
    return TooSlow(f"the request did not arrive whole within {timeout_s:g} s", hint="send smaller batches")
