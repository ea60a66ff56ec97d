"""One rate with its interval: posterior draws over who caused each outcome, times the noise of sampling.

Knows shares, counts and exposures as arrays; knows no table, no clock and no arm. What compares two arms stands in
``correlator/ratios.py``. The rules are those of METRICS.md; sources are named where a formula is used.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

DRAWS = 1000
"""Posterior draws per figure: the 2.5 % quantile then errs by about 4 % of the interval's half width."""
CELLS_MAX = 3_000_000
"""Bound of one units x draws array; beyond it there are fewer draws of causes, never fewer than ``DRAWS_MIN``."""
PICKS_MAX = 1_500_000
"""Bound of outcomes x draws, likewise: 1.5 million picks take about 60 ms."""
DRAWS_MIN = 200
CERTAIN = 1.0 - 1e-6
"""A share of at least this is no lottery: weights are stored with six decimals."""


@dataclass(frozen=True, slots=True)
class Shares:
    """Who may have caused each outcome: one row per share, rows of one outcome together.

    ``outcome``: 0..n-1, non-decreasing. ``unit``: what is counted when this share did it, -1 when that is outside of
    the exposure. ``weight``: 0..1; what the rows of an outcome leave to 1 belongs to nobody.
    """

    outcome: IntArray
    unit: IntArray
    weight: FloatArray

    @property
    def outcome_count(self) -> int:
        return int(self.outcome[-1]) + 1 if self.outcome.size else 0


@dataclass(frozen=True, slots=True)
class Padded:
    """Shares as a rectangle: outcomes with most candidates first, so that column k concerns a prefix only.

    ``outcome``: which outcome each line of the rectangle is.
    """

    outcome: IntArray
    weight: FloatArray
    row: IntArray
    prefix: tuple[int, ...]

    @property
    def outcome_count(self) -> int:
        return int(self.weight.shape[0])


def pad(outcome: IntArray, weight: FloatArray) -> Padded:
    """Shares (rows of one outcome adjacent) as outcomes x candidates; absent candidates weigh 0 and have row -1.

    Weights of an outcome that sum to more than one are scaled to one; rounding to six decimals does that.
    """
    if not outcome.size:
        return Padded(np.zeros(0, np.int64), np.zeros((0, 0)), np.zeros((0, 0), np.int64), ())
    starts = np.flatnonzero(np.r_[True, outcome[1:] != outcome[:-1]])
    counts = np.diff(np.r_[starts, outcome.size])
    order = np.argsort(-counts, kind="stable")
    starts, counts = starts[order], counts[order]
    columns = np.arange(int(counts[0]))
    present = columns[None, :] < counts[:, None]
    row = np.where(present, starts[:, None] + columns[None, :], -1)
    padded = np.where(present, weight[row], 0.0)
    total = padded.sum(axis=1, keepdims=True)
    padded = np.where(total > 1.0, padded / np.maximum(total, 1e-300), padded)
    prefix = tuple(int((counts > k).sum()) for k in columns)
    return Padded(outcome[starts], padded, row.astype(np.int64), prefix)


def pick(padded: Padded, draws: int, rng: np.random.Generator) -> IntArray:
    """Outcomes x draws: the row of ``shares`` that did it in each draw, -1 for nobody."""
    uniform = rng.random((padded.outcome_count, draws), dtype=np.float32)
    chosen = np.zeros(uniform.shape, dtype=np.int16)
    cumulative = np.cumsum(padded.weight, axis=1).astype(np.float32)
    for k, length in enumerate(padded.prefix):
        chosen[:length] += uniform[:length] >= cumulative[:length, k, None]
    width = len(padded.prefix)
    row = np.column_stack([padded.row, np.full(padded.outcome_count, -1)])
    # Past the last candidate of an outcome the padding has row -1; so has the extra column past the widest.
    return np.take_along_axis(row, np.minimum(chosen, width).astype(np.int64), axis=1)


