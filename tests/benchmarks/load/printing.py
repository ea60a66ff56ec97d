"""Tables that can be pasted into ``RESULTS.md``: Markdown on a pipe or in a file, drawn lines on a terminal."""

import json
from collections.abc import Sequence

from benchmarks.measures import figure
from rich.box import MARKDOWN, ROUNDED
from rich.console import Console
from rich.table import Table

WIDTH = 400
"""Columns of a pipe: a Markdown row must stay on one line."""
_on_terminal = Console()
console = _on_terminal if _on_terminal.is_terminal else Console(width=WIDTH)


def show(title: str, headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print one table. The first column is text, the others are figures; floats get three digits."""
    console.print(title, highlight=False, markup=False)
    table = Table(box=ROUNDED if console.is_terminal else MARKDOWN)
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    console.print(table, markup=False)


def say(text: str) -> None:
    """One line of progress or of a result."""
    console.print(text, highlight=False, markup=False)


def brief(value: object) -> str:
    """JSON on one line, for a cell."""
    return json.dumps(value, default=str)


def _cell(value: object) -> str:
    match value:
        case None:
            return "–"
        case float():
            return figure(value)
        case int():
            return f"{value:,}"
        case _:
            return str(value)
