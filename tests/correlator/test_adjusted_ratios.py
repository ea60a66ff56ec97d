"""The adjusted ratio: Mantel and Haenszel's by hand, marks undone by hand, laws, and worlds with a known answer."""

import math

import numpy as np
import pytest

from correlator import adjusted_ratios, estimates
from correlator.adjusted_ratios import Adjusted, Strata
from correlator.estimates import Shares
from correlator.ratios import TagErrors

KNOWN = TagErrors(0.8e9, 1e9, 0.98e9, 1e9, "audit")
PERFECT = TagErrors(1e9, 1e9, 1e9, 1e9, "audit")


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def one_stratum(arm: np.ndarray) -> Strata:
    return Strata(
        np.zeros(arm.size, np.int64),
        arm,
        np.array([float((arm == 1).sum())]),
        np.array([float((arm == 0).sum())]),
    )


def fixed(a: list[float], c: list[float], n1: list[float], n0: list[float]) -> Adjusted:
    """One draw of failed changes per stratum."""
    return Adjusted(np.array(a)[:, None], np.array(c)[:, None], np.array(n1), np.array(n0))


def test_the_sums_of_one_stratum_give_the_plain_ratio_and_its_variance():
    sums = adjusted_ratios.sums_of(
        np.array([[20.0]]), np.array([[10.0]]), np.array([100.0]), np.array([100.0]), event=0.0
    )
    assert sums.a[0] / sums.c[0] == pytest.approx(2.0)
    # Katz: 1/20 - 1/100 + 1/10 - 1/100
    assert sums.a_variance[0] / sums.a[0] ** 2 + sums.c_variance[0] / sums.c[0] ** 2 == pytest.approx(0.13)
    assert (sums.a[0] - sums.c[0]) / sums.weight == pytest.approx(0.1)


def test_strata_undo_confounding_and_say_how_much_there_was():
    """AI is used where risk is low: crude 0.56, true 2 in both strata."""
    found = fixed([20.0, 40.0], [1.0, 80.0], [1000.0, 200.0], [100.0, 800.0])
    sums = adjusted_ratios.sums_of(found.a, found.c, found.n1, found.n0, event=0.0)
    assert sums.a[0] / sums.c[0] == pytest.approx(2.0)
    assert found.confounded == pytest.approx((60 / 1200) / (81 / 900) / 2.0, rel=0.05)


def test_strata_with_one_arm_say_nothing():
    strata = Strata(np.array([0, 1]), np.array([1, 0]), np.array([5.0, 0.0]), np.array([0.0, 5.0]))
    assert (strata.weight, strata.overlap, strata.used) == (0.0, 0.0, 0)
    found = Shares(np.array([0]), np.array([0]), np.array([1.0]))
    assert adjusted_ratios.aware(found, np.array([1]), strata, rng()) is None


def test_known_causes_are_drawn_once_and_give_the_plain_ratio():
    arm = np.array([1] * 500 + [0] * 500)
    unit = np.r_[np.arange(60), 500 + np.arange(30)]
    found = adjusted_ratios.aware(
        Shares(np.arange(90), unit, np.ones(90)), arm[unit], one_stratum(arm), rng()
    )
    assert found is not None
    assert found.a.shape == (1, 1)
    ratio = found.ratio(rng())
    assert ratio.value == pytest.approx(2.0, rel=0.02)
    assert ratio.value == pytest.approx(ratio.rate_1 / ratio.rate_0)
    # Katz's log interval: 2 exp(-+ 1.96 sqrt(1/60 + 1/30 - 2/500))
    half = 1.96 * math.sqrt(1 / 60 + 1 / 30 - 2 / 500)
    assert math.log(ratio.high / ratio.low) == pytest.approx(2 * half, rel=0.04)
    assert found.known_error == pytest.approx(half / 1.96, rel=0.03)


def test_an_arm_without_a_failure_keeps_a_finite_interval_that_reaches_far():
    ratio = fixed([7.0], [0.0], [100.0], [100.0]).ratio(rng())
    assert ratio.low > 1
    assert 50 < ratio.high < 1e6


def test_perfect_marks_change_nothing():
    found = fixed([60.0], [30.0], [500.0], [500.0])
    plain = found.ratio(rng())
    assert found.corrected(PERFECT, rng()) == pytest.approx((plain.value, plain.low, plain.high), rel=0.02)


def test_missing_marks_hide_a_ratio_and_the_correction_finds_it():
    """True 1.7 at 50 % AI share, sensitivity 0.8, specificity 0.98: of 100,000 changes 41,000 are marked; seen 1.50."""
    marked, other = 41_000.0, 59_000.0
    a = 0.04 * (40_000 * 1.7 + 1_000)
    c = 0.04 * (10_000 * 1.7 + 49_000)
    assert (a / marked) / (c / other) == pytest.approx(1.50, abs=0.01)
    middle, low, high = fixed([a], [c], [marked], [other]).corrected(KNOWN, rng())
    assert middle == pytest.approx(1.7, rel=0.01)
    assert low < 1.7 < high


