"""Draws of who caused what by weights, by the groups' own rates and by how risky each place is; the adjusted ratio.

Weights of attribution know no arm and no place, so that the doubtful part of each falls on bystanders, who are as the
place and the arms happen to be mixed: a true difference shrinks toward none. The draws here undo that. They alternate
between culprits given rates and rates given culprits (data augmentation: Tanner and Wong 1987), and compare like
with like (Mantel and Haenszel 1959, variances by Greenland and Robins 1985). Marks that are sometimes wrong are
undone inside the strata, where the share of AI-written changes is known best.

Only rates come out of this; what is shown to people about an incident never uses it.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from correlator.estimates import CELLS_MAX, CERTAIN, FloatArray, IntArray, Padded, Shares, pad, summed
from correlator.ratios import LineSums, Ratio, TagErrors

CHAINS_MAX, CHAINS_MIN = 40, 8
PICKS_MAX = 40_000
"""Bound of doubtful outcomes x chains: many outcomes need fewer chains, for each chain then varies less."""
FORGOTTEN = 8
"""Steps until a chain has forgotten where it began (no change after 6 in simulations)."""
KEPT = 12
"""Steps that are kept of each chain."""
SAMPLES = 4000
"""Draws behind an interval: of culprits, times the noise of sampling on each."""
EVENT = 0.5
"""Added to the events of each arm, as Jeffreys' prior does, so that a draw with an empty arm stays finite."""
RATIO_MAX = 50.0
"""A chain that wandered off on an empty arm would never return: no real arms differ by more."""
GROUPS_FEW = 8
"""Up to so many groups nothing is learned from how far they differ: each has a rate of its own."""
SHARE_BINS = 24
"""Strata with nearly the same share of marks are corrected alike."""


