"""Quantiles from the counts of exponential buckets."""

import math
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from correlator.durations import quantile_ms
from schemas.store import Store


def test_no_spans_have_no_quantile() -> None:
    assert quantile_ms({}, 0.5) is None


@given(st.lists(st.integers(1, 10**13), min_size=1, max_size=60), st.sampled_from([0.5, 0.95, 0.99, 1.0]))
def test_a_quantile_is_within_its_stated_error(durations_ns: list[int], share: float) -> None:
    counts = Counter(math.ceil(math.log2(ns) * 8) - 1 for ns in durations_ns)
    exact_ms = sorted(durations_ns)[math.ceil(share * len(durations_ns)) - 1] / 1e6
    told = quantile_ms(counts, share)
    assert told is not None
    assert abs(told / exact_ms - 1) <= 0.0443 + 1e-5


def test_the_store_fills_the_same_buckets() -> None:
    store = Store.open()
    values = [0, 1, 2, 3, 5, 1000, 1024, 1025, 10**9, 2**53, 2**62]
    rows = store.rows(
        "SELECT ns, duration_bucket(ns) AS bucket FROM (SELECT unnest($v::BIGINT[]) AS ns)", v=values
    )
    for row in rows:
        assert 2 ** (row["bucket"] / 8) < max(row["ns"], 1) * (1 + 1e-12)
        assert max(row["ns"], 1) <= 2 ** ((row["bucket"] + 1) / 8) * (1 + 1e-12)
    assert [r["bucket"] for r in rows if r["ns"] in (0, 1, 2)] == [-1, -1, 7]
