"""How many times as often do changes of one arm fail as those of the other, nothing adjusted; and ratios of line rework.

Arm 1 is the marked one, arm 0 the one compared with. ``blind`` weights know no arm and pull the ratio toward 1 (what
undoes that stands in ``correlator/adjusted_ratios.py``); ``koopman`` is for outcomes whose cause is known. Nothing here
says "caused": METRICS.md names what each ratio assumes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from correlator.estimates import DRAWS, FloatArray, IntArray, RatioOfSums, beta_draws, summed
from correlator.roots import root

LEVERAGE_MAX = 0.95
"""A change that makes its stratum's rate alone says nothing of how far changes differ there."""


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
        edge = math.exp(root(excess, float(grid[i]), float(grid[i + 1])))
        return (0.0, edge) if x1 <= 0 else (edge, None)
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
    return root(function, point, edge)


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


@dataclass(frozen=True, slots=True)
class LineSums:
    """Mantel-Haenszel over lines. Per stratum: what arm 1 and arm 0 give to the two sums, and changes of either arm.

    ``freedom``: degrees of freedom of the variance: as few as a handful where a few huge changes make most of it.
    """

    a: FloatArray
    c: FloatArray
    a_variance: float
    c_variance: float
    weight: float
    n1: FloatArray
    n0: FloatArray
    freedom: float

    @property
    def log_ratio(self) -> float:
        return math.log(float(self.a.sum()) / float(self.c.sum()))

    @property
    def log_error(self) -> float:
        return math.sqrt(
            self.a_variance / float(self.a.sum()) ** 2 + self.c_variance / float(self.c.sum()) ** 2
        )

    def interval(self, level: float = 0.95) -> tuple[float, float, float]:
        """(ratio, low, high), by the delta method on the log scale."""
        half = float(special.stdtrit(self.freedom, 0.5 + level / 2)) * self.log_error
        return math.exp(self.log_ratio), math.exp(self.log_ratio - half), math.exp(self.log_ratio + half)

    @property
    def rates(self) -> tuple[float, float]:
        """Standardised rates of arm 1 and of arm 0."""
        return float(self.a.sum()) / self.weight, float(self.c.sum()) / self.weight


def stratified_of_sums(
    part: FloatArray, whole: FloatArray, arm: IntArray, stratum: IntArray
) -> LineSums | None:
    """Reworked lines (``part``) of added ones (``whole``) per change, compared within strata.

    The variance is linearised per change around the stratum's rate under the common ratio, so lines of one change fall
    together, and each residual is taken as if its change had not been fitted (HC3: MacKinnon and White 1985): a huge
    change draws its stratum's rate to itself. None where no stratum holds both arms or an arm has no reworked line.
    """
    count = int(stratum.max()) + 1 if stratum.size else 0
    sums = {
        (a, k): summed(v[arm == a], stratum[arm == a], count)
        for a in (0, 1)
        for k, v in (("part", part), ("whole", whole), ("n", np.ones(arm.size)))
    }
    total = sums[1, "whole"] + sums[0, "whole"]
    both = (sums[1, "whole"] > 0) & (sums[0, "whole"] > 0)
    safe = np.where(total > 0, total, 1.0)
    to = {1: np.where(both, sums[0, "whole"] / safe, 0.0), 0: np.where(both, sums[1, "whole"] / safe, 0.0)}
    given = {a: sums[a, "part"] * to[a] for a in (0, 1)}
    if given[1].sum() <= 0 or given[0].sum() <= 0:
        return None
    ratio = float(given[1].sum() / given[0].sum())
    exposure = np.maximum(ratio * sums[1, "whole"] + sums[0, "whole"], 1e-9)
    common = (sums[1, "part"] + sums[0, "part"]) / exposure
    variance, each = {}, []
    for a, factor in ((0, 1.0), (1, ratio)):
        at, lines = stratum[arm == a], factor * whole[arm == a]
        leverage = np.minimum(lines / exposure[at], LEVERAGE_MAX)
        residual = ((part[arm == a] - common[at] * lines) / (1 - leverage)) ** 2
        squares = residual * to[a][at] ** 2
        variance[a] = float(squares.sum())
        each.append(squares / given[a].sum() ** 2)
    squares = np.concatenate(each)
    # Satterthwaite 1946: 2 V^2 over the variance of V, here of a sum of unlike squares.
    spread = float((squares**2).sum() - squares.sum() ** 2 / squares.size)
    freedom = 2 * float(squares.sum()) ** 2 / spread if spread > 0 else float(squares.size)
    return LineSums(
        given[1][both],
        given[0][both],
        variance[1],
        variance[0],
        float(np.where(both, sums[1, "whole"] * to[1], 0.0).sum()),
        sums[1, "n"][both],
        sums[0, "n"][both],
        float(np.clip(freedom, 1.0, squares.size)),
    )


def two_sided(draws_1: FloatArray, draws_0: FloatArray) -> float:
    """Twice the smaller posterior probability of being on one side; never 0 with finite draws."""
    above = (float((draws_1 > draws_0).sum()) + 1) / (draws_1.size + 2)
    return min(1.0, 2 * min(above, 1 - above))