@dataclass(frozen=True, slots=True)
class Strata:
    """Changes of each arm per stratum.

    ``of_unit`` and ``arm``: per unit, where and which it is. ``n1``, ``n0``: changes per stratum. ``prior``: per
    stratum, how suspect its changes are before any evidence, relative to all changes; None: alike everywhere.
    ``place``: per stratum, which strata are the same place at other times; None: none.
    """

    of_unit: IntArray
    arm: IntArray
    n1: FloatArray
    n0: FloatArray
    prior: FloatArray | None = None
    place: IntArray | None = None

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
class Sums:
    """Both sides of the Mantel-Haenszel ratio per draw, with their variances: ``a`` / ``c`` is the ratio."""

    a: FloatArray
    c: FloatArray
    a_variance: FloatArray
    c_variance: FloatArray
    weight: float

    def noise(self, repeats: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Factors on ``a`` and on ``c``, repeats x draws: gamma with the mean 1 and the variance of the sums."""
        size = (repeats, self.a.size)
        shape_a, shape_c = self.a**2 / self.a_variance, self.c**2 / self.c_variance
        return rng.gamma(shape_a, 1 / shape_a, size), rng.gamma(shape_c, 1 / shape_c, size)


def sums_of(a: FloatArray, c: FloatArray, n1: FloatArray, n0: FloatArray, event: float = EVENT) -> Sums:
    """Mantel-Haenszel sums; ``a``, ``c``: strata x draws, failed changes of arms 1 and 0; each stratum holds both arms.

    ``event``: added to the events of each arm, with the mean weight of an event of that arm. The variance is binomial
    with the risk of the whole arm: with a stratum's own, a failed change alone in its stratum would count as certain,
    and of intervals over many small strata 87 in 100 held the truth.
    """
    total = n1 + n0
    to_a, to_c = n0 / total, n1 / total
    weight = float((n1 * to_a).sum())
    mean_a, mean_c = weight / float(n1.sum()), weight / float(n0.sum())
    return Sums(
        to_a @ a + event * mean_a,
        to_c @ c + event * mean_c,
        to_a**2 @ a * (1 - a.sum(0) / n1.sum()) + event * mean_a**2,
        to_c**2 @ c * (1 - c.sum(0) / n0.sum()) + event * mean_c**2,
        weight,
    )


@dataclass(frozen=True, slots=True)
class Adjusted:
    """Draws of who failed, ready to be compared. ``a``, ``c``: strata x draws, failed changes of arms 1 and 0."""

    a: FloatArray
    c: FloatArray
    n1: FloatArray
    n0: FloatArray

    @property
    def known_error(self) -> float:
        """Standard error of the log ratio if the culprits of a draw were known: what doubt adds is the rest."""
        sums = sums_of(self.a, self.c, self.n1, self.n0)
        return math.sqrt(float((sums.a_variance / sums.a**2 + sums.c_variance / sums.c**2).mean()))

    @property
    def confounded(self) -> float:
        """The ratio without strata over the one within: what it owes to places that are more or less risky."""
        event = EVENT / 2
        crude = (self.a.sum(0) + event) / self.n1.sum() / ((self.c.sum(0) + event) / self.n0.sum())
        sums = sums_of(self.a, self.c, self.n1, self.n0)
        return float(np.exp(np.log(crude * sums.c / sums.a).mean()))

    def ratio(self, rng: np.random.Generator, level: float = 0.95) -> Ratio:
        """Median and quantiles over culprits and the noise of sampling; rates are standardised to the strata."""
        sums = sums_of(self.a, self.c, self.n1, self.n0)
        noise_a, noise_c = sums.noise(-(-SAMPLES // self.a.shape[1]), rng)
        risk_1, risk_0 = noise_a * sums.a / sums.weight, noise_c * sums.c / sums.weight
        tail = (1 - level) / 2
        low, middle, high = (float(q) for q in np.quantile(risk_1 / risk_0, [tail, 0.5, 1 - tail]))
        difference = [float(100 * q) for q in np.quantile(risk_1 - risk_0, [tail, 1 - tail])]
        rate_0 = 100 * float(np.exp(np.log(sums.c).mean())) / sums.weight
        between = rate_0 * (middle - 1)
        return Ratio(
            middle,
            low,
            high,
            rate_0 * middle,
            rate_0,
            between,
            min(difference[0], between),
            max(difference[1], between),
        )

    def corrected(
        self, errors: TagErrors, rng: np.random.Generator, level: float = 0.95
    ) -> tuple[float | None, float | None, float | None]:
        """The ratio with true labels in place of marks: median, low, high; None at the top: unbounded.

        See :func:`true_ratio`; sensitivity and specificity are drawn from their Beta posteriors.
        """
        sums = sums_of(self.a, self.c, self.n1, self.n0)
        repeats = -(-SAMPLES // self.a.shape[1])
        noise_a, noise_c = (noise.ravel() for noise in sums.noise(repeats, rng))
        total = self.n1 + self.n0
        share, at = binned_shares(self.n1, self.n0)
        part_a, part_c = (
            np.tile(_binned(values, at, share.size), (1, repeats))
            for values in (self.a * (self.n0 / total)[:, None], self.c * (self.n1 / total)[:, None])
        )
        # What the added event gives to the sums is spread over the bins like the rest.
        rest_a, rest_c = np.tile(sums.a, repeats) - part_a.sum(0), np.tile(sums.c, repeats) - part_c.sum(0)
        spread = _binned((self.n1 * self.n0 / total)[:, None], at, share.size) / sums.weight
        drawn = true_ratio(
            (part_a + rest_a * spread) * noise_a,
            (part_c + rest_c * spread) * noise_c,
            share[:, None],
            *_drawn(errors, noise_a.size, rng),
        )
        return _quantiles(drawn, level)


def true_ratio(
    a: FloatArray, c: FloatArray, share: FloatArray, sensitivity: FloatArray, specificity: FloatArray
) -> FloatArray:
    """The ratio of true arms at which the Mantel-Haenszel sums of the marked and the unmarked balance.

    In a stratum with the true ratio RR, marked changes fail at the rate r (1 + PPV (RR - 1)) and others at
    r (1 + (1 - NPV) (RR - 1)), r of changes that AI did not write; prevalence by Rogan and Gladen 1978. Assumes
    that errors of marks depend neither on failing nor on the stratum.

    Args:
        a: strata x draws, failed marked changes x n0 / N.
        c: strata x draws, failed other changes x n1 / N.
        share: strata x 1 (or draws), share of marked changes.
        sensitivity: draws; specificity: draws.

    Returns:
        Per draw: inf where no ratio is high enough, 0 where none is low enough.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        prevalence = np.clip((share - (1 - specificity)) / (sensitivity + specificity - 1), 1e-4, 1 - 1e-4)
        hit = prevalence * sensitivity
        ppv = hit / (hit + (1 - prevalence) * (1 - specificity))
        passed = (1 - prevalence) * specificity
        npv = passed / (passed + prevalence * (1 - sensitivity))
        top = (a * npv - c * (1 - ppv)).sum(0)
        bottom = (c * ppv - a * (1 - npv)).sum(0)
        return np.where(bottom <= 0, np.inf, np.clip(top, 0, None) / np.where(bottom <= 0, 1, bottom))


def corrected_lines(
    found: LineSums, errors: TagErrors, rng: np.random.Generator, level: float = 0.95
) -> tuple[float | None, float | None, float | None]:
    """The ratio of line rework with true labels in place of marks: median, low, high; None at the top: unbounded."""
    share, at = binned_shares(found.n1, found.n0)
    a, c = (np.bincount(at, weights=v, minlength=share.size)[:, None] for v in (found.a, found.c))
    wider = (special.stdtrit(found.freedom, 0.5 + level / 2) / special.ndtri(0.5 + level / 2)) ** 2
    noise = []
    for total, variance in ((found.a.sum(), found.a_variance), (found.c.sum(), found.c_variance)):
        relative = max(float(wider) * variance / float(total) ** 2, 1e-12)
        noise.append(rng.gamma(1 / relative, relative, SAMPLES))
    return _quantiles(
        true_ratio(a * noise[0], c * noise[1], share[:, None], *_drawn(errors, SAMPLES, rng)), level
    )


def _drawn(errors: TagErrors, size: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Sensitivity and specificity from their Beta posteriors."""
    return (
        rng.beta(errors.found + 0.5, errors.ai_labelled - errors.found + 0.5, size),
        rng.beta(errors.passed + 0.5, errors.other_labelled - errors.passed + 0.5, size),
    )


def _quantiles(drawn: FloatArray, level: float) -> tuple[float | None, float | None, float | None]:
    tail = (1 - level) / 2
    low, middle, high = np.quantile(drawn, [tail, 0.5, 1 - tail], method="higher")
    return tuple(float(q) if np.isfinite(q) else None for q in (middle, low, high))  # type: ignore[return-value]


def binned_shares(n1: FloatArray, n0: FloatArray) -> tuple[FloatArray, IntArray]:
    """(share of marks per bin, bin per stratum): shares of few changes are drawn toward the overall one (beta-binomial)."""
    total = n1 + n0
    mean = float(n1.sum() / total.sum())
    spread = mean * (1 - mean)
    excess = float((total * (n1 / total - mean) ** 2).sum()) - (total.size - 1) * spread
    scale = float(total.sum() - (total**2).sum() / total.sum())
    between = max(excess / scale, 0.0) if scale > 0 else 0.0
    strength = max(spread / between - 1, 1.0) if between > 0 else 1e9
    share = (n1 + strength * mean) / (total + strength)
    edges = np.unique(np.quantile(share, np.linspace(0, 1, SHARE_BINS + 1)))
    at = np.clip(np.searchsorted(edges, share, side="right") - 1, 0, max(edges.size - 2, 0)).astype(np.int64)
    at = np.unique(at, return_inverse=True)[1].astype(np.int64)
    weight = n1 * n0 / total
    return np.bincount(at, weights=weight * share) / np.bincount(at, weights=weight), at


def _binned(values: FloatArray, at: IntArray, bins: int) -> FloatArray:
    """Sums of the rows of ``values`` per bin: bins x columns."""
    width = values.shape[1]
    place = (at[:, None] * width + np.arange(width)).ravel()
    return summed(values.ravel(), place, bins * width).reshape(bins, width)


# --- draws ------------------------------------------------------------------------------------------


def aware(shares: Shares, arm_of_row: IntArray, strata: Strata, rng: np.random.Generator) -> Adjusted | None:
    """Draws of who failed, from weights, arms and places together.

    One chain: draw a culprit per outcome with weight x rate of the candidate's stratum and arm, relative to what
    attribution supposed of it; draw the rate of each stratum (gamma, drawn toward the mean rate as far as strata
    are alike) and the ratio of the arms; repeat. A candidate without doubt stays who it is.

    Args:
        shares: units are indices into ``strata.of_unit``.
        arm_of_row: per share, 1 for a candidate of arm 1 inside the exposure or not, else 0.
        strata: of the changes in exposure.
        rng: seeded by the caller.

    Returns:
        None where no stratum holds both arms.
    """
    if strata.weight <= 0:
        return None
    both = (strata.n1 > 0) & (strata.n0 > 0)
    lottery = _lottery(shares, arm_of_row, strata)
    if not lottery.padded.outcome_count:
        a, c = lottery.failed(np.zeros((lottery.fixed.size, 1), np.int64))
        return Adjusted(a[both], c[both], strata.n1[both], strata.n0[both])
    chains = int(np.clip(PICKS_MAX // lottery.padded.outcome_count, CHAINS_MIN, CHAINS_MAX))
    ratio = np.ones(chains)
    risk = np.repeat(lottery.supposed[:, None], chains, axis=1)
    kept: list[tuple[FloatArray, FloatArray]] = []
    for step in range(FORGOTTEN + KEPT):
        counts = lottery.draw(ratio, risk, rng)
        a, c = lottery.failed(counts)
        sums = sums_of(a[both], c[both], strata.n1[both], strata.n0[both])
        noise_a, noise_c = sums.noise(1, rng)
        ratio = np.clip(sums.a * noise_a[0] / (sums.c * noise_c[0]), 1 / RATIO_MAX, RATIO_MAX)
        risk = lottery.risks(counts, rng)
        if step >= FORGOTTEN:
            kept.append((a[both], c[both]))
    return Adjusted(
        np.hstack([a for a, _ in kept]), np.hstack([c for _, c in kept]), strata.n1[both], strata.n0[both]
    )


def aware_counts(
    shares: Shares, group_of_unit: IntArray, n: FloatArray, prior: FloatArray, rng: np.random.Generator
) -> IntArray:
    """Units x draws of outcomes caused, when changes are compared by group and nothing else.

    As :func:`aware`, without arms and strata: each group has a rate of its own. ``n``: changes per group; ``prior``:
    per group, see :class:`Strata`. Where every cause is certain there is one draw.
    """
    unit_count = group_of_unit.size
    strata = Strata(group_of_unit, np.zeros(unit_count, np.int64), np.zeros(n.size), n, prior)
    lottery = _lottery(shares, np.zeros(shares.outcome.size, np.int64), strata)
    if not lottery.padded.outcome_count:
        return lottery.fixed[:, None]
    chains = int(np.clip(PICKS_MAX // lottery.padded.outcome_count, CHAINS_MIN, CHAINS_MAX))
    chains = min(chains, max(CHAINS_MIN, CELLS_MAX // (KEPT * max(unit_count, 1))))
    ratio = np.ones(chains)
    risk = np.repeat(lottery.supposed[:, None], chains, axis=1)
    kept = []
    for step in range(FORGOTTEN + KEPT):
        counts = lottery.draw(ratio, risk, rng)
        risk = lottery.risks(counts, rng, is_weak=n.size <= GROUPS_FEW)
        if step >= FORGOTTEN:
            kept.append(counts)
    return np.hstack(kept) + lottery.fixed[:, None]


@dataclass(frozen=True, slots=True)
class _Lottery:
    """Outcomes in doubt, and what is certain.

    ``unit``: outcomes x (candidates + 1), who it is, -1 for nobody. ``place``: outcomes x candidates, twice the stratum
    plus the arm; the last place is nobody's.
    ``fixed``: per unit, outcomes that it surely caused. ``supposed``: per stratum, outcomes expected by the weights'
    own prior. ``elsewhere``: per outcome, weight on marked candidates outside of the exposure.
    """

    padded: Padded
    unit: IntArray
    place: IntArray
    fixed: IntArray
    elsewhere: FloatArray
    supposed: FloatArray
    strata: Strata

    def draw(self, ratio: FloatArray, risk: FloatArray, rng: np.random.Generator) -> IntArray:
        """Units x chains of outcomes caused; ``ratio``: chains; ``risk``: strata x chains, expected outcomes."""
        strata, padded, chains = self.strata, self.padded, ratio.size
        n1, n0 = strata.n1[:, None], strata.n0[:, None]
        # Rate of a change of arm 0, relative to what its stratum's changes were supposed to have on average.
        relative = (
            risk / np.maximum(n1 * ratio + n0, 1e-9) * ((strata.n1 + strata.n0) / self.supposed)[:, None]
        )
        factor = np.empty((2 * relative.shape[0] + 1, chains))
        factor[0:-1:2], factor[1:-1:2], factor[-1] = relative, relative * ratio, 0.0
        cumulative = np.zeros((padded.outcome_count, chains))
        steps = []
        for k, length in enumerate(padded.prefix):
            cumulative[:length] += padded.weight[:length, k, None] * factor[self.place[:length, k]]
            steps.append(cumulative[:length].copy())
        outside = ratio * (n1.sum() + n0.sum()) / (n1.sum() * ratio + n0.sum())
        nobody = np.clip(1 - padded.weight.sum(1) - self.elsewhere, 0, None)
        threshold = rng.random(cumulative.shape) * (
            cumulative + self.elsewhere[:, None] * outside + nobody[:, None]
        )
        chosen = np.repeat(np.arange(padded.outcome_count)[:, None] * self.unit.shape[1], chains, axis=1)
        for length, reached in zip(padded.prefix, steps, strict=True):
            chosen[:length] += threshold[:length] >= reached
        flat = self.unit.ravel()[chosen.ravel()]
        at = np.flatnonzero(flat >= 0)
        return np.bincount(flat[at] * chains + at % chains, minlength=self.fixed.size * chains).reshape(
            -1, chains
        )

    def failed(self, counts: IntArray) -> tuple[FloatArray, FloatArray]:
        """Strata x chains of changes that failed, arm 1 and arm 0; once each, however often."""
        chains, size = counts.shape[1], self.strata.n1.size
        at = np.flatnonzero(counts + self.fixed[:, None])
        code = (2 * self.strata.of_unit + self.strata.arm) * chains
        place = code[at // chains] + at % chains
        found = np.bincount(place, minlength=2 * size * chains).reshape(size, 2, chains).astype(np.float64)
        return found[:, 1], found[:, 0]

    def risks(self, counts: IntArray, rng: np.random.Generator, *, is_weak: bool = False) -> FloatArray:
        """Strata x chains of expected outcomes: gamma posteriors under a prior whose spread the counts themselves tell.

        ``is_weak``: each stratum for itself; a handful of groups does not tell how far groups differ.
        """
        chains, size = counts.shape[1], self.strata.n1.size
        at = np.flatnonzero(counts)
        place = (self.strata.of_unit * chains)[at // chains] + at % chains
        found = summed(counts.ravel()[at].astype(np.float64), place, size * chains).reshape(size, chains)
        found = found + summed(self.fixed.astype(np.float64), self.strata.of_unit, size)[:, None]
        if is_weak:
            drawn: FloatArray = rng.gamma(found + EVENT)
            return drawn
        # A place over the whole window first, drawn toward all places; then its four-week blocks, drawn toward it.
        place = np.arange(size) if self.strata.place is None else self.strata.place
        supposed = summed(self.supposed, place, int(place.max()) + 1)
        mean = (supposed / supposed.sum())[:, None] * np.maximum(found.sum(0), 1.0)
        of_place = _drawn_toward(mean, _binned(found, place, supposed.size), rng)
        return _drawn_toward(of_place[place] * (self.supposed / supposed[place])[:, None], found, rng)


def _drawn_toward(mean: FloatArray, found: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Gamma posteriors of expected counts (cells x chains) given counts, drawn toward ``mean`` as far as cells are alike.

    How far is told by the counts themselves: the variance beyond Poisson's gives the shape of the prior (moments).
    """
    excess = ((found - mean) ** 2 - mean).sum(0)
    shape = np.clip((mean**2).sum(0) / np.maximum(excess, 1e-9), 0.5, 1e4)
    drawn: FloatArray = rng.gamma(shape + found) / (shape / np.maximum(mean, 1e-9) + 1)
    return drawn


def _lottery(shares: Shares, arm_of_row: IntArray, strata: Strata) -> _Lottery:
    units = strata.of_unit.size
    inside = shares.unit >= 0
    certain = shares.weight >= CERTAIN
    is_fixed = np.zeros(max(shares.outcome_count, 1), dtype=bool)
    is_fixed[shares.outcome[certain]] = True
    concerns = np.zeros(max(shares.outcome_count, 1), dtype=bool)
    concerns[shares.outcome[inside]] = True
    fixed = np.bincount(shares.unit[certain & inside], minlength=units)
    rows = concerns[shares.outcome] & ~is_fixed[shares.outcome] if shares.outcome.size else certain
    outside = rows & ~inside & (arm_of_row == 1)
    rows = rows & inside
    padded = pad(shares.outcome[rows], shares.weight[rows])
    elsewhere = summed(shares.weight[outside], shares.outcome[outside], shares.outcome_count)[padded.outcome]
    mass = float(padded.weight.sum()) + float(fixed.sum())
    exposure = (strata.n1 + strata.n0) * (1.0 if strata.prior is None else strata.prior)
    supposed = np.maximum(exposure, 1e-9) / max(float(exposure.sum()), 1e-9) * mass
    unit = np.append(shares.unit[rows], -1)[np.column_stack([padded.row, np.full(padded.outcome_count, -1)])]
    place = np.append(2 * strata.of_unit + strata.arm, 2 * strata.n1.size)[unit[:, :-1]]
    return _Lottery(padded, unit, place, fixed, elsewhere, supposed, strata)
