"""How much data it would take, and how much doubt a ratio would survive.

Power of a comparison of two proportions, of a log ratio with a known standard error, now and later; the E-value; how
much marks would have to depend on failing.
"""

import math

import numpy as np
from scipy import special

from correlator.roots import root

FACTOR_MAX = 100.0
"""More than a hundred times the data of the window is no promise."""


def needed_per_arm(
    base_rate: float, ratio: float = 1.7, power: float = 0.8, level: float = 0.95
) -> int | None:
    """Changes per arm until ``ratio`` can be told from 1 when the other arm fails at ``base_rate``.

    None where the base rate is 0 or the marked rate would pass 1. Source: two proportions, normal approximation.
    """
    p0, p1 = base_rate, base_rate * ratio
    if not 0 < p0 < 1 or p1 >= 1 or ratio == 1:
        return None
    return math.ceil(_needed(p0, p1, power, level))


def _needed(p0: float, p1: float, power: float, level: float) -> float:
    z = float(special.ndtri(0.5 + level / 2))
    zb = float(special.ndtri(power))
    mean = (p0 + p1) / 2
    spread = z * math.sqrt(2 * mean * (1 - mean)) + zb * math.sqrt(p1 * (1 - p1) + p0 * (1 - p0))
    return (spread / (p1 - p0)) ** 2


def min_detectable_ratio(
    base_rate: float, n1: int, n0: int, power: float = 0.8, level: float = 0.95
) -> float | None:
    """The smallest ratio above 1 that ``n1`` and ``n0`` changes tell from 1; None where none below rate 1 is enough."""
    if not 0 < base_rate < 1 or n1 < 1 or n0 < 1:
        return None
    z = float(special.ndtri(0.5 + level / 2))
    zb = float(special.ndtri(power))

    def shortfall(ratio: float) -> float:
        p1 = base_rate * ratio
        mean = (n1 * p1 + n0 * base_rate) / (n1 + n0)
        null = math.sqrt(max(mean * (1 - mean), 0.0) * (1 / n1 + 1 / n0))
        real = math.sqrt(p1 * (1 - p1) / n1 + base_rate * (1 - base_rate) / n0)
        return (p1 - base_rate) - z * null - zb * real

    top = 1 / base_rate
    if shortfall(top) < 0:
        return None
    return root(shortfall, 1.0, top)


def e_value(ratio: float) -> float:
    """How strongly a hidden confounder would have to act, on both sides, to explain ``ratio`` away.

    Source: VanderWeele and Ding 2017; below 1 the inverse is meant.
    """
    if ratio <= 0:
        return math.inf
    rr = ratio if ratio >= 1 else 1 / ratio
    return rr + math.sqrt(rr * (rr - 1))


def detectable_at(log_error: float, power: float = 0.8, level: float = 0.95) -> float | None:
    """The smallest ratio above 1 told from 1 when log(ratio) has this standard error; None where it is not finite."""
    reach = float(special.ndtri(0.5 + level / 2)) + float(special.ndtri(power))
    return math.exp(reach * log_error) if math.isfinite(log_error) and log_error < 50 else None


def needed_at(
    log_error: float, n: int, ratio: float = 1.7, power: float = 0.8, level: float = 0.95
) -> int | None:
    """Changes per arm until ``ratio`` is told from 1, when ``n`` per arm gave log(ratio) this standard error."""
    if not math.isfinite(log_error):
        return None
    reach = float(special.ndtri(0.5 + level / 2)) + float(special.ndtri(power))
    return math.ceil(n * (reach * log_error / math.log(ratio)) ** 2)


def decided_at(
    log_ratio: float, log_error: float, ratio: float = 1.7, power: float = 0.8, level: float = 0.95
) -> float | None:
    """How many times the data it will take until the interval most likely leaves 1 out, if the truth is ``ratio``.

    Conditional power: what has been seen stays, what comes is drawn under ``ratio`` with the same error per change.
    With a share 1/f of the data in hand, the estimate will be normal around (b + (f - 1) log ratio) / f with the
    variance (f - 1) / f^2 s^2, and its own error will be s / sqrt(f).

    Args:
        log_ratio: b, what the data say now.
        log_error: s, its standard error now.

    Returns:
        f, at least 1; None where the error is not finite or a hundred times the data would not do.
    """
    if not math.isfinite(log_error) or log_error <= 0 or not math.isfinite(log_ratio) or ratio <= 1:
        return None
    z = float(special.ndtri(0.5 + level / 2))
    zb = float(special.ndtri(power))

    def excess(f: float) -> float:
        middle = (log_ratio + (f - 1) * math.log(ratio)) / f
        return middle - z * log_error / math.sqrt(f) - zb * log_error * math.sqrt(f - 1) / f

    if excess(1.0) >= 0:
        return 1.0
    if excess(FACTOR_MAX) < 0:
        return None
    # It may come close, fall back and come again while little has been added: the last time counts.
    grid = np.geomspace(1.0, FACTOR_MAX, 400)
    last = max(float(f) for f in grid if excess(float(f)) < 0)
    return root(excess, last, last * float(grid[1] / grid[0]) * 1.001)


def tipping_sensitivity(nearest: float, marked_share: float, sensitivity: float) -> float:
    """How low the sensitivity of the marks would have to be on one side of failing for the interval to reach 1.

    Marks that are missed alike by failing and by sound changes only hide a difference: no sensitivity makes one. What
    could make one is that AI-written changes are marked more often when they fail. With a true ratio of 1, a share m
    of marked changes, and u times as many marks on failing AI-written changes as on sound ones, the ratio that is seen
    is u (1 - m) / (1 - m u).

    Args:
        nearest: the end of the interval nearest to 1.
        marked_share: m, 0 < m < 1.
        sensitivity: of the side that is marked more often.

    Returns:
        The sensitivity of the other side at which ``nearest`` would be 1; the further below ``sensitivity``, the
        safer.
    """
    u = nearest / (1 - marked_share + marked_share * nearest)
    return sensitivity / u if u >= 1 else sensitivity * u
