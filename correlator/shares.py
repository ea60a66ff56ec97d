"""Whether two shares of failing requests differ: a Bayes factor that knows how unsteady requests are. Pure.

Beta-binomial: how likely both counts are with a share each, against one share for both, under Jeffreys' prior. Requests
fail in bursts, so that counts say less than as many coin tosses: they are divided by how much more the hours scatter.
Source: Kass and Raftery (1995), "Bayes factors"; McCullagh and Nelder, "Generalized linear models", 4.5 (dispersion).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import lgamma

PRIOR = 0.5
DISPERSION_MAX = 20.0


@dataclass(frozen=True, slots=True)
class Counted:
    """Failing requests of all."""

    failed: int
    total: int

    @property
    def share(self) -> float:
        return self.failed / self.total if self.total else 0.0


def log_bayes_factor(one: Counted, other: Counted, *, dispersion: float = 1.0) -> float:
    """Log of how much likelier the counts are with two shares than with one; below 0 they speak for one."""
    a_failed, a_passed = _effective(one, dispersion)
    b_failed, b_passed = _effective(other, dispersion)
    apart = _log_marginal(a_failed, a_passed) + _log_marginal(b_failed, b_passed)
    return apart - _log_marginal(a_failed + b_failed, a_passed + b_passed)


def dispersion(hours: Iterable[Counted]) -> float:
    """How much more the shares of several hours scatter than chance does (Pearson's chi-square over its degrees of
    freedom), at least 1; 1 where there is nothing to tell it from."""
    told = [hour for hour in hours if hour.total > 0]
    total = sum(hour.total for hour in told)
    share = sum(hour.failed for hour in told) / total if total else 0.0
    if len(told) < 3 or not 0 < share < 1:
        return 1.0
    scatter = sum(
        (hour.failed - hour.total * share) ** 2 / (hour.total * share * (1 - share)) for hour in told
    )
    return min(max(scatter / (len(told) - 1), 1.0), DISPERSION_MAX)


def _effective(counted: Counted, scatter: float) -> tuple[float, float]:
    failed = min(counted.failed, counted.total)
    return failed / scatter, (counted.total - failed) / scatter


def _log_marginal(failed: float, passed: float) -> float:
    return _log_beta(failed + PRIOR, passed + PRIOR) - _log_beta(PRIOR, PRIOR)


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)
