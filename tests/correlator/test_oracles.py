"""Our formulas against those of scipy and statsmodels, wherever one of them has the same estimator."""

import math

import numpy as np
import pytest
from scipy import stats

from correlator import adjusted_ratios, estimates, power, ratios
from correlator.adjusted_ratios import Adjusted

COUNTS = [(0, 30), (1, 30), (7, 100), (68, 1000), (30, 30)]


@pytest.mark.parametrize(("x", "n"), COUNTS)
def test_wilson_is_that_of_scipy(x: int, n: int) -> None:
    low, high = estimates.wilson(np.array([float(x)]), np.array([float(n)]))
    found = stats.binomtest(x, n).proportion_ci(method="wilson")
    assert (low[0], high[0]) == (pytest.approx(found.low, abs=1e-9), pytest.approx(found.high, abs=1e-9))


@pytest.mark.parametrize(("x", "n"), COUNTS)
def test_jeffreys_is_that_of_statsmodels_but_closed_at_0_and_1(x: int, n: int) -> None:
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    low, high = estimates.jeffreys(np.array([float(x)]), np.array([float(n)]))
    theirs = proportion.proportion_confint(x, n, method="jeffreys")
    if x > 0:
        assert low[0] == pytest.approx(theirs[0])
    if x < n:
        assert high[0] == pytest.approx(theirs[1])


@pytest.mark.parametrize(("x1", "n1", "x0", "n0"), [(36, 40, 16, 80), (68, 1000, 40, 1000), (7, 100, 3, 90)])
def test_score_interval_of_a_ratio_is_that_of_statsmodels(x1: int, n1: int, x0: int, n0: int) -> None:
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    theirs = proportion.confint_proportions_2indep(
        x1, n1, x0, n0, compare="ratio", method="score", correction=False
    )
    assert ratios.koopman(x1, n1, x0, n0) == pytest.approx(theirs, rel=1e-5)


def strata(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    n1, n0 = random.integers(20, 200, 8), random.integers(20, 200, 8)
    risk = random.uniform(0.02, 0.2, 8)
    return random.binomial(n1, 1.7 * risk), random.binomial(n0, risk), n1, n0


@pytest.mark.parametrize("seed", range(3))
def test_mantel_haenszel_is_that_of_statsmodels(seed: int) -> None:
    tables = pytest.importorskip("statsmodels.stats.contingency_tables")
    a, c, n1, n0 = strata(seed)
    table = tables.StratifiedTable(
        [np.array([[x1, m1 - x1], [x0, m0 - x0]]) for x1, x0, m1, m0 in zip(a, c, n1, n0, strict=True)]
    )
    sums = adjusted_ratios.sums_of(
        a[:, None].astype(float), c[:, None].astype(float), n1.astype(float), n0.astype(float), event=0.0
    )
    assert sums.a[0] / sums.c[0] == pytest.approx(table.riskratio_pooled)


@pytest.mark.parametrize("seed", range(3))
def test_the_adjusted_interval_of_known_causes_is_about_that_of_a_poisson_regression(seed: int) -> None:
    """A stratum each a factor, robust errors (HC1): another estimator of the same ratio, so equal to some percent."""
    api = pytest.importorskip("statsmodels.api")
    a, c, n1, n0 = strata(seed)
    rows = [
        (arm, s, failed)
        for s in range(8)
        for arm, x, n in ((1, a[s], n1[s]), (0, c[s], n0[s]))
        for failed in [1] * x + [0] * (n - x)
    ]
    arm, stratum, failed = (np.array(column) for column in zip(*rows, strict=True))
    design = np.column_stack([arm, stratum[:, None] == np.arange(8)]).astype(float)
    fit = api.GLM(failed, design, family=api.families.Poisson()).fit(cov_type="HC1")
    found = Adjusted(
        a[:, None].astype(float), c[:, None].astype(float), n1.astype(float), n0.astype(float)
    ).ratio(np.random.default_rng(seed))
    assert math.log(found.value) == pytest.approx(fit.params[0], abs=0.05)
    width = 2 * 1.959964 * fit.bse[0]
    assert math.log(found.high / found.low) == pytest.approx(width, rel=0.08)


def test_kaplan_meier_and_its_bands_are_those_of_scipy() -> None:
    random = np.random.default_rng(5)
    times = np.round(random.exponential(10, 80)) + 1
    ended = random.random(80) < 0.7
    ours = estimates.kaplan_meier(times, ended)
    curve = stats.ecdf(stats.CensoredData.right_censored(times, ~ended)).sf
    with pytest.warns(RuntimeWarning, match="undefined"):
        bands = curve.confidence_interval(0.95, method="log-log")
    at = np.searchsorted(curve.quantiles, ours.times)
    inside = ours.share < 1
    assert ours.share == pytest.approx(curve.probabilities[at])
    last = ours.share > 0
    assert ours.low[inside & last] == pytest.approx(bands.low.probabilities[at][inside & last])
    assert ours.high[inside & last] == pytest.approx(bands.high.probabilities[at][inside & last])


def test_the_median_survival_and_its_interval_are_those_of_statsmodels() -> None:
    survival = pytest.importorskip("statsmodels.duration.survfunc")
    random = np.random.default_rng(6)
    times = random.exponential(10, 60)
    ended = random.random(60) < 0.8
    middle, _, _ = estimates.kaplan_meier(times, ended).median
    theirs = survival.SurvfuncRight(times, ended.astype(int))
    assert middle == pytest.approx(theirs.quantile(0.5))


def test_changes_needed_are_those_of_statsmodels() -> None:
    """Theirs takes the error of the difference under the null from the pooled rate as ours does."""
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    needed = power.needed_per_arm(0.04, 1.7)
    assert needed is not None
    theirs = proportion.power_proportions_2indep(0.028, 0.04, needed, ratio=1.0, alpha=0.05)
    assert theirs.power == pytest.approx(0.8, abs=0.01)


def test_katz_error_of_the_ratio_is_that_of_scipy() -> None:
    found = stats.contingency.relative_risk(60, 500, 30, 500)
    low, high = found.confidence_interval(0.95)
    adjusted = Adjusted(np.array([[60.0]]), np.array([[30.0]]), np.array([500.0]), np.array([500.0]))
    ratio = adjusted.ratio(np.random.default_rng(0))
    assert math.log(ratio.high / ratio.low) == pytest.approx(math.log(high / low), rel=0.04)
    assert ratio.value == pytest.approx(found.relative_risk, rel=0.02)
