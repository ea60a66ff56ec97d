"""Ratios of two arms: closed forms where they exist, laws, and simulated worlds with a known answer."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from correlator import estimates, ratios
from correlator.estimates import Shares
from correlator.ratios import Strata, TagErrors


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def one_stratum(arm: np.ndarray) -> Strata:
    return Strata(
        np.zeros(arm.size, np.int64),
        arm,
        np.array([float((arm == 1).sum())]),
        np.array([float((arm == 0).sum())]),
    )


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


def test_mantel_haenszel_of_one_stratum_is_the_plain_ratio():
    fit = ratios.mantel_haenszel(
        np.array([[20.0]]), np.array([[10.0]]), np.array([100.0]), np.array([100.0]), correction=0.0
    )
    assert math.exp(fit.log_ratio[0]) == pytest.approx(2.0)
    # Katz: 1/20 - 1/100 + 1/10 - 1/100
    assert fit.log_variance[0] == pytest.approx(0.13)
    assert fit.difference[0] == pytest.approx(0.1)
    assert fit.difference_variance[0] == pytest.approx(0.2 * 0.8 / 100 + 0.1 * 0.9 / 100)


def test_strata_undo_confounding():
    """AI is used where risk is low: crude 1.02, true 2 in both strata."""
    a, c = np.array([[20.0], [40.0]]), np.array([[1.0], [80.0]])
    n1, n0 = np.array([1000.0, 200.0]), np.array([100.0, 800.0])
    fit = ratios.mantel_haenszel(a, c, n1, n0, correction=0.0)
    assert (60 / 1200) / (81 / 900) < 0.6
    assert math.exp(fit.log_ratio[0]) == pytest.approx(2.0)


def test_strata_with_one_arm_say_nothing():
    strata = Strata(np.array([0, 1]), np.array([1, 0]), np.array([5.0, 0.0]), np.array([0.0, 5.0]))
    assert (strata.weight, strata.overlap, strata.used) == (0.0, 0.0, 0)
    found = Shares(np.array([0]), np.array([0]), np.array([1.0]))
    assert ratios.aware(found, np.array([1]), strata, rng()) is None


def test_known_causes_give_the_same_fit_in_every_chain():
    arm = np.array([1] * 50 + [0] * 50)
    unit = np.array([0, 1, 2, 3, 60, 61])
    found = Shares(np.arange(6), unit, np.ones(6))
    fit = ratios.aware(found, arm[unit], one_stratum(arm), rng())
    assert fit is not None
    assert np.ptp(fit.log_ratio) == 0
    pooled = ratios.pooled(fit)
    assert pooled.value == pytest.approx((2 + 0.25) / (1 + 0.25))
    assert pooled.rate_1 is not None
    assert pooled.rate_0 is not None
    assert pooled.value == pytest.approx(pooled.rate_1 / pooled.rate_0)


def test_rubin_adds_what_draws_disagree_about():
    center, low, high = ratios.rubin(np.array([0.0, 2.0]), np.array([1.0, 1.0]))
    assert center == 1.0
    assert high - low == pytest.approx(2 * 1.959964 * math.sqrt(1 + 1.5 * 2), rel=1e-5)


def test_perfect_tags_change_nothing():
    perfect = TagErrors(1e9, 1e9, 1e9, 1e9, "audit")
    middle, low, high = ratios.tag_corrected(
        np.array([math.log(1.7)]), np.array([1e-12]), 0.5, perfect, rng()
    )
    assert (middle, low, high) == (pytest.approx(1.7, rel=1e-3),) * 3


def test_missing_tags_hide_a_ratio_and_the_correction_finds_it():
    """True 1.7 at 50 % AI share, sensitivity 0.8, specificity 0.98 is seen as 1.50."""
    known = TagErrors(0.8e9, 1e9, 0.98e9, 1e9, "audit")
    share = 0.5 * 0.8 + 0.5 * 0.02
    ppv, npv = 0.4 / share, 0.49 / (1 - share)
    seen = (ppv * 1.7 + (1 - ppv)) / ((1 - npv) * 1.7 + npv)
    assert seen == pytest.approx(1.50, abs=0.01)
    middle, _, _ = ratios.tag_corrected(np.array([math.log(seen)]), np.array([1e-12]), share, known, rng())
    assert middle == pytest.approx(1.7, rel=1e-3)


def test_poor_tags_open_the_upper_end_instead_of_clipping_it():
    poor = TagErrors(10, 20, 90, 100, "audit")
    _, low, high = ratios.tag_corrected(np.array([math.log(2.0)]), np.array([0.1]), 0.5, poor, rng())
    assert high is None
    assert low is not None


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


def world(seed: int, n: int, rates: tuple[float, float]) -> tuple[Shares, np.ndarray]:
    """``n`` changes per arm that fail at ``rates`` (arm 0, arm 1); weights are calibrated, three candidates each."""
    random = rng(seed)
    arm = np.repeat([0, 1], n)
    culprits = np.flatnonzero(random.random(2 * n) < np.array(rates)[arm])
    weights = random.dirichlet([0.5] * 3, culprits.size)
    place = (random.random(culprits.size)[:, None] > np.cumsum(weights, axis=1)).sum(axis=1).clip(0, 2)
    candidates = random.integers(0, 2 * n, (culprits.size, 3))
    candidates[np.arange(culprits.size), place] = culprits
    outcome = np.repeat(np.arange(culprits.size), 3)
    return Shares(outcome, candidates.ravel().astype(np.int64), weights.ravel()), arm


def test_aware_draws_find_the_ratio_that_blind_ones_dilute_and_hold_it_as_often_as_they_say():
    """True ratio 1.7 at 4 %: 100 worlds of 600 changes per arm; attribution gives the culprit 0.6 on average."""
    runs, hits, blind_hits = 100, 0, 0
    seen, blind_seen = [], []
    for seed in range(runs):
        found, arm = world(seed, 600, (0.04, 0.068))
        random = rng(seed)
        fit = ratios.aware(found, arm[found.unit], one_stratum(arm), random)
        assert fit is not None
        pooled = ratios.pooled(fit)
        assert pooled.value is not None
        assert pooled.low is not None
        assert pooled.high is not None
        hits += pooled.low <= 1.7 <= pooled.high
        seen.append(pooled.value)
        failed = estimates.draw_counts(found, arm.size, random, 300) > 0
        drawn = np.vstack([failed[arm == 0].sum(axis=0), failed[arm == 1].sum(axis=0)])
        _, any_ = estimates.expected_counts(found, arm.size)
        expected = np.array([any_[arm == 0].sum(), any_[arm == 1].sum()])
        crude = ratios.blind(expected, drawn, np.array([600, 600]), random)
        assert crude.value is not None
        assert crude.low is not None
        assert crude.high is not None
        blind_hits += crude.low <= 1.7 <= crude.high
        blind_seen.append(crude.value)
    assert hits / runs >= 0.89
    assert 1.5 <= float(np.median(seen)) <= 1.9
    assert float(np.median(blind_seen)) < float(np.median(seen)) - 0.1
    assert blind_hits / runs >= 0.85
