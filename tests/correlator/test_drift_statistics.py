"""The tests behind the detectors: they keep their level on noise, and find what is there."""

import numpy as np
import pytest

from correlator import drift_statistics as statistics


def best(hits: np.ndarray, spans: np.ndarray, *, is_rise: bool = True) -> statistics.Stretch | None:
    starts = np.zeros(len(spans), bool)
    return statistics.stretch(
        hits, spans, starts, before_spans_min=50, spans_min=20, cells_min=3, is_rise=is_rise
    )


@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_noise_passes_for_a_change_no_more_often_than_it_may(spread: float) -> None:
    """Method: 400 series of 150 hours without a change, binomial and with hours that differ (beta-binomial)."""
    rng = np.random.default_rng(7)
    small = 0
    for _ in range(200):
        spans = rng.poisson(50, 150).astype(float) + 1
        share = 0.1 if not spread else rng.beta(0.1 / spread * 10, 0.9 / spread * 10, 150)
        hits = rng.binomial(spans.astype(int), share).astype(float)
        for is_rise in (True, False):
            found = best(hits, spans, is_rise=is_rise)
            small += found is not None and found.p_value < 0.01
    assert small <= 12


def test_a_stretch_is_found_where_it_is() -> None:
    rng = np.random.default_rng(1)
    spans = np.full(100, 40.0)
    share = np.where((np.arange(100) >= 60) & (np.arange(100) < 80), 0.4, 0.05)
    found = best(rng.binomial(40, share).astype(float), spans)
    assert found is not None
    assert (found.begin, found.end) == (60, 80)
    assert found.p_value < 1e-20
    assert found.share > 5 * found.before_share


def test_a_rise_is_no_fall_and_nothing_is_found_without_a_baseline() -> None:
    spans = np.full(60, 40.0)
    rising = np.where(np.arange(60) < 30, 2.0, 20.0)
    fall = best(rising, spans, is_rise=False)
    assert fall is None or fall.p_value > 0.01
    assert best(np.full(5, 20.0), np.full(5, 40.0)) is None
    assert best(rising[:2], spans[:2]) is None


def test_two_rates_differ_only_beyond_the_noise_of_their_hours() -> None:
    exposure = np.full(24, 100.0)
    noisy = np.array([20, 200] * 12, float)
    assert statistics.rate_p_value(noisy, exposure, noisy[:6] * 1.2, exposure[:6]) > 0.05
    steady = np.full(24, 100.0)
    assert statistics.rate_p_value(steady, exposure, steady[:6] * 3, exposure[:6]) < 1e-9
    assert statistics.rate_p_value(np.zeros(3), exposure[:3], np.zeros(3), exposure[:3]) == 1.0


def test_two_shares_that_are_one_are_not_told_apart() -> None:
    spans = np.full(24, 100.0)
    same = statistics.share_p_value(np.full(24, 5.0), spans, np.full(6, 5.0), spans[:6])
    assert same == pytest.approx(1.0)
    assert statistics.share_p_value(np.full(24, 5.0), spans, np.full(6, 40.0), spans[:6]) < 1e-9
