"""Counting what arrived since the last run, beside counting every raw span again; and forgetting raw spans.

Spans of 2,000 operations come at 20,000 a second, eight to a trace, five traces in a thousand failing. A run counts
one minute of them at most; what is held was counted before. One span in five answers a request, one calls a host.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from benchmarks.measures import Board, Cost, cost, figure, least

from collector import retention, rollups
from schemas.settings import Settings
from schemas.store import Store

SHAPES = (("small", 100_000, 10_000), ("medium", 1_000_000, 100_000), ("large", 3_000_000, 1_200_000))
START = datetime(2026, 3, 2, 12, tzinfo=UTC)
ROUNDS = 3
_SPANS = """
    INSERT INTO facts.spans BY NAME
    SELECT
        md5('t' || (i // 8))::UUID AS trace_id,
        hash(i)::UBIGINT AS span_id,
        make_timestamp_ns($start_us::BIGINT * 1000 + i * 50_000) AS start_time,
        (1_000_000 + hash(i, 1) % (1_000_000 << (hash(i, 2) % 8)::INTEGER))::BIGINT AS duration_ns,
        make_timestamp($start_us::BIGINT + i * 50 + 2_000_000) AS received_at,
        hash(i % 50)::UBIGINT AS resource_id,
        1::UBIGINT AS scope_id,
        'service-' || (i % 50) AS service,
        'production' AS environment,
        repeat('a', 40) AS revision,
        'GET /api/v1/route/' || (hash(i, 3) % 40) AS name,
        (1 + hash(i, 3) % 40 % 5)::INTEGER AS kind,
        CASE WHEN hash(i // 8, 4) % 1000 < 5 AND i % 8 = 5 THEN 2 ELSE 0 END AS status_code,
        CASE WHEN hash(i, 3) % 40 % 5 = 1 THEN 200 + (hash(i, 7) % 20 = 0)::INTEGER * 201 END AS http_response_status_code,
        CASE WHEN hash(i, 3) % 40 % 5 = 2 THEN 'api' || (hash(i, 8) % 30) || '.example' END AS server_address,
        ['thread.id', 'cart.id'] AS attribute_keys,
        [(hash(i, 5) % 64)::VARCHAR, hash(i, 6)::VARCHAR] AS attribute_values,
        '31' AS attribute_kinds,
        i // 10_000 AS load_number
    FROM range($first::BIGINT, $last::BIGINT) AS spans(i)
"""
_LOADS = """
    INSERT OR IGNORE INTO facts.loads
    SELECT load_number, max(received_at), count(*) FROM facts.spans WHERE load_number >= $first // 10_000 GROUP BY load_number
"""
_SCAN = """
    SELECT service, environment, revision, name, kind, date_trunc('hour', start_time::TIMESTAMP) AS hour_at,
        count(*) AS span_count, count(*) FILTER (WHERE status_code = 2) AS error_count, sum(duration_ns) AS total_ns,
        min(start_time) AS first_seen_at, max(start_time) AS last_seen_at
    FROM (
        SELECT DISTINCT ON (trace_id, span_id)
            service, environment, revision, name, kind, start_time, status_code, duration_ns
        FROM facts.spans
    )
    GROUP BY ALL
"""


def _arrive(store: Store, first: int, last: int) -> None:
    for low in range(first, last, 200_000):
        store.execute(_SPANS, start_us=int(START.timestamp() * 1e6), first=low, last=min(last, low + 200_000))
    store.execute(_LOADS, first=first)


@pytest.mark.parametrize(("shape", "held", "arriving"), SHAPES)
def bench_count(board: Board, tmp_path: Path, shape: str, held: int, arriving: int) -> None:
    store, settings, now = Store.open(tmp_path / "aftermerge.duckdb"), Settings(), START + timedelta(days=1)
    _arrive(store, 0, held)
    rollups.fold(store, settings, now=now)
    end = held
    found: list[tuple[Cost, Cost]] = []
    for _ in range(ROUNDS):
        _arrive(store, end, end + arriving)
        end += arriving
        ours = cost(lambda: rollups.fold(store, settings, now=now), items=arriving)
        found.append((ours, cost(lambda: store.arrow(_SCAN), items=arriving)))
    assert store.value("SELECT sum(span_count)::BIGINT FROM operation_hours") == end
    ours, scan = least(found)
    board.add(
        "count spans by the hour",
        f"{shape}: {arriving:,} new beside {held:,}",
        item="new span",
        ours=ours,
        against="scan of all raw spans",
        baseline=scan,
        note=f"{figure(ours.seconds * 1000)} ms a run",
    )
    store.close()


def bench_forget(board: Board, tmp_path: Path) -> None:
    total = 1_000_000
    settings = Settings(spans_retention_days=1)
    found: list[tuple[Cost, Cost]] = []
    for turn in range(ROUNDS):
        stores = [Store.open(tmp_path / f"{turn}-{name}.duckdb") for name in ("ours", "rewritten")]
        for store in stores:
            _arrive(store, 0, total)
            rollups.fold(store, settings, now=START)
            store.execute("CHECKPOINT aftermerge")
        # The older half goes but for its failing traces.
        cut = START + timedelta(seconds=total / 20_000 / 2 + 2)
        ours = cost(
            lambda: retention.expire(stores[0], settings, now=cut + timedelta(days=1)),  # noqa: B023
            items=total // 2,
        )
        rewrite = cost(lambda: _rewrite(stores[1], cut), items=total // 2)  # noqa: B023
        kept = [store.value("SELECT count(*) FROM spans") for store in stores]
        assert kept[0] == kept[1] < total * 0.55
        found.append((ours, rewrite))
        for store in stores:
            store.close()
    forget, rewrite = least(found)
    board.add(
        "forget raw spans",
        "half of 1,000,000, failing traces kept",
        item="span that goes",
        ours=forget,
        against="a table made anew of what stays",
        baseline=rewrite,
    )


def _rewrite(store: Store, cut: datetime) -> None:
    store.execute(
        "CREATE TABLE facts.kept AS SELECT * FROM facts.spans WHERE received_at >= $cut OR trace_id IN "
        "(SELECT trace_id FROM facts.spans WHERE status_code = 2)",
        cut=cut,
    )
    store.execute("DROP VIEW facts.unfolded_spans")
    store.execute("DROP TABLE facts.spans")
    store.execute("ALTER TABLE facts.kept RENAME TO spans")
    store.execute("CHECKPOINT aftermerge")
