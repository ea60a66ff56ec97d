"""Does a figure grow while the server runs? Least squares over time, with an interval."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

BLOCK_S = 60.0
"""Samples of one minute are averaged first: neighbours in time are alike and would make the interval too narrow."""


@dataclass(frozen=True, slots=True)
class Slope:
    """Growth per hour and its 95 % interval; ``None`` with fewer than three minutes to judge by."""

    per_hour: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.per_hour:+.3g} ({self.low:+.3g} to {self.high:+.3g})"


def slope(at_s: Sequence[float], values: Sequence[float], *, skip_s: float = 0.0) -> Slope | None:
    """The slope of ``values`` over ``at_s`` (seconds), those before ``skip_s`` left out: filling up is no leak."""
    blocks: dict[int, list[tuple[float, float]]] = {}
    for at, value in zip(at_s, values, strict=True):
        if at >= skip_s:
            blocks.setdefault(int(at // BLOCK_S), []).append((at, value))
    means = np.array([np.mean(block, axis=0) for block in blocks.values()])
    if len(means) < 3:
        return None
    fit = stats.linregress(means[:, 0] / 3600, means[:, 1])
    reach = stats.t.ppf(0.975, len(means) - 2) * fit.stderr
    return Slope(float(fit.slope), float(fit.slope - reach), float(fit.slope + reach))
