"""What every command shares: settings, the way to the server or the store, the options, and what a terminal shows.

Commands speak to the running server of the data folder; only without one do they open the store themselves.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console, RenderableType
from rich.markup import escape

from api import client, listings
from api.client import Client
from schemas.errors import AftermergeError, StoreError
from schemas.records import Progress
from schemas.settings import Settings, load

if TYPE_CHECKING:
    from api.installation import Installation

PIPED_WIDTH = 200
"""Columns of a table that no terminal bounds."""
out = Console(soft_wrap=True, width=None if sys.stdout.isatty() else PIPED_WIDTH)
err = Console(stderr=True, soft_wrap=True)

DataOption = Annotated[
    Path | None, typer.Option("--data", help="Data folder (AFTERMERGE_DATA; default ./data).")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def group(help_text: str) -> typer.Typer:
    # A bug is a plain traceback: the prettier one prints values, tokens among them.
    return typer.Typer(
        help=help_text, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
    )


def settings(**given: Any) -> Settings:
    """Settings of file, environment and options.

    Raises:
        ValidationError: a setting that cannot be.
        StoreError: a file or a variable that cannot be read at all.
    """
    from pydantic_settings import SettingsError

    try:
        return load(**given)
    except ValidationError:
        raise
    except (SettingsError, ValueError, OSError) as error:
        cause = error.__cause__ or error
        raise StoreError(
            f"the settings cannot be read: {error if cause is error else f'{error}: {cause}'}",
            hint="look at aftermerge.toml and the AFTERMERGE_* variables",
        ) from error


def begin() -> None:
    """What a process that opens the store wants: private files, and a log on stderr."""
    import os

    import structlog

    os.umask(0o077)
    is_terminal = sys.stderr.isatty()
    renderer: Any = structlog.dev.ConsoleRenderer() if is_terminal else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


@contextmanager
def reach(
    data: Path | None, *, makes: bool = False, loads: bool = False
) -> Iterator["Client | Installation"]:
    """The running server's client, or the installation itself.

    Args:
        data: as stated on the command line.
        makes: an installation that is not there yet is made.
        loads: what a killed server had acknowledged is loaded first, and the settings file's repositories stated.
    """
    chosen = settings(data=data)
    found = client.running(chosen)
    if found is not None:
        yield found
        return
    if not makes and not chosen.store_path.exists():
        raise StoreError(
            f"there is no installation in {chosen.data.absolute()}",
            hint="name its folder with --data, or make one: aftermerge serve",
        )
    from api.installation import Installation

    begin()
    with Installation.open(chosen) as opened:
        if loads:
            opened.load_spool()
            try:
                opened.state_settings()
            except AftermergeError as error:
                err.print(f"[yellow]warning:[/] {escape(str(error))}", highlight=False)
        yield opened


def print_answer(value: Any, *, as_json: bool, table: Callable[[Any], RenderableType]) -> None:
    if as_json:
        print(listings.as_json(value))
    else:
        out.print(table(value), highlight=False, markup=False)


@contextmanager
def progress(what: str) -> Iterator[Progress]:
    """A bar with the current step, on a terminal only; it pulses while nobody knows how much there is."""
    if not err.is_terminal:
        yield lambda _step, _done, _total: None
        return
    from rich import progress as bars

    columns = (
        bars.SpinnerColumn(),
        bars.TextColumn("{task.description}", markup=False),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TimeElapsedColumn(),
    )
    with bars.Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda step, done, total: bar.update(
            task, description=step, completed=done, total=total or None
        )


def say(text: str) -> None:
    out.print(text, highlight=False, markup=False)
