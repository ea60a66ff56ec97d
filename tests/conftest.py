"""What holds for every test: no property test fails for being slow, and a check that CI asks for is never skipped."""

import os
from collections.abc import Generator

import pytest
from hypothesis import settings

# Machines are noisy: how long an example takes says nothing of whether it holds.
settings.register_profile("house", deadline=None)
settings.load_profile("house")

REQUIRED = frozenset(filter(None, os.environ.get("AFTERMERGE_TESTS_REQUIRED", "").split(",")))
"""Markers whose tests must run, e.g. ``chromium,node``."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skipped test that CI requires has failed."""
    report = yield
    marks = {mark.name for mark in item.iter_markers()}
    if report.skipped and marks & REQUIRED:
        report.outcome = "failed"
        report.longrepr = f"required here, but skipped: {report.longrepr}"
    return report
