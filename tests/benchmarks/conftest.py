"""Benchmarks run on ``--benchmarks`` only (``make bench``); without it nothing in this folder is looked into.

They are named ``bench_*`` so that an ordinary run of the tests does not even import them.
"""

import sys

import pytest
from benchmarks.measures import WIDTH, Board
from rich.console import Console

_BOARD = pytest.StashKey[Board]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--benchmarks", action="store_true", help="run tests/benchmarks and print their table")


def pytest_configure(config: pytest.Config) -> None:
    # This file is read late when the folder was not named on the command line: the option is absent then.
    if config.getoption("--benchmarks", default=False):
        config.addinivalue_line("python_files", "bench_*.py")
        config.addinivalue_line("python_functions", "bench_*")
        config.stash[_BOARD] = Board()


@pytest.fixture(scope="session")
def board(pytestconfig: pytest.Config) -> Board:
    """Where a benchmark puts its lines."""
    return pytestconfig.stash[_BOARD]


def pytest_terminal_summary(config: pytest.Config) -> None:
    found = config.stash.get(_BOARD, None)
    if found is not None and found.lines:
        console = Console(file=sys.stdout)
        # In a file or a pipe rich would fold the table to 80 columns.
        found.show(console if console.is_terminal else Console(file=sys.stdout, width=WIDTH))
