"""How much data a ratio takes: the published power table, and what no number of changes can do."""

import math

import numpy as np
import pytest

from correlator import power


@pytest.mark.parametrize(
    ("base", "ratio", "needed"), [(0.04, 1.7, 1020), (0.02, 1.7, 2100), (0.08, 2.5, 130)]
)
def test_changes_needed_per_arm_are_those_of_the_power_table(base, ratio, needed):
    found = power.needed_per_arm(base, ratio)
    assert found is not None
    assert found == pytest.approx(needed, rel=0.03)


def test_with_the_changes_needed_the_ratio_is_the_smallest_that_can_be_told():
    needed = power.needed_per_arm(0.04, 1.7)
    assert needed is not None
    assert power.min_detectable_ratio(0.04, needed, needed) == pytest.approx(1.7, abs=0.005)


def test_nothing_is_needed_where_no_number_would_do():
    assert power.needed_per_arm(0.0) is None
    assert power.needed_per_arm(0.7) is None
    assert power.min_detectable_ratio(0.0, 100, 100) is None
    assert power.min_detectable_ratio(0.5, 3, 3) is None


def test_e_value_of_1_7_is_2_8_and_symmetric():
    assert power.e_value(1.7) == pytest.approx(2.79, abs=0.01)
    assert power.e_value(1 / 1.7) == pytest.approx(power.e_value(1.7))
    assert power.e_value(1.0) == 1.0


def test_four_times_the_changes_halve_the_error_and_so_the_need():
    first = power.needed_at(0.4, 100)
    assert first is not None
    assert power.needed_at(0.2, 400) == pytest.approx(first, abs=2)
    assert power.needed_at(math.inf, 100) is None


def test_the_ratio_that_an_error_can_tell_is_the_one_that_needs_no_more():
    ratio = power.detectable_at(0.2)
    assert ratio is not None
    assert power.needed_at(0.2, 500, ratio) == pytest.approx(500, abs=1)
    assert power.detectable_at(math.inf) is None


def test_the_data_it_takes_decide_four_of_five_futures():
    """Futures drawn: what has been seen stays, what comes is normal around the truth."""
    future = np.random.default_rng(1).standard_normal(100_000)
    for seen, error in ((0.0, 0.4), (0.3, 0.4), (-0.2, 0.4), (0.5, 0.3)):
        factor = power.decided_at(seen, error)
        assert factor is not None
        later = (seen + (factor - 1) * math.log(1.7) + error * math.sqrt(factor - 1) * future) / factor
        assert (later > 1.959964 * error / math.sqrt(factor)).mean() == pytest.approx(0.8, abs=0.01)


def test_what_is_decided_takes_no_more_and_what_will_not_be_is_not_promised():
    assert power.decided_at(2.0, 0.1) == 1.0
    assert power.decided_at(0.0, 5.0) is None
    assert power.decided_at(0.0, math.inf) is None


def test_the_tipping_sensitivity_is_the_one_that_makes_a_ratio_of_none():
    """10,000 changes, half by AI, 5 in 100 of either fail; failing AI changes are marked at 0.8, sound ones at 0.6."""
    sound, failing, seen_sound, seen_failing = 4750.0, 250.0, 4750 * 0.6, 250 * 0.8
    marked = seen_sound + seen_failing
    rate_marked = seen_failing / marked
    rate_other = (failing - seen_failing + 250) / (10_000 - marked)
    # The formula takes failing changes to be rare: 5 in 100 are worth 1 % of the sensitivity.
    found = power.tipping_sensitivity(rate_marked / rate_other, marked / 10_000, 0.8)
    assert found == pytest.approx(0.6, abs=0.015)
    assert sound > seen_sound


def test_a_ratio_of_1_tips_at_the_sensitivity_itself():
    assert power.tipping_sensitivity(1.0, 0.4, 0.8) == pytest.approx(0.8)
    assert power.tipping_sensitivity(0.5, 0.4, 0.8) < 0.8
