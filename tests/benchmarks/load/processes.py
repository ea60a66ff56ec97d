"""CPU time and memory of a process and all that it started, as Linux tells them in ``/proc``."""

import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Usage:
    """``cpu_s``: user and system, of the living and of the children that they have waited for. ``rss_bytes``: of the
    living together; pages that processes share are counted for each, but for those of a child that has not become
    another program yet: it stands on its parent's. ``mapped_bytes``: how much of that are pages of files, such as the
    code of libraries, which the system drops and reads again as it likes."""

    cpu_s: float
    rss_bytes: int
    mapped_bytes: int
    process_count: int


def usage(pid: int) -> Usage:
    """What the tree under ``pid`` has used until now."""
    children: dict[int, list[int]] = {}
    fields: dict[int, list[str]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                # The name, in parentheses, may hold anything: what follows it is plain.
                stat = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            fields[int(entry)] = stat
            children.setdefault(int(stat[1]), []).append(int(entry))
    ticks = pages = mapped = count = 0
    waiting: list[tuple[int, str | None]] = [(pid, None)]
    while waiting:
        current, above = waiting.pop()
        # Where its stack began is drawn anew for each program that is started.
        stack = fields[current][25] if current in fields else None
        if stack is not None:
            ticks += sum(map(int, fields[current][11:15]))
            if stack == "0" or stack != above:
                pages += int(fields[current][21])
                mapped += _mapped_pages(current)
            count += 1
        waiting += [(child, stack) for child in children.get(current, [])]
    return Usage(ticks / _TICKS_PER_S, pages * _PAGE_BYTES, mapped * _PAGE_BYTES, count)


def _mapped_pages(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[2])
    except OSError:
        return 0


@dataclass(frozen=True, slots=True)
class Sample:
    """Memory at a time; ``at_s``: seconds since the sampler began."""

    at_s: float
    rss_bytes: int
    mapped_bytes: int
    cpu_s: float


@dataclass
class Sampler:
    """Samples the tree under ``pid`` in a thread for as long as the context lasts."""

    pid: int
    interval_s: float = 0.5
    samples: list[Sample] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def peak_mb(self) -> float:
        """Most memory seen, in MB of 10^6 bytes."""
        return max((s.rss_bytes for s in self.samples), default=0) / 1e6

    def __enter__(self) -> "Sampler":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        began = time.monotonic()
        while True:
            found = usage(self.pid)
            if found.process_count:
                at_s = time.monotonic() - began
                self.samples.append(Sample(at_s, found.rss_bytes, found.mapped_bytes, found.cpu_s))
            if self._ended.wait(self.interval_s):
                return
