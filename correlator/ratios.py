"""How many times as often do changes of one arm fail as those of the other: four estimators and their companions.

Arm 1 is the marked one, arm 0 the one compared with. ``blind`` weights know no arm and pull the ratio toward 1;
``aware`` draws undo that, within strata; the tag correction undoes labels that are sometimes wrong; ``score`` is for
outcomes whose cause is known. Nothing here says "caused": METRICS.md names what each ratio assumes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from correlator.estimates import (
    CERTAIN,
    DRAWS,
    FloatArray,
    IntArray,
    Padded,
    RatioOfSums,
    Shares,
    beta_draws,
    pad,
    summed,
)

CHAINS = 30
"""Arm-aware draws, pooled by Rubin's rule; 25 to 50 suffice, the between-draw variance is small."""
ITERATIONS = 10
"""Steps after which a chain has forgotten where it began (no change after 6 in simulations)."""
CORRECTION = 0.25
"""Added to both Mantel-Haenszel sums: about half an event each, so that a draw with an empty arm stays finite."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """One ratio. ``value`` None: undefined. ``high`` None: unbounded. Rates and differences are per 100 changes."""

    value: float | None
    low: float | None
    high: float | None
    rate_1: float | None
    rate_0: float | None
    difference: float | None
    difference_low: float | None
    difference_high: float | None


@dataclass(frozen=True, slots=True)
class TagErrors:
    """How often tags are right, from an audit of labelled changes, or assumed.

    Sensitivity: ``found`` of ``ai_labelled`` changes that people say are AI-written carry the mark. Specificity:
    ``passed`` of ``other_labelled`` others carry none. ``basis``: assumed | audit.
    """

    found: float = 32.0
    ai_labelled: float = 40.0
    passed: float = 196.0
    other_labelled: float = 200.0
    basis: str = "assumed"

    @property
    def sensitivity(self) -> float:
        return self.found / self.ai_labelled

    @property
    def specificity(self) -> float:
        return self.passed / self.other_labelled


ASSUMED = TagErrors()
"""Until an audit says otherwise: four of five AI-written changes carry a mark, one in fifty others does."""


# --- outcomes whose cause is known ------------------------------------------------------------------


def koopman(x1: float, n1: float, x0: float, n0: float, level: float = 0.95) -> tuple[float, float | None]:
    """Score interval of the ratio of two proportions (Koopman 1984); high None where ``x0`` is 0.

    Counts may be fractional. (0, None) where both arms are without events: nothing is known.
    """
    critical = float(special.chdtri(1, 1 - level))
    if x1 <= 0 and x0 <= 0:
        return 0.0, None

    def excess(log_ratio: float) -> float:
        ratio = math.exp(log_ratio)
        a, b, c = ratio * (n1 + n0), -(ratio * (n1 + x0) + x1 + n0), x1 + x0
        p0 = (-b - math.sqrt(max(b * b - 4 * a * c, 0.0))) / (2 * a)
        p1 = ratio * p0
        chi = 0.0
        for x, n, p in ((x1, n1, p1), (x0, n0, p0)):
            variance = n * p * (1 - p)
            chi += (x - n * p) ** 2 / variance if variance > 1e-300 else 0.0
        return chi - critical

    point = math.log(x1 / n1 / (x0 / n0)) if x1 > 0 and x0 > 0 else None
    if point is None:
        # One arm is empty: the statistic falls to 0 toward that side, so one root stands on the other side.
        grid = np.linspace(-25, 25, 2001)
        signs = np.array([excess(float(g)) for g in grid])
        change = np.flatnonzero(np.sign(signs[1:]) != np.sign(signs[:-1]))
        if not change.size:
            return 0.0, None
        i = int(change[-1] if x1 <= 0 else change[0])
        root = math.exp(float(optimize.brentq(excess, float(grid[i]), float(grid[i + 1]))))
        return (0.0, root) if x1 <= 0 else (root, None)
    low = _root(excess, point, -1.0)
    high = _root(excess, point, 1.0)
    return math.exp(low), math.exp(high)


def _root(function: Callable[[float], float], point: float, side: float) -> float:
    """Where ``function``, negative at ``point``, turns positive on one side of it."""
    step = 0.5
    edge = point + side * step
    while function(edge) < 0 and step < 40:
        step *= 2
        edge = point + side * step
    if function(edge) < 0:
        return edge
    return float(optimize.brentq(function, point, edge))


# --- arm-blind --------------------------------------------------------------------------------------


def blind(
    expected: FloatArray, drawn: IntArray, n: IntArray, rng: np.random.Generator, level: float = 0.95
) -> Ratio:
    """Ratio of two rates, draw by draw, under weights that do not know the arms: conservative, pulled toward 1.

    Args:
        expected: 2; expected failed changes of arm 0 and arm 1.
        drawn: 2 x draws; failed changes in each draw of who caused what.
        n: 2; changes, each at least 1.
        rng: seeded by the caller.
        level: of the interval.
    """
    theta = beta_draws(drawn, n, rng, 4 * DRAWS)
    tail = (1 - level) / 2
    rate_0, rate_1 = (float(expected[a] / n[a]) for a in (0, 1))
    low, high = (float(q) for q in np.quantile(theta[1] / theta[0], [tail, 1 - tail]))
    difference_low, difference_high = (float(q) for q in np.quantile(theta[1] - theta[0], [tail, 1 - tail]))
    value = rate_1 / rate_0 if rate_0 > 0 else None
    low = 0.0 if rate_1 <= 0 else low
    return Ratio(
        value,
        low if value is None else min(low, value),
        None if value is None else max(high, value),
        100 * rate_1,
        100 * rate_0,
        100 * (rate_1 - rate_0),
        100 * min(difference_low, rate_1 - rate_0),
        100 * max(difference_high, rate_1 - rate_0),
    )


# --- arm-aware, within strata -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Strata:
    """Changes of each arm per stratum. ``of_unit`` and ``arm``: per unit, where and which it is."""

    of_unit: IntArray
    arm: IntArray
    n1: FloatArray
    n0: FloatArray

    @property
    def weight(self) -> float:
        """Sum of n1 n0 / N: 0 when no stratum holds both arms."""
        total = self.n1 + self.n0
        return float((self.n1 * self.n0 / np.where(total > 0, total, 1)).sum())

    @property
    def overlap(self) -> float:
        """Share of changes that stand in a stratum that holds both arms."""
        total = float((self.n1 + self.n0).sum())
        both = (self.n1 > 0) & (self.n0 > 0)
        return float((self.n1 + self.n0)[both].sum()) / total if total else 0.0

    @property
    def used(self) -> int:
        return int(((self.n1 > 0) & (self.n0 > 0)).sum())


@dataclass(frozen=True, slots=True)
class MantelHaenszel:
    """Pooled fits, one per draw: log ratio and risk difference with variances, and the two standardised risks."""

    log_ratio: FloatArray
    log_variance: FloatArray
    difference: FloatArray
    difference_variance: FloatArray
    risk_1: FloatArray
    risk_0: FloatArray


def mantel_haenszel(
    a: FloatArray, c: FloatArray, n1: FloatArray, n0: FloatArray, correction: float = CORRECTION
) -> MantelHaenszel:
    """Mantel-Haenszel ratio and difference per draw; ``a``, ``c``: strata x draws, failed changes of arms 1 and 0.

    Source: Greenland and Robins 1985 (variances); ``correction`` is added to both sums.
    """
    both = (n1 > 0) & (n0 > 0)
    a, c, n1, n0 = a[both], c[both], n1[both, None], n0[both, None]
    total = n1 + n0
    weight = float((n1 * n0 / total).sum())
    r = (a * n0 / total).sum(0) + correction
    s = (c * n1 / total).sum(0) + correction
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = (((a + c) * n1 * n0 - a * c * total) / total**2).sum(0) / (r * s)
        # The correction adds half an event to each arm; without it a draw without events would seem certain.
        variance = np.where(variance > 0, variance, 1 / r + 1 / s)
        log_ratio = np.log(r) - np.log(s)
        spread = (a * (n1 - a) * n0**3 + c * (n0 - c) * n1**3) / (n1 * n0 * total**2)
    return MantelHaenszel(
        log_ratio,
        variance,
        (r - s) / weight,
        np.clip(spread.sum(0), 0, None) / weight**2,
        r / weight,
        s / weight,
    )


def aware(
    shares: Shares,
    arm_of_row: IntArray,
    strata: Strata,
    rng: np.random.Generator,
    *,
    counts_each: bool = False,
    chains: int = CHAINS,
) -> MantelHaenszel | None:
    """Draws of who caused what that let an arm's own rate speak, each fitted within strata.

    One chain: draw a culprit per outcome with weight x RR for candidates of arm 1, fit, draw RR from the fit, repeat.
    Only rates come out of this; what is shown to people about an incident never uses it.

    Args:
        shares: units are indices into ``strata.of_unit``.
        arm_of_row: per share, 1 for a candidate of arm 1 inside the exposure or not, else 0.
        strata: of the changes in exposure.
        rng: seeded by the caller.
        counts_each: count every outcome of a unit, not only whether it had one.
        chains: independent draws.

    Returns:
        One fit per chain; None where no stratum holds both arms.
    """
    if strata.weight <= 0:
        return None
    units = strata.of_unit.size
    certain = shares.weight >= CERTAIN
    is_fixed = np.zeros(max(shares.outcome_count, 1), dtype=bool)
    is_fixed[shares.outcome[certain]] = True
    relevant = np.zeros(max(shares.outcome_count, 1), dtype=bool)
    relevant[shares.outcome[shares.unit >= 0]] = True
    fixed_rows = certain & (shares.unit >= 0)
    fixed = np.bincount(shares.unit[fixed_rows], minlength=units)
    rows = relevant[shares.outcome] & ~is_fixed[shares.outcome] if shares.outcome.size else certain
    inside, outside = rows & (shares.unit >= 0), rows & (shares.unit < 0) & (arm_of_row == 1)
    padded = pad(shares.outcome[inside], shares.weight[inside])
    elsewhere = summed(shares.weight[outside], shares.outcome[outside], shares.outcome_count)[padded.outcome]
    unit, arm = shares.unit[inside], arm_of_row[inside]
    log_ratio = np.zeros(chains)
    fit = None
    for _ in range(ITERATIONS if padded.outcome_count else 1):
        counts = fixed[:, None] + _pick_with_ratio(
            padded, unit, arm, ratio=np.exp(log_ratio), elsewhere=elsewhere, units=units, rng=rng
        )
        events = counts if counts_each else (counts > 0)
        a = _by_stratum(events, strata, 1)
        c = _by_stratum(events, strata, 0)
        fit = mantel_haenszel(a, c, strata.n1, strata.n0)
        log_ratio = fit.log_ratio + np.sqrt(fit.log_variance) * rng.standard_normal(chains)
        # A chain that wandered off on an empty arm would never return: 20 times is beyond any real arm.
        log_ratio = np.clip(log_ratio, -3.0, 3.0)
    return fit


def _by_stratum(
    events: "np.ndarray[tuple[int, int], np.dtype[np.generic]]", strata: Strata, arm: int
) -> FloatArray:
    totals = np.zeros((strata.n1.size, events.shape[1]))
    chosen = strata.arm == arm
    if chosen.any():
        order = np.argsort(strata.of_unit[chosen], kind="stable")
        where = strata.of_unit[chosen][order]
        starts = np.flatnonzero(np.r_[True, where[1:] != where[:-1]])
        totals[where[starts]] = np.add.reduceat(events[chosen][order].astype(np.float64), starts, axis=0)
    return totals


def _pick_with_ratio(
    padded: Padded,
    unit: IntArray,
    arm: IntArray,
    *,
    ratio: FloatArray,
    elsewhere: FloatArray,
    units: int,
    rng: np.random.Generator,
) -> IntArray:
    """Units x chains: outcomes caused, when candidates of arm 1 weigh ``ratio`` (chains) times what they did.

    ``elsewhere``: per outcome, the weight of candidates of arm 1 outside of the exposure.
    """
    chains = ratio.size
    if not padded.outcome_count:
        return np.zeros((units, chains), np.int64)
    is_marked = np.where(padded.row >= 0, arm[padded.row], 0) == 1
    marked = np.where(is_marked, padded.weight, 0.0)
    other = padded.weight - marked
    nobody = np.clip(1 - padded.weight.sum(1) - elsewhere, 0, None)
    total = (marked.sum(1) + elsewhere)[:, None] * ratio + (other.sum(1) + nobody)[:, None]
    threshold = rng.random((padded.outcome_count, chains)) * total
    cumulative = np.zeros_like(threshold)
    chosen = np.zeros(threshold.shape, np.int64)
    for k, length in enumerate(padded.prefix):
        cumulative[:length] += marked[:length, k, None] * ratio + other[:length, k, None]
        chosen[:length] += threshold[:length] >= cumulative[:length]
    rows = np.column_stack([padded.row, np.full(padded.outcome_count, -1)])
    picked = np.take_along_axis(rows, chosen, axis=1)
    outcome, chain = np.nonzero(picked >= 0)
    who = unit[picked[outcome, chain]]
    return np.bincount(who * chains + chain, minlength=units * chains).reshape(units, chains)


def rubin(point: FloatArray, variance: FloatArray, level: float = 0.95) -> tuple[float, float, float]:
    """Pool draws: mean, and mean -+ z sqrt(mean variance + (1 + 1/M) variance of points). Source: Rubin 1987."""
    between = float(point.var(ddof=1)) if point.size > 1 else 0.0
    spread = math.sqrt(float(variance.mean()) + (1 + 1 / point.size) * between)
    z = float(special.ndtri(0.5 + level / 2))
    center = float(point.mean())
    return center, center - z * spread, center + z * spread


def pooled(fit: MantelHaenszel, level: float = 0.95) -> Ratio:
    """The adjusted ratio of :func:`aware`, pooled; value = rate_1 / rate_0 (geometric means over the draws)."""
    center, low, high = rubin(fit.log_ratio, fit.log_variance, level)
    difference = rubin(fit.difference, fit.difference_variance, level)
    rate_1 = math.exp(float(np.log(fit.risk_1).mean()))
    rate_0 = math.exp(float(np.log(fit.risk_0).mean()))
    return Ratio(
        math.exp(center),
        math.exp(low),
        math.exp(high),
        100 * rate_1,
        100 * rate_0,
        100 * difference[0],
        100 * difference[1],
        100 * difference[2],
    )


# --- tag errors -------------------------------------------------------------------------------------


def tag_corrected(
    log_ratio: FloatArray,
    log_variance: FloatArray,
    marked_share: float,
    errors: TagErrors,
    rng: np.random.Generator,
    *,
    level: float = 0.95,
) -> tuple[float | None, float | None, float | None]:
    """The ratio that would be seen with true labels: median, low, high; None at the top: unbounded.

    Per draw, with sensitivity and specificity from their Beta posteriors: prevalence by Rogan and Gladen 1978, then
    PPV, NPV, then ratio = (NPV r - (1 - PPV)) / (PPV - (1 - NPV) r). A draw whose denominator is not positive is
    unbounded, so the upper end opens rather than being clipped. Assumes that tag errors do not depend on failing.
    """
    repeats = -(-4 * DRAWS // log_ratio.size)
    center = np.tile(log_ratio, repeats)
    observed = np.exp(center + np.sqrt(np.tile(log_variance, repeats)) * rng.standard_normal(center.size))
    size = center.size
    sensitivity = rng.beta(errors.found + 0.5, errors.ai_labelled - errors.found + 0.5, size)
    specificity = rng.beta(errors.passed + 0.5, errors.other_labelled - errors.passed + 0.5, size)
    with np.errstate(invalid="ignore", divide="ignore"):
        prevalence = (marked_share - (1 - specificity)) / (sensitivity + specificity - 1)
        prevalence = np.clip(prevalence, 1e-6, 1 - 1e-6)
        positive = prevalence * sensitivity
        ppv = positive / (positive + (1 - prevalence) * (1 - specificity))
        negative = (1 - prevalence) * specificity
        npv = negative / (negative + prevalence * (1 - sensitivity))
        top = npv * observed - (1 - ppv)
        bottom = ppv - (1 - npv) * observed
        corrected = np.where(bottom <= 0, np.inf, np.clip(top, 0, None) / np.where(bottom <= 0, 1, bottom))
    tail = (1 - level) / 2
    low, middle, high = np.quantile(corrected, [tail, 0.5, 1 - tail], method="higher")
    return tuple(float(q) if np.isfinite(q) else None for q in (middle, low, high))  # type: ignore[return-value]


# --- line rework ------------------------------------------------------------------------------------


def of_sums(
    marked: RatioOfSums, other: RatioOfSums, level: float = 0.95
) -> tuple[float, float, float | None]:
    """Ratio of two ratios of sums (one cell each) by the delta method on the log scale, t with the smaller n - 1.

    Both must be above 0. Source: delta method; clusters are changes.
    """
    value = float(marked.ratio[0] / other.ratio[0])
    variance = float(
        (marked.standard_error[0] / marked.ratio[0]) ** 2 + (other.standard_error[0] / other.ratio[0]) ** 2
    )
    freedom = max(min(int(marked.n[0]), int(other.n[0])) - 1, 1)
    half = float(special.stdtrit(freedom, 0.5 + level / 2)) * math.sqrt(variance)
    return value, value * math.exp(-half), value * math.exp(half) if math.isfinite(half) else None


def stratified_of_sums(
    part: FloatArray, whole: FloatArray, arm: IntArray, stratum: IntArray
) -> tuple[float, float, float, float] | None:
    """Mantel-Haenszel over lines: (log ratio, its variance, standardised rate of arm 1, of arm 0).

    The variance is linearised per change around the stratum's common rate, so lines of one change fall together.
    None where no stratum holds both arms or an arm has no reworked line.
    """
    count = int(stratum.max()) + 1 if stratum.size else 0
    sums = {
        (a, k): np.bincount(stratum[arm == a], weights=v[arm == a], minlength=count)
        for a in (0, 1)
        for k, v in (("part", part), ("whole", whole))
    }
    total = sums[1, "whole"] + sums[0, "whole"]
    both = (sums[1, "whole"] > 0) & (sums[0, "whole"] > 0)
    safe = np.where(total > 0, total, 1.0)
    to_1 = np.where(both, sums[0, "whole"] / safe, 0.0)
    to_0 = np.where(both, sums[1, "whole"] / safe, 0.0)
    r = float((sums[1, "part"] * to_1).sum())
    s = float((sums[0, "part"] * to_0).sum())
    weight = float(np.where(both, sums[1, "whole"] * sums[0, "whole"] / safe, 0.0).sum())
    if r <= 0 or s <= 0:
        return None
    common = (sums[1, "part"] + sums[0, "part"]) / safe
    n = np.bincount(stratum, minlength=count)
    inflation = np.where(n > 1, n / np.maximum(n - 1, 1), 1.0)
    # Under a true ratio the residuals keep the arms' difference: a little too wide, never too narrow.
    residual = (part - common[stratum] * whole) ** 2 * inflation[stratum]
    variance_r = float((residual * to_1[stratum] ** 2)[arm == 1].sum())
    variance_s = float((residual * to_0[stratum] ** 2)[arm == 0].sum())
    return (
        math.log(r / s),
        variance_r / r**2 + variance_s / s**2,
        r / weight,
        s / weight,
    )


def two_sided(draws_1: FloatArray, draws_0: FloatArray) -> float:
    """Twice the smaller posterior probability of being on one side; never 0 with finite draws."""
    above = (float((draws_1 > draws_0).sum()) + 1) / (draws_1.size + 2)
    return min(1.0, 2 * min(above, 1 - above))
