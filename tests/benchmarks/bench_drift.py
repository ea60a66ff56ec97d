"""Looking for drift: the first time through all days, and every hour after, at growing histories.

Five routes of fifty services and as many calls, one deployment of each service a day; counts of each hour stand in the store.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from benchmarks.measures import Board, cost

from correlator import drift
from schemas.store import Store

SHAPES = (("one week", 7), ("four weeks", 28), ("sixteen weeks", 112))
START = datetime(2026, 3, 2, tzinfo=UTC)
_SIGNALS = """
    INSERT INTO signal_hours BY NAME
    SELECT
        'service-' || (i % 50) AS service, 'production' AS environment, 'r' || (h // 24) AS revision,
        CASE WHEN i % 2 = 0 THEN 'denied' ELSE 'anonymous' END AS signal, 'GET /route/' || (i // 100) AS subject,
        '' AS aspect, $start::TIMESTAMP + to_hours(h::INTEGER) AS hour_at, 100 + hash(i, h) % 50 AS span_count,
        CASE WHEN i % 20 < 2 THEN 4 + hash(h, i) % 3 + hash(h, i, 1) % 3 - hash(h, i, 2) % 3 ELSE 0 END AS hit_count, hour_at AS first_seen_at,
        hour_at + INTERVAL 59 MINUTE AS last_seen_at, hour_at + INTERVAL 60 MINUTE AS last_received_at,
        hour_at AS hit_at, uuid() AS hit_trace_id, 1::UBIGINT AS hit_span_id
    FROM range(1000) AS s(i), range($first::BIGINT, $last::BIGINT) AS hours(h)
"""
_OPERATIONS = """
    INSERT INTO operation_hours BY NAME
    SELECT
        'service-' || (i % 50) AS service, 'production' AS environment, 'r' || (h // 24) AS revision,
        'GET /route/' || (i // 50) AS operation, CASE WHEN i // 50 < 5 THEN 2 ELSE 3 END AS kind,
        $start::TIMESTAMP + to_hours(h::INTEGER) AS hour_at, 100 + hash(i, h) % 50 AS span_count, 0 AS error_count,
        0 AS exception_count, 0 AS displaced_count, 0 AS weighed_count, 0 AS span_weight, 0 AS failing_weight,
        span_count * (1000000 + hash(i, h, 2) % 200000) AS duration_ns_sum,
        map([159, 160, 161], [span_count // 3, span_count // 3, span_count // 3]) AS duration_counts,
        hour_at AS first_seen_at, hour_at + INTERVAL 59 MINUTE AS last_seen_at,
        hour_at + INTERVAL 60 MINUTE AS last_received_at
    FROM range(500) AS s(i), range($first::BIGINT, $last::BIGINT) AS hours(h)
"""


def _count(store: Store, first: int, last: int) -> None:
    for statement in (_SIGNALS, _OPERATIONS):
        store.execute(statement, start=START, first=first, last=last)


@pytest.mark.parametrize(("shape", "days"), SHAPES)
def bench_drift(board: Board, tmp_path: Path, shape: str, days: int) -> None:
    store = Store.open(tmp_path / "aftermerge.duckdb")
    _count(store, 0, days * 24)
    until = START + timedelta(days=days)
    anew = cost(lambda: drift.follow(store, until=until), items=1)
    _count(store, days * 24, days * 24 + 1)
    hour = cost(lambda: drift.follow(store, until=until + timedelta(hours=1)), items=1)
    board.add(
        "look for drift",
        f"{shape}: one hour more of 1,000 signals and 500 operations",
        item="hour",
        ours=hour,
        against="all days anew",
        baseline=anew,
        note=f"{len(drift.read(store))} findings",
    )
    store.close()
