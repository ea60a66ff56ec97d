"""What the demo prints: progress while it runs, and tables that read well on a terminal and in a log file."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from demo import truth
from demo.answers import Answered, Score, Tagged, tag_counts
from demo.large import LargeTruth
from demo.replay import Played

METHODS = {
    "armblind_crude": "crude",
    "armaware_mh": "adjusted for size and time",
    "armaware_mh_tagcorrected": "... and for tag errors",
    "last_deployment": "naive: blame the last deployment",
    "share_weighted": "naive: share of each failed deployment",
}
WIDE = 140
"""Columns from which on one line per incident is enough; below, texts wrap."""
LOG_WIDTH = 150
"""Columns where nobody looks on: wide enough that no table wraps."""


@dataclass
class Terminal:
    """Prints through rich; on a terminal with a spinner, else one line per step."""

    console: Console = field(
        default_factory=lambda: Console(highlight=False, width=None if sys.stdout.isatty() else LOG_WIDTH)
    )
    phases: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Print and time one phase."""
        started = time.monotonic()
        self.console.print(f"[bold]{name}[/]")
        try:
            with self.console.status(""):
                yield
        finally:
            self.phases[name] = self.phases.get(name, 0.0) + time.monotonic() - started

    def line(self, text: str) -> None:
        self.console.print(text, soft_wrap=True)

    def played(self, number: int, total: int, played: Played) -> None:
        """One release as it went."""
        release = played.release
        down = [service for service, is_up in played.up.items() if not is_up]
        failed = len(played.failures)
        said = [
            "rollback"
            if release.rollback
            else f"{len(played.carried)} change{'s'[: len(played.carried) != 1]}",
            "to " + ", ".join(played.services),
            f"{played.asked} requests",
        ]
        if failed:
            said.append(f"[yellow]{failed} failed[/]")
        if down:
            said.append(f"[red]{', '.join(down)} did not start[/]")
        self.line(f"  {number:>2}/{total} day {release.at_s // 86_400:>2}  {', '.join(said)}")

    def incidents(self, answered: list[Answered], score: Score) -> None:
        """Answer beside truth, wrong answers included."""
        table = _table("Who caused it: the answer and the truth")
        table.expand = True
        table.add_column("", width=5)
        for name, ratio in (("incident", 5), ("answer", 6), ("truth", 6)):
            table.add_column(name, no_wrap=self.console.width >= WIDE, overflow="ellipsis", ratio=ratio)
        table.add_column("weight", justify="right", width=6)
        table.add_column("origin", width=10)
        table.add_column("category", min_width=25, overflow="fold")
        for item in answered:
            cause = item.cause
            origin, category = item.origin_said, item.category_said
            repeats = f" = {item.duplicate_of.partition(':')[2]}" if item.duplicate_of else ""
            table.add_row(
                "[green]right[/]" if item.is_right else "[red]WRONG[/]",
                f"{item.incident.removeprefix('INC-')}{repeats} {item.title}",
                item.said_text,
                f"{cause.change} {cause.story}" if cause.change else f"no change: {cause.story}",
                f"{item.weight:.2f}",
                origin if origin == item.origin_true else f"{origin} ({item.origin_true})",
                category if category == cause.category else f"{category} ({cause.category})",
            )
        self.console.print(table)
        self.line("In brackets: the truth, where origin or category differ from it.")
        self.line(
            f"Caused by a change: [bold]{score.by_change_right} of {score.by_change}[/] right. "
            f"Without one: [bold]{score.by_none_right} of {score.by_none}[/] right. "
            f"Category: {score.category_right} of {score.total} right."
        )

    def tags(self, tagged: list[Tagged]) -> None:
        """What git declares beside who really wrote it."""
        said = ["ai", "mixed", "human", "unknown", "automation"]
        table = _table("Who wrote it: what git declares and the truth")
        table.add_column("true origin")
        for name in said:
            table.add_column(f"said {name}", justify="right")
        counts = tag_counts(tagged)
        for true in ("ai", "human", "automation"):
            table.add_row(true, *(str(counts[true, name] or "·") for name in said))
        self.console.print(table)
        for item in tagged:
            if not item.is_right:
                why = (
                    " (nothing in git says so: a lower bound)"
                    if item.key in truth.UNMARKED_AI_CHANGES
                    else ""
                )
                self.line(f"  {item.key} {item.subject}: said {item.said}, truly {item.true}{why}")

    def rates(self, titles: dict[str, str], answers: dict[str, Any], ratio: dict[str, Any]) -> None:
        """Rates of both arms with their intervals; what is too little to tell says how much would be enough."""
        table = _table("Rates by arm")
        for name in ("metric", "arm", "n", "rate", "95 % interval", ""):
            table.add_column(
                name, justify="right" if name in ("n", "rate", "95 % interval") else "left", no_wrap=True
            )
        for name, answer in answers.items():
            for row in answer["rows"]:
                table.add_row(
                    titles.get(name, name),
                    str(row.get("arm", "")).replace("_", " "),
                    "-" if row["n"] is None else f"{row['n']:,}",
                    percent(row["value"]),
                    f"{percent(row['low'])} – {percent(row['high'])}",
                    enough(row),
                )
        self.console.print(table)
        self.line(
            f"Ratio of failure rates, AI-marked to others: {ratio['meta'].get('statement', 'no answer')}"
        )

    def ratio(self, truth_: LargeTruth, answer: dict[str, Any]) -> None:
        """The decided ratio beside the one that is true, and beside what common rules of thumb say of the same data."""
        table = _table("acme/catalogue: how often AI-marked changes fail, compared with others")
        for name in ("method", "changes", "ratio", "95 % interval", ""):
            table.add_column(name, justify="left" if name in ("method", "") else "right", no_wrap=True)
        for row in answer["rows"]:
            if row.get("comparison") == "ai_marked:not_ai_marked":
                table.add_row(
                    METHODS.get(row["method"], row["method"]),
                    "-" if row["n"] is None else f"{row['n']:,}",
                    figure(row["value"]),
                    f"{figure(row['low'])} – {figure(row['high'])}",
                    enough(row),
                )
        table.add_section()
        table.add_row(
            "[bold]the truth, as planned, at equal size[/]", "", f"[bold]{truth_.planned:.2f}[/]", "", ""
        )
        table.add_row("the truth, as it came out, at equal size", "", f"{truth_.at_equal_size:.2f}", "", "")
        table.add_row("the truth, as it came out, without regard to size", "", f"{truth_.crude:.2f}", "", "")
        self.console.print(table)
        counts = ", ".join(
            f"{truth_.failed[origin]} of {truth_.changes[origin]:,} {name}"
            for origin, name in (("ai", "changes of agents"), ("human", "changes of people"))
        )
        self.line(f"{answer['meta'].get('statement', '')} In truth failed: {counts}.")

    def times(self, total_s: float) -> None:
        """Wall time per phase."""
        parts = ", ".join(f"{name.lower()} {seconds:.0f} s" for name, seconds in self.phases.items())
        self.line(f"Wall time {total_s:.0f} s: {parts}.")


def figure(value: float | None) -> str:
    """A ratio for people."""
    return "-" if value is None else f"{value:.2f}"


def percent(share: float | None) -> str:
    """A share for people."""
    return "-" if share is None else f"{100 * share:.0f} %"


def enough(row: dict[str, Any]) -> str:
    """Why a figure is hidden, and what it would take."""
    if row["status"] == "ok":
        return ""
    needed = row.get("needed")
    return f"not enough data, {needed:,} changes more" if needed else f"not enough data ({row['suppressed']})"


def _table(title: str) -> Table:
    return Table(box=SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left", title_style="bold")
