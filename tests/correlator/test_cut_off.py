"""What a correlation that fails half-way leaves behind passes for nothing."""

from collections.abc import Iterator
from pathlib import Path

import builders as b
import pytest

from api.installation import Installation
from correlator import run
from schemas.settings import Settings


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    with Installation.open(Settings(data=tmp_path)) as opened:
        opened.correlator.correlate(as_of=b.UNTIL)
        yield opened


def fail(*_: object) -> None:
    raise ZeroDivisionError


def test_after_a_rebuild_that_failed_the_next_correlation_infers(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not installation.correlator.correlate(as_of=b.UNTIL).is_new
    with monkeypatch.context() as patched:
        patched.setattr(run, "Inference", fail)
        with pytest.raises(ZeroDivisionError):
            installation.correlator.rebuild(now=b.UNTIL)
    assert installation.correlator.correlate(as_of=b.UNTIL).is_new


def test_a_past_that_could_not_be_inferred_is_not_held(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "Inference", fail)
    with pytest.raises(ZeroDivisionError):
        installation.correlator.fork("past", as_of=b.UNTIL)
    held = installation.store.rows("SELECT database_name FROM duckdb_databases()")
    assert "past" not in {row["database_name"] for row in held}
