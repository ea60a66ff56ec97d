"""How a benchmark measures: CPU time of this process and of the ones it starts, ours and a baseline by turns.

CPU time and not the clock, because the machine may be shared; by turns and the least of some rounds, because a busy
neighbour slows both. Nothing here asserts a time: what a run found is a ratio in a table, for a person to read.
"""

import gc
import resource
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

WIDTH = 180


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds of one piece of work, and over how many items."""

    seconds: float
    items: int

    @property
    def us_per_item(self) -> float:
        return self.seconds / self.items * 1e6


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table: what was measured, on what, against what."""

    path: str
    shape: str
    item: str
    ours: Cost
    baseline_name: str
    baseline: Cost
    note: str

    @property
    def ratio(self) -> float:
        """Cost of ours over cost of the baseline, per item: below 1 is cheaper than the baseline."""
        return self.ours.us_per_item / self.baseline.us_per_item


@dataclass(slots=True)
class Board:
    """The lines of one run, in the order in which they were measured."""

    lines: list[Line] = field(default_factory=list)

    def add(
        self, path: str, shape: str, *, item: str, ours: Cost, against: str, baseline: Cost, note: str = ""
    ) -> None:
        """One line. ``item``: what the costs are per (singular); ``against``: the baseline in two to six words."""
        self.lines.append(Line(path, shape, item, ours, against, baseline, note))

    def show(self, console: Console) -> None:
        """Print the table."""
        table = Table(title="CPU time, ours beside a baseline in the same run", title_justify="left")
        for heading in ("path", "data", "per"):
            table.add_column(heading)
        for heading in ("ours µs", "items/CPU s", "baseline µs"):
            table.add_column(heading, justify="right", no_wrap=True)
        table.add_column("baseline")
        table.add_column("ours ÷ baseline", justify="right", style="bold")
        table.add_column("note")
        previous = None
        for line in self.lines:
            if previous not in (None, line.path):
                table.add_section()
            table.add_row(
                line.path if line.path != previous else "",
                line.shape,
                line.item,
                figure(line.ours.us_per_item),
                figure(1e6 / line.ours.us_per_item),
                figure(line.baseline.us_per_item),
                line.baseline_name,
                figure(line.ratio),
                line.note,
            )
            previous = line.path
        console.print(table)


def cpu_s() -> float:
    """CPU seconds so far: user and system, every thread, and child processes that have ended."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        used = resource.getrusage(who)
        total += used.ru_utime + used.ru_stime
    return total


def cost(work: Callable[[], object], *, items: int) -> Cost:
    """CPU seconds of one call of ``work``."""
    gc.collect()
    started = cpu_s()
    work()
    return Cost(cpu_s() - started, items)


def side_by_side(
    ours: Callable[[], object], baseline: Callable[[], object], *, items: int, rounds: int = 3
) -> tuple[Cost, Cost]:
    """The least cost of each over ``rounds``, by turns; one call of either handles ``items``."""
    return least((cost(ours, items=items), cost(baseline, items=items)) for _ in range(rounds))


def least(rounds: Iterable[tuple[Cost, Cost]]) -> tuple[Cost, Cost]:
    """The least cost of ours and of the baseline over the rounds."""
    ours, baseline = zip(*rounds, strict=True)
    return min(ours, key=_seconds), min(baseline, key=_seconds)


def _seconds(found: Cost) -> float:
    return found.seconds


def figure(value: float) -> str:
    """``value`` with three significant digits, thousands grouped."""
    if value >= 100:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}"
