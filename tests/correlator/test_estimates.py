"""Intervals hold what they promise: against closed forms, textbooks' numbers, laws, and simulated worlds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from correlator import estimates
from correlator.estimates import Shares


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def shares(*rows: tuple[int, int, float]) -> Shares:
    outcome, unit, weight = zip(*rows, strict=True) if rows else ((), (), ())
    return Shares(np.array(outcome, np.int64), np.array(unit, np.int64), np.array(weight, np.float64))


def test_wilson_of_ten_in_a_hundred_is_the_textbook_interval():
    low, high = estimates.wilson(np.array([10.0]), np.array([100.0]))
    assert (round(low[0], 4), round(high[0], 4)) == (0.0552, 0.1744)


def test_no_trial_gives_no_interval():
    for interval in (estimates.wilson, estimates.jeffreys):
        low, high = interval(np.array([0.0]), np.array([0.0]))
        assert np.isnan(low[0])
        assert np.isnan(high[0])


def test_nothing_in_thirty_starts_at_zero_and_stays_below_the_rule_of_three():
    low, high = estimates.jeffreys(np.array([0.0]), np.array([30.0]))
    assert low[0] == 0.0
    assert 0.05 < high[0] < 0.1


@given(st.integers(1, 500), st.floats(0, 1), st.sampled_from([0.5, 0.8, 0.95, 0.99]))
def test_intervals_of_a_proportion_hold_it_and_stay_in_the_unit_interval(n, share, level):
    x = np.array([float(round(share * n))])
    for interval in (estimates.wilson, estimates.jeffreys):
        low, high = interval(x, np.array([float(n)]), level)
        assert 0.0 <= low[0] <= x[0] / n <= high[0] <= 1.0


def test_a_certain_cause_is_the_same_in_every_draw():
    drawn = estimates.draw_counts(shares((0, 1, 1.0), (1, 1, 1.0)), 3, rng())
    assert drawn.max(axis=1).tolist() == drawn.min(axis=1).tolist() == [0, 2, 0]


def test_draws_pick_causes_as_often_as_their_weights_say():
    drawn = estimates.draw_counts(
        shares((0, 0, 0.5), (0, 1, 0.3), (1, 1, 0.25), (2, -1, 0.9)), 2, rng(), 20_000
    )
    assert drawn.mean(axis=1) == pytest.approx([0.5, 0.55], abs=0.02)


def test_one_outcome_has_at_most_one_cause_in_a_draw():
    drawn = estimates.draw_counts(shares(*((0, unit, 0.2) for unit in range(5))), 5, rng())
    assert drawn.sum(axis=0).max() == 1
    assert drawn.sum(axis=0).min() == 1


def test_weights_that_round_to_more_than_one_are_scaled():
    drawn = estimates.draw_counts(shares((0, 0, 0.666667), (0, 1, 0.333334)), 2, rng())
    assert (drawn.sum(axis=0) == 1).all()


def test_a_change_that_may_have_caused_two_outcomes_counts_once_as_failed():
    mean, any_ = estimates.expected_counts(shares((0, 0, 0.5), (1, 0, 0.5)), 1)
    assert (mean[0], any_[0]) == (1.0, 0.75)


def test_draws_are_fewer_when_there_is_much_to_draw_and_never_too_few():
    many = 20_000
    rows = Shares(np.arange(many), np.arange(many), np.full(many, 0.5))
    drawn = estimates.draw_counts(rows, many, rng())
    assert drawn.shape == (many, estimates.DRAWS_MIN)


def test_without_a_lottery_the_interval_is_jeffreys_to_the_last_digit():
    drawn = np.full((1, 10), 4)
    found = estimates.cfr(np.array([4.0]), drawn, np.array([50]), rng())
    expected = estimates.jeffreys(np.array([4.0]), np.array([50.0]))
    assert (found[0][0], found[1][0]) == (expected[0][0], expected[1][0])


def test_count_rate_of_known_causes_is_the_gamma_interval():
    low, high = estimates.count_rate(np.array([9.0]), np.full((1, 5), 9), np.array([3.0]), np.ones(1), rng())
    assert low[0] == pytest.approx(stats.gamma.ppf(0.025, 9.5) / 3)
    assert high[0] == pytest.approx(stats.gamma.ppf(0.975, 9.5) / 3)


def test_clustered_outcomes_widen_the_interval():
    phi = estimates.dispersion(np.array([9.0 + 9.0]), np.array([6.0]))
    assert phi[0] == 3.0
    drawn = np.full((1, 5), 6)
    narrow = estimates.count_rate(np.array([6.0]), drawn, np.ones(1), np.ones(1), rng())
    wide = estimates.count_rate(np.array([6.0]), drawn, np.ones(1), phi, rng())
    assert wide[1][0] - wide[0][0] > narrow[1][0] - narrow[0][0]


def test_category_shares_of_one_draw_lie_around_their_counts():
    low, high = estimates.category_shares(np.repeat([[8], [2], [0]], 50, axis=1), rng())
    assert (low[0] < 0.8 < high[0], low[1] < 0.2 < high[1]) == (True, True)
    assert high[2] < 0.35


def test_the_rework_interval_is_clustered_by_change():
    part = np.array([0.0] * 19 + [1900.0])
    whole = np.array([100.0] * 19 + [1900.0])
    found = estimates.ratio_of_sums(part, whole, np.zeros(20, np.int64), 1)
    low, high = estimates.ratio_logit_t(found)
    assert found.ratio[0] == 0.5
    # On lines taken one by one the interval would be +- 0.016.
    assert low[0] < 0.2
    assert high[0] > 0.8


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 200)), min_size=1, max_size=40))
def test_rework_intervals_hold_their_ratio(lines):
    part = np.array([min(a, b) for a, b in lines], np.float64)
    whole = np.array([b for _, b in lines], np.float64)
    found = estimates.ratio_of_sums(part, whole, np.zeros(part.size, np.int64), 1)
    low, high = estimates.ratio_logit_t(found)
    assert 0 <= low[0] <= found.ratio[0] <= high[0] <= 1
    low_t, high_t = estimates.bootstrap_t(part, whole, rng())
    assert 0 <= low_t <= found.ratio[0] <= high_t <= 1


def test_the_median_of_five_has_no_95_percent_interval():
    assert estimates.median_interval(np.arange(5.0)) == (2.0, None, None)


def test_the_median_of_twenty_lies_between_order_statistics():
    assert estimates.median_interval(np.arange(1.0, 21.0)) == (10.5, 6.0, 15.0)


def test_kaplan_meier_without_censoring_is_the_share_left():
    curve = estimates.kaplan_meier(np.array([1.0, 2.0, 3.0, 4.0]), np.ones(4, bool))
    assert curve.share.tolist() == pytest.approx([0.75, 0.5, 0.25, 0.0])
    assert curve.median[0] == 2.0


def test_kaplan_meier_keeps_the_censored_at_risk():
    durations = np.array([6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35.0])
    ended = np.array([1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0], bool)
    curve = estimates.kaplan_meier(durations, ended)
    # Remission times of the 6-MP arm of Freireich et al. 1963, the textbook example: S(6), S(10), S(23), median 23.
    assert curve.share[[0, 2, -1]].tolist() == pytest.approx([0.857, 0.753, 0.448], abs=5e-4)
    assert curve.median[0] == 23.0
    assert curve.median[2] is None


def test_q_values_are_never_below_their_p_values():
    p = np.array([0.001, 0.04, 0.03, 0.9])
    assert (estimates.benjamini_hochberg(p) >= p).all()


def simulated_world(seed: int, n: int, rate: float) -> tuple[Shares, int]:
    """``n`` changes, some of which fail; each failure has four candidates and a share for nobody, true by draw."""
    random = rng(seed)
    failed = int(random.binomial(n, rate))
    culprits = random.choice(n, failed, replace=False)
    rows = []
    outcome = 0
    for culprit in culprits:
        # Accepting weights in proportion to what they give to a candidate makes them calibrated.
        weights = random.dirichlet([0.4] * 5)
        while random.random() > 1 - weights[4]:
            weights = random.dirichlet([0.4] * 5)
        candidates = random.integers(0, n, 4)
        candidates[random.choice(4, p=weights[:4] / weights[:4].sum())] = culprit
        rows += [(outcome, int(c), float(w)) for c, w in zip(candidates, weights[:4], strict=True)]
        outcome += 1
    for _ in range(int(random.poisson(failed / 4))):
        weights = random.dirichlet([0.4] * 5)
        while random.random() > weights[4]:
            weights = random.dirichlet([0.4] * 5)
        rows += [
            (outcome, int(c), float(w)) for c, w in zip(random.integers(0, n, 4), weights[:4], strict=True)
        ]
        outcome += 1
    return shares(*rows), failed


def test_95_percent_intervals_of_the_failure_rate_hold_the_truth_about_95_times_in_100():
    runs, hits = 250, 0
    n, rate = 400, 0.06
    for seed in range(runs):
        found, _ = simulated_world(seed, n, rate)
        random = rng(seed)
        drawn = (estimates.draw_counts(found, n, random, 300) > 0).sum(axis=0)[None, :]
        _, any_ = estimates.expected_counts(found, n)
        low, high = estimates.cfr(np.array([any_.sum()]), drawn, np.array([n]), random)
        hits += bool(low[0] <= rate <= high[0])
    assert 0.92 <= hits / runs <= 0.99


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_ranks_of_the_median_are_those_of_the_binomial_distribution(level: float) -> None:
    for n in (*range(1, 60), 100, 1001):
        values = np.arange(1.0, n + 1)
        rank = int(stats.binom.ppf((1 - level) / 2, n, 0.5))
        _, low, high = estimates.median_interval(values, level)
        assert (low, high) == ((None, None) if rank < 1 else (rank, n - rank + 1))


def test_adjusted_p_values_are_those_of_scipy() -> None:
    for n in (1, 2, 50):
        p = np.random.default_rng(n).random(n) ** 3
        assert estimates.benjamini_hochberg(p) == pytest.approx(stats.false_discovery_control(p))
