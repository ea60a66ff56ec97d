"""A small version of ``make coverage``: the product's ratios in companies whose answer is known."""

from functools import cache

import numpy as np
import pytest
from simulations import coverage
from simulations.worlds import RATIO, SCENARIOS, world

N, RUNS = 500, 24


@cache
def board(name: str) -> coverage.Board:
    return coverage.run(SCENARIOS[name], N, RUNS, 3000, has_rates=False)


def tally(name: str, method: str) -> coverage.Tally:
    return board(name)[name, f"change_failure_ratio {method}", N]


def test_weights_of_a_world_are_calibrated_and_give_the_culprit_what_the_scenario_says():
    found = world(SCENARIOS["B44"], 20_000, 1)
    did = found.candidate == found.culprit[:, None]
    given = (found.weight * did).sum(1)[found.culprit >= 0]
    assert given.mean() == pytest.approx(0.44, abs=0.03)
    for low in (0.1, 0.4, 0.7):
        chosen = (found.weight > low) & (found.weight < low + 0.2)
        assert did[chosen].mean() == pytest.approx(found.weight[chosen].mean(), abs=0.04)


def test_places_make_the_crude_ratio_wrong_and_the_adjusted_one_right():
    crude, adjusted = tally("D", "armblind_crude"), tally("D", "armaware_mh")
    assert np.mean(crude.hits) < 0.6
    assert np.mean(adjusted.hits) >= 0.85
    assert adjusted.caveats["confounded_crude"] >= RUNS * 0.9


def test_doubt_wrong_marks_and_places_together_still_leave_the_truth_inside():
    corrected = tally("BCD59", "armaware_mh_tagcorrected")
    assert np.mean(corrected.hits) >= 0.85
    assert np.mean(tally("BCD59", "armblind_crude").hits) < 0.6
    assert corrected.caveats["uncertain_tags"] + np.sum(corrected.hidden) >= RUNS * 0.5


def test_an_arm_that_is_watched_better_shows_the_caveat_and_no_false_ratio():
    crude, adjusted = tally("E", "armblind_crude"), tally("E", "armaware_mh")
    assert np.median(crude.values) > 1.25
    assert np.mean(adjusted.hits) >= 0.85
    assert crude.caveats["unequal_detection"] == RUNS


def test_the_oracle_of_a_known_world_is_the_product_itself():
    found = world(SCENARIOS["BCD59"], 1000, 3)
    known = coverage.oracle_interval(found)
    assert known is not None
    told = coverage.metrics.answer(
        coverage.build.ask("change_failure_ratio", end=found.scenario.days), found.data(is_known=True)
    )
    row = next(r for r in told.rows if r.groups["method"] == "armaware_mh")
    assert np.log([row.low, row.high]) == pytest.approx(np.log(known[1:]), abs=0.15)
    assert RATIO == 1.7
