"""What two common rules would have said of the same data, labelled as such: guilt by deployment.

``last_deployment``: each outcome is blamed on the last deployment before it in its service, and every change of that
deployment failed. ``share_weighted``: each blamed deployment fails by the AI share of its changes. Both pull a true
ratio toward 1, the more changes a deployment carries; shown so that this can be seen in one's own data.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import special

from correlator import ratios
from correlator.estimates import IntArray
from correlator.metric_data import NEVER, Changes, MetricData
from correlator.metric_failures import Counted
from correlator.ratios import Ratio


@dataclass(frozen=True, slots=True)
class Blamed:
    """(deployment, change) pairs of every deployment that is the last before some outcome, once each."""

    batch: IntArray
    change: IntArray


def last_deployment(blamed: Blamed, who: IntArray, arm: IntArray, level: float) -> tuple[float, float, Ratio]:
    """(failed changes of arm 1, of arm 0, their ratio); every change of a blamed deployment failed."""
    failed = np.isin(who, blamed.change)
    n1, n0 = float((arm == 1).sum()), float((arm == 0).sum())
    x1, x0 = float((failed & (arm == 1)).sum()), float((failed & (arm == 0)).sum())
    low, high = ratios.koopman(x1, n1, x0, n0, level)
    return x1, x0, _ratio(x1, n1, x0, n0, low, high)


def share_weighted(blamed: Blamed, who: IntArray, arm: IntArray, level: float) -> tuple[float, float, Ratio]:
    """(failed deployments given to arm 1, to arm 0, ratio per change); each by the share of its changes."""
    batch, change = blamed.batch, blamed.change
    at = np.searchsorted(who, change)
    inside = (at < who.size) & (who[np.minimum(at, max(who.size - 1, 0))] == change) if who.size else at < 0
    batch, arms = np.unique(batch[inside], return_inverse=True)[1], arm[at[inside]]
    ones = np.bincount(batch[arms == 1], minlength=batch.max() + 1 if batch.size else 0)
    alls = np.bincount(batch, minlength=ones.size)
    shares = ones / np.maximum(alls, 1)
    n1, n0 = float((arm == 1).sum()), float((arm == 0).sum())
    x1, x0 = float(shares.sum()), float((1 - shares).sum())
    if shares.size == 0:
        x0 = 0.0
    z = float(special.ndtri(0.5 + level / 2))
    center = math.log((x1 + 0.5) / (n1 + 0.5)) - math.log((x0 + 0.5) / (n0 + 0.5))
    variance = 1 / (x1 + 0.5) - 1 / (n1 + 0.5) + 1 / (x0 + 0.5) - 1 / (n0 + 0.5)
    half = z * math.sqrt(max(variance, 0.0))
    high = math.exp(center + half) if x0 > 0 else None
    return x1, x0, _ratio(x1, n1, x0, n0, math.exp(center - half) if x1 > 0 else 0.0, high)


def _ratio(x1: float, n1: float, x0: float, n0: float, low: float, high: float | None) -> Ratio:
    rate_1, rate_0 = x1 / n1, x0 / n0
    value = rate_1 / rate_0 if rate_0 > 0 else None
    if value is not None:
        low, high = min(low, value), None if high is None else max(high, value)
    return Ratio(value, low, high, 100 * rate_1, 100 * rate_0, 100 * (rate_1 - rate_0), None, None)


@dataclass(frozen=True, slots=True)
class _Deployed:
    """(deployment, change) pairs in the order of ``key``: one number per service and moment.

    A search in ``key`` finds the last deployment of a service before a moment, which is microseconds after ``start`` and
    less than ``width``. Deployments anywhere have one service more than there are.
    """

    key: IntArray
    change: IntArray
    start: int
    width: int


@lru_cache(maxsize=1)
def _deployed(changes: Changes, as_of_us: int) -> _Deployed:
    services, anywhere = changes.services, len(changes.services.names)
    is_deployed = (changes.deployed_at != NEVER) & (changes.deployed_at <= as_of_us)
    listed = np.flatnonzero(is_deployed)
    if not listed.size:
        return _Deployed(listed, listed, 0, 1)
    owner = np.repeat(np.arange(changes.count), services.counts)
    inside = is_deployed[owner]
    change = np.r_[owner[inside], listed]
    service = np.r_[services.codes[inside], np.full(listed.size, anywhere)]
    start = int(changes.deployed_at[listed].min())
    width = int(changes.deployed_at[listed].max()) - start + 1
    key = service * width + (changes.deployed_at[change] - start)
    order = np.argsort(key, kind="stable")
    return _Deployed(key[order], change[order], start, width)


def blamed_of(data: MetricData, counted: Counted, as_of_us: int) -> Blamed:
    """Deployments that are the last before an outcome that is counted.

    A deployment is what first carried changes: a service and a moment. Outcomes without a service of ours are
    blamed on the last deployment of all.
    """
    changes, outcomes = data.change_columns, data.outcome_columns
    first = counted.rows[np.diff(counted.outcome, prepend=-1) != 0]
    deployed = _deployed(changes, as_of_us)
    key, width = deployed.key, deployed.width
    if not key.size or not first.size:
        return Blamed(np.zeros(0, np.int64), np.zeros(0, np.int64))
    anywhere = len(changes.services.names)
    place = {name: n for n, name in enumerate(changes.services.names)}
    code = np.array([place.get(name, anywhere) for name in outcomes.service.names])
    where = code[outcomes.service.codes[first]]
    age = np.minimum(outcomes.occurred_at[first] - deployed.start, width - 1)
    last = np.searchsorted(key, where * width + age, side="right") - 1
    valid = (last >= 0) & (age >= 0)
    valid &= key[np.maximum(last, 0)] // width == where
    found = np.unique(key[last[valid]])
    low, high = np.searchsorted(key, found, side="left"), np.searchsorted(key, found, side="right")
    size = high - low
    at = np.repeat(low - (np.cumsum(size) - size), size) + np.arange(int(size.sum()))
    return Blamed(np.repeat(found, size), deployed.change[at])