def draw_counts(shares: Shares, unit_count: int, rng: np.random.Generator, draws: int = DRAWS) -> IntArray:
    """Units x draws: how many outcomes each unit caused in each draw.

    The number of draws falls below ``draws`` where the arrays would pass :data:`CELLS_MAX` or :data:`PICKS_MAX`.
    Outcomes whose cause is certain cost nothing.
    """
    inside = shares.unit >= 0
    certain = shares.weight >= CERTAIN
    fixed = np.bincount(shares.unit[inside & certain], minlength=unit_count)
    has_certain = np.zeros(shares.outcome_count, dtype=bool)
    has_certain[shares.outcome[certain]] = True
    open_rows = inside & ~has_certain[shares.outcome] if shares.outcome.size else inside
    if not open_rows.any():
        return np.broadcast_to(fixed[:, None], (unit_count, 1)).astype(np.int64)
    open_units = shares.unit[open_rows]
    padded = pad(shares.outcome[open_rows], shares.weight[open_rows])
    draws = min(draws, max(DRAWS_MIN, PICKS_MAX // padded.outcome_count, 1))
    draws = min(draws, max(DRAWS_MIN, CELLS_MAX // max(unit_count, 1)))
    rows = pick(padded, draws, rng)
    place = open_units[rows] * draws + np.arange(draws)
    counted = np.bincount(place[rows >= 0], minlength=unit_count * draws)
    return counted.reshape(unit_count, draws) + fixed[:, None]


def with_unattributed(
    drawn: IntArray, mass: FloatArray, n: IntArray, rng: np.random.Generator, *, once: bool
) -> IntArray:
    """Cells x draws of ``drawn``, and what changes may have done of the outcomes that the evidence gave to nobody.

    How much of them that is, nobody knows: in each draw a share of 0 to 1, drawn evenly, the same for all. Without any
    such ``mass`` the draws stay as they are.

    Args:
        drawn: cells x draws; outcomes, or with ``once`` changes that had at least one.
        mass: cells; expected outcomes if changes had done them all.
        n: cells; changes.
        rng: seeded by the caller.
        once: a change that has failed already fails no second time.
    """
    if not (mass > 0).any():
        return drawn
    if drawn.shape[1] == 1:
        drawn = np.tile(drawn, (1, DRAWS))
    share = rng.random(drawn.shape[1])
    touched = np.flatnonzero((mass > 0) & (n > 0))
    added = mass[touched, None] * share
    found = drawn.copy()
    if once:
        of_each = -np.expm1(-added / n[touched, None])
        found[touched] += rng.binomial(np.maximum(n[touched, None] - drawn[touched], 0), of_each)
    else:
        found[touched] += rng.poisson(added)
    return found


def expected_counts(shares: Shares, unit_count: int) -> tuple[FloatArray, FloatArray]:
    """Per unit: the expected number of outcomes that it caused, and the probability that it caused at least one."""
    inside = shares.unit >= 0
    unit, weight = shares.unit[inside], np.clip(shares.weight[inside], 0.0, 1.0)
    weight = np.where(weight >= CERTAIN, 1.0, weight)
    mean = np.bincount(unit, weights=weight, minlength=unit_count).astype(np.float64)
    none = np.ones(unit_count)
    np.multiply.at(none, unit, 1.0 - weight)
    return mean, 1.0 - none


def summed(values: FloatArray, cell: IntArray, cell_count: int) -> FloatArray:
    """Sum of ``values`` per cell, in the order of the rows: equal rows, equal bits."""
    return np.bincount(cell, weights=values, minlength=cell_count).astype(np.float64)


# --- proportions ----------------------------------------------------------------------------------


def wilson(x: FloatArray, n: FloatArray, level: float = 0.95) -> tuple[FloatArray, FloatArray]:
    """Wilson score interval of ``x`` of ``n``, elementwise; nan where ``n`` is 0. Source: Wilson 1927."""
    z = float(special.ndtri(0.5 + level / 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        p = x / n
        center = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = np.clip(center - half, 0.0, 1.0), np.clip(center + half, 0.0, 1.0)
    return np.where(x <= 0, np.where(n > 0, 0.0, np.nan), low), np.where(
        x >= n, np.where(n > 0, 1.0, np.nan), high
    )


def jeffreys(x: FloatArray, n: FloatArray, level: float = 0.95) -> tuple[FloatArray, FloatArray]:
    """Jeffreys interval, Beta(x + 1/2, n - x + 1/2), closed at 0 and 1 where x is 0 or n; nan where n is 0."""
    tail = (1 - level) / 2
    some = n > 0
    safe = np.where(some, n, 1.0)
    low = special.betaincinv(x + 0.5, safe - np.minimum(x, safe) + 0.5, tail)
    high = special.betaincinv(x + 0.5, safe - np.minimum(x, safe) + 0.5, 1 - tail)
    low = np.where(x <= 0, 0.0, low)
    high = np.where(x >= n, 1.0, high)
    return np.where(some, low, np.nan), np.where(some, high, np.nan)


def beta_draws(drawn: IntArray, n: IntArray, rng: np.random.Generator, draws: int = DRAWS) -> FloatArray:
    """Cells x draws of the rate: Beta(x + 1/2, n - x + 1/2) on each draw x of the counts, repeated up to ``draws``."""
    repeats = -(-draws // drawn.shape[1])
    x = np.tile(drawn, (1, repeats)).astype(np.float64)
    return rng.beta(x + 0.5, n[:, None] - x + 0.5)


def cfr(
    expected: FloatArray, drawn: IntArray, n: IntArray, rng: np.random.Generator, level: float = 0.95
) -> tuple[FloatArray, FloatArray]:
    """Interval of a share of changes that failed, per cell.

    Args:
        expected: cells; expected number of failed changes.
        drawn: cells x draws; failed changes in each draw of who caused what.
        n: cells; changes.
        rng: seeded by the caller.
        level: of the interval.

    Returns:
        low, high per cell, within [0, 1]; nan where ``n`` is 0. The interval holds ``expected / n``.
        Cells that no lottery touches get the Jeffreys interval itself, without the noise of drawing.
    """
    low, high = jeffreys(expected, n.astype(np.float64), level)
    lottery = (drawn.min(axis=1) != drawn.max(axis=1)) & (n > 0)
    if lottery.any():
        theta = beta_draws(drawn[lottery], n[lottery], rng)
        tail = (1 - level) / 2
        low[lottery], high[lottery] = np.quantile(theta, [tail, 1 - tail], axis=1)
    return _holding(expected, n.astype(np.float64), low, high)


def _holding(
    numerator: FloatArray, denominator: FloatArray, low: FloatArray, high: FloatArray
) -> tuple[FloatArray, FloatArray]:
    with np.errstate(invalid="ignore", divide="ignore"):
        point = numerator / denominator
    low = np.where(numerator <= 0, np.where(denominator > 0, 0.0, np.nan), low)
    return np.fmin(low, point), np.fmax(high, point)


# --- counts per exposure --------------------------------------------------------------------------


def dispersion(square_sum: FloatArray, count_sum: FloatArray) -> FloatArray:
    """max(1, sum of y squared / sum of y): how far outcomes come in clusters on one change (compound Poisson)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = square_sum / count_sum
    return np.where(np.isfinite(ratio), np.maximum(1.0, ratio), 1.0)


def count_rate(
    expected: FloatArray,
    drawn: IntArray,
    exposure: FloatArray,
    phi: FloatArray,
    rng: np.random.Generator,
    *,
    level: float = 0.95,
) -> tuple[FloatArray, FloatArray]:
    """Interval of outcomes per unit of exposure, per cell: phi x Gamma(k / phi + 1/2) / exposure.

    ``expected``, ``exposure``, ``phi``: cells; ``drawn``: cells x draws. nan where the exposure is 0; from 0 where
    nothing happened. Cells that no lottery touches get the quantiles of the gamma itself.
    """
    tail = (1 - level) / 2
    some = exposure > 0
    safe = np.where(some, exposure, 1.0)
    low = phi * special.gammaincinv(expected / phi + 0.5, tail) / safe
    high = phi * special.gammaincinv(expected / phi + 0.5, 1 - tail) / safe
    lottery = (drawn.min(axis=1) != drawn.max(axis=1)) & some
    if lottery.any():
        rate = gamma_draws(drawn[lottery], exposure[lottery], phi[lottery], rng)
        low[lottery], high[lottery] = np.quantile(rate, [tail, 1 - tail], axis=1)
    low, high = np.where(some, low, np.nan), np.where(some, high, np.nan)
    return _holding(expected, np.where(some, exposure, np.nan), low, high)


def gamma_draws(
    drawn: IntArray, exposure: FloatArray, phi: FloatArray, rng: np.random.Generator, draws: int = DRAWS
) -> FloatArray:
    """Cells x draws of outcomes per unit of exposure, see :func:`count_rate`."""
    repeats = -(-draws // drawn.shape[1])
    k = np.tile(drawn, (1, repeats)).astype(np.float64)
    return phi[:, None] * rng.gamma(k / phi[:, None] + 0.5) / exposure[:, None]


def category_shares(
    drawn: IntArray, rng: np.random.Generator, level: float = 0.95
) -> tuple[FloatArray, FloatArray]:
    """Interval of each category's share, Dirichlet(1/2 + counts) on each draw. ``drawn``: categories x draws."""
    repeats = -(-DRAWS // drawn.shape[1])
    gammas = rng.gamma(np.tile(drawn, (1, repeats)) + 0.5)
    mix = gammas / gammas.sum(axis=0, keepdims=True)
    tail = (1 - level) / 2
    low, high = np.quantile(mix, [tail, 1 - tail], axis=1)
    return low, high


# --- ratios of sums over changes: line rework -------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RatioOfSums:
    """sum(R) / sum(L) over n changes, with its standard error clustered by change; nan where undefined."""

    ratio: FloatArray
    standard_error: FloatArray
    n: IntArray


def ratio_of_sums(part: FloatArray, whole: FloatArray, cell: IntArray, cell_count: int) -> RatioOfSums:
    """Per cell r = sum(R)/sum(L), se^2 = n/(n-1) sum((R - r L)^2) / sum(L)^2: lines of one change fall together."""
    n = np.bincount(cell, minlength=cell_count).astype(np.int64)
    part_sum = summed(part, cell, cell_count)
    whole_sum = summed(whole, cell, cell_count)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = part_sum / whole_sum
        residual = summed((part - ratio[cell] * whole) ** 2, cell, cell_count)
        error = np.sqrt(n / (n - 1) * residual) / whole_sum
    return RatioOfSums(ratio, error, n)


def ratio_logit_t(found: RatioOfSums, level: float = 0.95) -> tuple[FloatArray, FloatArray]:
    """logit(r) +- t(n-1) se / (r (1 - r)), back on the scale of r.

    Where r is 0 or 1, or one change alone speaks, the data carry no spread: Wilson on *changes* then bounds what a
    change-level event of that frequency could be.
    """
    r, n = found.ratio, found.n.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        half = special.stdtrit(np.maximum(n - 1, 1), 0.5 + level / 2) * found.standard_error / (r * (1 - r))
        center = np.log(r / (1 - r))
        low, high = special.expit(center - half), special.expit(center + half)
        flat = ~np.isfinite(half) | (n < 2) | (found.standard_error <= 0)
        wilson_low, wilson_high = wilson(r * n, n, level)
    low, high = np.where(flat, wilson_low, low), np.where(flat, wilson_high, high)
    return np.fmin(low, r), np.fmax(high, r)


def bootstrap_t(
    part: FloatArray, whole: FloatArray, rng: np.random.Generator, level: float = 0.95, replicates: int = 600
) -> tuple[float, float]:
    """Studentised bootstrap over changes of sum(R)/sum(L), on the logit scale; better than a t below 200 changes.

    Falls back to :func:`ratio_logit_t` where too few replicates have spread. Source: Efron and Tibshirani 1993, 12.5.
    """
    cell = np.zeros(part.size, np.int64)
    found = ratio_of_sums(part, whole, cell, 1)
    fallback = ratio_logit_t(found, level)
    r, error = float(found.ratio[0]), float(found.standard_error[0])
    if not 0 < r < 1 or part.size < 5 or not error > 0:
        return float(fallback[0][0]), float(fallback[1][0])
    chosen = rng.integers(0, part.size, (replicates, part.size))
    parts, wholes = part[chosen], whole[chosen]
    ratio = parts.sum(1) / wholes.sum(1)
    inside = (ratio > 0) & (ratio < 1)
    if inside.mean() < 0.9:
        return float(fallback[0][0]), float(fallback[1][0])
    parts, wholes, ratio = parts[inside], wholes[inside], ratio[inside]
    errors = np.sqrt(
        part.size / (part.size - 1) * ((parts - ratio[:, None] * wholes) ** 2).sum(1)
    ) / wholes.sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        statistic = (np.log(ratio / (1 - ratio)) - np.log(r / (1 - r))) / (errors / (ratio * (1 - ratio)))
    statistic = statistic[np.isfinite(statistic)]
    if statistic.size < replicates // 2:
        return float(fallback[0][0]), float(fallback[1][0])
    tail = (1 - level) / 2
    upper, lower = np.quantile(statistic, [tail, 1 - tail])
    scale = error / (r * (1 - r))
    center = np.log(r / (1 - r))
    low, high = special.expit([center - lower * scale, center - upper * scale])
    return min(float(low), r), max(float(high), r)


# --- times ----------------------------------------------------------------------------------------


def median_interval(values: FloatArray, level: float = 0.95) -> tuple[float, float | None, float | None]:
    """Median and its order-statistic interval; an end is None where n is too small to bound it (n < 6 at 95 %)."""
    ordered = np.sort(values)
    rank = _binomial_quantile((1 - level) / 2, ordered.size)
    middle = float(np.median(ordered))
    if rank < 1:
        return middle, None, None
    return middle, float(ordered[rank - 1]), float(ordered[ordered.size - rank])


@dataclass(frozen=True, slots=True)
class Survival:
    """Kaplan-Meier curve: ``share`` of subjects not yet ended just after each of ``times``, with its interval."""

    times: FloatArray
    share: FloatArray
    low: FloatArray
    high: FloatArray

    @property
    def median(self) -> tuple[float | None, float | None, float | None]:
        """Time at which half have ended, and its interval (Brookmeyer and Crowley 1982); None: not reached yet."""
        return self._first(self.share), self._first(self.low), self._first(self.high)

    def _first(self, curve: FloatArray) -> float | None:
        reached = np.flatnonzero(curve <= 0.5)
        return float(self.times[reached[0]]) if reached.size else None


def kaplan_meier(durations: FloatArray, ended: BoolArray, level: float = 0.95) -> Survival:
    """Survival of independent subjects, those not ``ended`` censored at their duration; log(-log) Greenwood bands."""
    times = np.unique(durations[ended])
    at_risk = durations.size - np.searchsorted(np.sort(durations), times, side="left")
    events = np.searchsorted(np.sort(durations[ended]), times, side="right") - np.searchsorted(
        np.sort(durations[ended]), times, side="left"
    )
    z = float(special.ndtri(0.5 + level / 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.cumprod(1 - events / at_risk)
        greenwood = np.cumsum(events / (at_risk * (at_risk - events)))
        spread = np.exp(z * np.sqrt(greenwood) / np.abs(np.log(share)))
        low, high = share**spread, share ** (1 / spread)
    # Where the curve falls to zero the bands have no spread to stand on: the low one goes with it, the high one stays.
    last = share <= 0
    before = np.r_[1.0, high[:-1]] if times.size else high
    return Survival(
        times.astype(np.float64),
        share.astype(np.float64),
        np.where(last, 0.0, low).astype(np.float64),
        np.where(last, before, high).astype(np.float64),
    )


def benjamini_hochberg(p: FloatArray) -> FloatArray:
    """Adjusted p-values (q) of many comparisons. Source: Benjamini and Hochberg 1995."""
    order = np.argsort(p)[::-1]
    scaled = p[order] * p.size / np.arange(p.size, 0, -1)
    adjusted = np.empty(p.size)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled), 1.0)
    return adjusted


def _binomial_quantile(probability: float, n: int) -> int:
    """The least k with P(X <= k) >= probability, X ~ Binomial(n, 1/2). ``scipy.stats`` has it for 23 MB of memory."""
    k = max(int(np.ceil(special.bdtrik(probability, n, 0.5))) - 1, 0)
    return k if special.bdtr(k, n, 0.5) >= probability else k + 1
