"""Whoever waits for a turn holds up nobody who has it."""

import threading
from pathlib import Path

import builders as b
import pytest

from api.installation import Installation
from schemas import store as stores
from schemas.settings import Settings


def test_correlations_of_the_present_and_of_pasts_and_counts_never_wait_for_each_other_in_a_circle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "TURN_WAIT_S", 600.0)
    with Installation.open(Settings(data=tmp_path)) as installation:
        present, failures = installation.correlator, []

        def past() -> None:
            present.fork("past", as_of=b.UNTIL).drop_fork()

        def run(job: object) -> None:
            try:
                for _ in range(5):
                    job()  # type: ignore[operator]
            except BaseException as error:
                failures.append(error)
                raise

        jobs = [
            lambda: present.correlate(as_of=b.UNTIL, force=True),
            installation.correlate,
            past,
            installation.count,
            lambda: present.rebuild(now=b.UNTIL),
        ]
        threads = [threading.Thread(target=run, args=(job,), daemon=True) for job in jobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=120)
        assert not any(thread.is_alive() for thread in threads)
        assert not failures