def test_marks_are_undone_in_each_stratum_by_its_own_share():
    """True 2 where 5 % and where 80 % of changes are by AI; one correction for the mean share would miss it."""
    a, c, n1, n0 = [], [], [], []
    for total, share, risk in ((200_000, 0.05, 0.1), (100_000, 0.8, 0.02)):
        hit, false = share * total * 0.8, (1 - share) * total * 0.02
        missed, rest = share * total * 0.2, (1 - share) * total * 0.98
        a.append(risk * (2 * hit + false))
        c.append(risk * (2 * missed + rest))
        n1.append(hit + false)
        n0.append(missed + rest)
    middle, _, _ = fixed(a, c, n1, n0).corrected(KNOWN, rng())
    assert middle == pytest.approx(2.0, rel=0.02)


def test_poor_marks_open_the_upper_end_instead_of_clipping_it():
    poor = TagErrors(10, 20, 90, 100, "audit")
    _, low, high = fixed([30.0], [15.0], [250.0], [250.0]).corrected(poor, rng())
    assert high is None
    assert low is not None


def test_shares_of_few_changes_are_drawn_toward_the_overall_share():
    n1, n0 = np.array([1.0, 0.9, 300.0]), np.array([1.0, 0.1, 700.0])
    share, at = adjusted_ratios.binned_shares(n1, n0)
    assert share[at] == pytest.approx([0.3, 0.3, 0.3], abs=0.02)
    apart, at = adjusted_ratios.binned_shares(np.array([900.0, 100.0]), np.array([100.0, 900.0]))
    assert apart[at] == pytest.approx([0.9, 0.1], abs=0.01)


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


def test_aware_draws_find_the_ratio_that_weights_dilute_and_hold_it_as_often_as_they_say():
    """True ratio 1.7 at 4 %: 100 worlds of 600 changes per arm; attribution gives the culprit 0.6 on average."""
    hits, seen, diluted, widths = 0, [], [], []
    for seed in range(100):
        shares, arm = world(seed, 600, (0.04, 0.068))
        found = adjusted_ratios.aware(shares, arm[shares.unit], one_stratum(arm), rng(seed))
        assert found is not None
        ratio = found.ratio(rng(seed))
        hits += ratio.low <= 1.7 <= ratio.high
        seen.append(ratio.value)
        widths.append(math.log(ratio.high / ratio.low) / (2 * 1.96 * found.known_error))
        _, any_ = estimates.expected_counts(shares, arm.size)
        diluted.append(any_[arm == 1].sum() / any_[arm == 0].sum())
    assert hits >= 90
    assert 1.55 <= float(np.median(seen)) <= 1.85
    assert float(np.median(diluted)) < float(np.median(seen)) - 0.15
    # What the doubt costs: with a mean of 0.6 on the culprit about 1 / sqrt(0.6).
    assert 1.15 <= float(np.median(widths)) <= 1.45


def test_groups_drawn_with_their_own_rates_keep_apart_what_weights_draw_together():
    shares, arm = world(3, 4000, (0.04, 0.12))
    drawn = adjusted_ratios.aware_counts(
        shares, arm[np.arange(8000)], np.array([4000.0, 4000.0]), np.ones(2), rng()
    )
    failed = (drawn > 0).astype(float)
    rates = [failed[arm == a].sum(0).mean() / 4000 for a in (0, 1)]
    blind, _ = estimates.expected_counts(shares, 8000)
    assert rates == pytest.approx([0.04, 0.12], abs=0.012)
    assert blind[arm == 0].sum() / 4000 > rates[0] + 0.008


def test_a_doubtful_outcome_leans_to_the_place_where_certain_ones_happened():
    """Twenty certain failures in one place, none in the other: the doubtful ones are not shared half and half."""
    arm = np.tile([1, 0], 20)
    place = np.repeat([0, 1], 20)
    strata = Strata(place, arm, np.array([200.0, 200.0]), np.array([200.0, 200.0]))
    outcome = np.r_[np.arange(20), np.repeat(np.arange(20, 30), 2)]
    unit = np.r_[np.arange(20), np.tile([0, 20], 10)]
    weight = np.r_[np.ones(20), np.full(20, 0.5)]
    shares = Shares(outcome, unit, weight)
    found = adjusted_ratios.aware(shares, arm[unit], strata, rng())
    assert found is not None
    assert found.a[1].mean() < 0.9
    assert found.a.shape[1] > 1


def test_equal_seeds_give_equal_digits():
    shares, arm = world(1, 300, (0.05, 0.05))
    first, second = (
        adjusted_ratios.aware(shares, arm[shares.unit], one_stratum(arm), rng(7)) for _ in range(2)
    )
    assert first is not None
    assert second is not None
    assert first.ratio(rng(1)) == second.ratio(rng(1))
