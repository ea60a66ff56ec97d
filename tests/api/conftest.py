import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from server_process import environment


@pytest.fixture
def command_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The command line may run in this process: free ports, an empty working directory, and nothing of it stays."""
    for name in [name for name in os.environ if name.startswith("AFTERMERGE_")]:
        monkeypatch.delenv(name)
    for name, value in environment().items():
        if name.startswith("AFTERMERGE_"):
            monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", sys.argv)
    monkeypatch.chdir(tmp_path)
    mask, interval = os.umask(0o022), sys.getswitchinterval()
    os.umask(mask)
    yield
    os.umask(mask)
    sys.setswitchinterval(interval)
    structlog.reset_defaults()
