"""Ratios of two arms, nothing adjusted, and of line rework: closed forms where they exist, and laws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from correlator import estimates, ratios


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_score_interval_of_the_ratio_is_the_published_one():
    # Koopman 1984, example: 36 of 40 against 16 of 80 gives 2.94 to 7.15.
    low, high = ratios.koopman(36, 40, 16, 80)
    assert (round(low, 2), round(high, 2)) == (2.94, 7.15)


def test_score_interval_is_open_above_when_the_other_arm_never_failed():
    low, high = ratios.koopman(7, 100, 0, 100)
    assert low > 1
    assert high is None


def test_score_interval_starts_at_zero_when_the_marked_arm_never_failed():
    low, high = ratios.koopman(0, 100, 7, 100)
    assert low == 0
    assert high is not None
    assert high < 1


@given(st.integers(1, 60), st.integers(1, 60))
def test_swapping_the_arms_inverts_the_score_interval(x1, x0):
    low, high = ratios.koopman(x1, 80, x0, 90)
    other_low, other_high = ratios.koopman(x0, 90, x1, 80)
    assert high is not None
    assert other_high is not None
    assert (low, high) == (pytest.approx(1 / other_high, rel=1e-4), pytest.approx(1 / other_low, rel=1e-4))
    assert low <= (x1 / 80) / (x0 / 90) <= high


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 2**32 - 1))
def test_the_blind_ratio_lies_in_its_interval(x1, x0, seed):
    drawn = np.array([[x0] * 5, [x1] * 5])
    found = ratios.blind(np.array([x0, x1], np.float64), drawn, np.array([50, 60]), rng(seed))
    if found.value is None:
        assert x0 == 0
        assert found.high is None
    else:
        assert found.low is not None
        assert found.high is not None
        assert found.low <= found.value <= found.high


def test_line_rework_in_one_stratum_is_the_plain_ratio_with_the_plain_error():
    arm = np.repeat([1, 0], 50)
    whole = np.full(100, 10.0)
    part = np.where(np.arange(100) % 2 == 0, 4.0, np.where(arm == 1, 4.0, 0.0))
    found = ratios.stratified_of_sums(part, whole, arm, np.zeros(100, np.int64))
    assert found is not None
    assert found.interval()[0] == pytest.approx(2.0)
    alone = [
        estimates.ratio_of_sums(part[arm == a], whole[arm == a], np.zeros(50, np.int64), 1) for a in (1, 0)
    ]
    error = np.hypot(*(a.standard_error[0] / a.ratio[0] for a in alone))
    # One common rate is fitted here, two there.
    assert found.log_error == pytest.approx(error, rel=0.01)
    assert found.freedom > 50
    assert found.rates == (pytest.approx(0.4), pytest.approx(0.2))


def test_line_rework_is_compared_within_strata():
    """AI works where little is reworked: 0.67 over all lines, 2 within each stratum."""
    stratum = np.repeat([0, 0, 1, 1], [90, 10, 10, 90])
    arm = np.repeat([1, 0, 1, 0], [90, 10, 10, 90])
    whole = np.full(200, 10.0)
    rate = np.where(stratum == 0, 0.1, 0.6) * np.where(arm == 1, 1.0, 0.5)
    part = whole * rate
    found = ratios.stratified_of_sums(part, whole, arm, stratum)
    assert found is not None
    assert found.interval()[0] == pytest.approx(2.0)
    assert part[arm == 1].sum() / part[arm == 0].sum() < 0.7


def test_one_huge_change_leaves_few_degrees_of_freedom():
    arm = np.tile([1, 0], 50)
    whole = np.full(100, 10.0)
    part = np.where(np.arange(100) % 3 == 0, 0.15, 0.1) * whole
    whole[0] = part[0] = 200.0
    found = ratios.stratified_of_sums(part, whole, arm, np.zeros(100, np.int64))
    assert found is not None
    assert found.freedom < 4
