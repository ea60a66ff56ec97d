"""What a correlation costs: of a small company beside a multiple of it, and of what is new beside longer histories.

First the company in ``tests/flow``, beside the same company with a multiple of its telemetry.

Two kinds of growth: all of it (the same failures in more traces, one in eight fails), and healthy traffic alone, which
is what most telemetry is. A fixed part goes to git, incidents and rates; what is said per span or per failing trace is
the growth over what was added. The answers must stay the same.

Then a day of telemetry with 2,000 kinds of failures (``AFTERMERGE_BENCH_SPANS``, 250,000 when absent; 20,000,000 is the
size that the design names): the first correlation of all of it, and the next one after another minute, behind one, four
and sixteen times that history.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks.generated_day import DAY_SPANS, SPANS_PER_TRACE, Day
from benchmarks.measures import Board, Cost, cost, figure, side_by_side
from flow import company as flow

from api.installation import Installation

GROWTHS = ((4, "all"), (16, "all"), (512, "healthy"))
_SPAN_COPIES = """
    INSERT INTO facts.spans SELECT * EXCLUDE (n) REPLACE (
        ((trace_id::VARCHAR)[:19] || lpad(to_hex(n), 4, '0') || (trace_id::VARCHAR)[24:])::UUID AS trace_id,
        start_time + to_milliseconds(n) AS start_time,
        -n AS load_number
    )
    FROM facts.spans, range(1, $times::BIGINT) AS copies(n)
    WHERE $growth = 'all' OR trace_id NOT IN (SELECT trace_id FROM facts.exceptions)
"""
_LOADS_OF_COPIES = """
    INSERT INTO facts.loads
    SELECT load_number, max(received_at), count(*) FROM facts.spans WHERE load_number < 0 GROUP BY load_number
"""
_EXCEPTION_COPIES = """
    INSERT INTO facts.exceptions SELECT * EXCLUDE (n) REPLACE (
        ((trace_id::VARCHAR)[:19] || lpad(to_hex(n), 4, '0') || (trace_id::VARCHAR)[24:])::UUID AS trace_id,
        hash(exception_id, n) AS exception_id,
        "time" + to_milliseconds(n) AS "time"
    )
    FROM facts.exceptions, range(1, $times::BIGINT) AS copies(n)
    WHERE $growth = 'all'
"""


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    built = flow.build(tmp_path_factory.mktemp("plain")).installation
    built.correlate()
    yield built
    built.close()


@pytest.mark.parametrize(("times", "growth"), GROWTHS)
def bench_correlate(board: Board, plain: Installation, tmp_path: Path, times: int, growth: str) -> None:
    more = flow.build(tmp_path).installation
    more.store.execute(_SPAN_COPIES, times=times, growth=growth)
    more.store.execute(_LOADS_OF_COPIES)
    more.store.execute(_EXCEPTION_COPIES, times=times, growth=growth)
    more.correlate()
    if growth == "all":
        assert _answers(more) == _answers(plain)
    # As the periodic run does it after new telemetry: git's answers are facts by now, histories are in memory.
    ours, once = side_by_side(more.correlated, plain.correlated, items=1, rounds=3)
    (spans, failing), (spans_once, failing_once) = (_sizes(i) for i in (more, plain))
    added, item = (
        (failing - failing_once, "failing trace") if growth == "all" else (spans - spans_once, "span")
    )
    board.add(
        "correlate",
        f"{growth} x {times}: {spans:,} spans, {failing} fail",
        item="run",
        ours=ours,
        against=f"x 1: {spans_once} spans, {failing_once} fail",
        baseline=once,
        note=f"{figure((ours.seconds - once.seconds) / added * 1e6)} µs per {item} added"
        if ours.seconds > once.seconds
        else "growth below the noise",
    )
    more.close()


def bench_day(board: Board, tmp_path: Path) -> None:
    size, minute = int(os.environ.get("AFTERMERGE_BENCH_SPANS", "250000")), DAY_SPANS // 1440
    day = Day(tmp_path)
    costs: list[Cost] = []
    for times in (1, 4, 16):
        day.arrive(size * times - day.traces * SPANS_PER_TRACE)
        first = cost(day.installation.correlate, items=1)
        if times == 1:
            whole = first
        day.arrive(minute)
        costs.append(cost(day.installation.correlate, items=1))
        groups = day.store.value("SELECT count(*) FROM failure_groups")
        board.add(
            "correlate a day",
            f"{minute:,} spans after {size * times:,}, {groups} groups",
            item="run",
            ours=costs[-1],
            against=f"the same after {size:,} spans",
            baseline=costs[0],
            note=f"the first run took {figure(whole.seconds)} CPU s" if times == 1 else "",
        )
    day.installation.close()


def _sizes(installation: Installation) -> tuple[int, int]:
    """Spans, and failing traces."""
    store = installation.store
    return int(store.value("SELECT count(*) FROM spans")), int(
        store.value("SELECT count(*) FROM failing_traces")
    )


def _answers(installation: Installation) -> list[object]:
    """Who is first suspected for each incident."""
    return [
        (row["incident_id"], row["candidate"], row["sha"] is not None)
        for row in installation.store.rows(
            'SELECT incident_id, candidate, sha FROM incident_attributions WHERE "rank" = 1 ORDER BY incident_id'
        )
    ]
