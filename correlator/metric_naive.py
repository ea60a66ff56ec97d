"""What two common rules would have said of the same data, labelled as such: guilt by deployment.

``last_deployment``: each outcome is blamed on the last deployment before it in its service, and every change of that
deployment failed. ``share_weighted``: each blamed deployment fails by the AI share of its changes. Both pull a true
ratio toward 1, the more changes a deployment carries; shown so that this can be seen in one's own data.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from correlator import ratios
from correlator.estimates import IntArray
from correlator.metric_data import NEVER, MetricData
from correlator.metric_failures import relevant
from correlator.metric_queries import MetricQuery
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


def blamed_of(query: MetricQuery, data: MetricData, kinds: tuple[str, ...], as_of_us: int) -> Blamed:
    """Deployments that are the last before an outcome.

    A deployment is what first carried changes: a service and a moment. Outcomes without a service of ours are
    blamed on the last deployment of all.
    """
    changes, outcomes = data.change_columns, data.outcome_columns
    services = changes.services
    deployed = (changes.deployed_at != NEVER) & (changes.deployed_at <= as_of_us)
    moments = np.unique(changes.deployed_at[deployed])
    width, anywhere = moments.size + 1, len(services.names)
    owner = np.repeat(np.arange(changes.count), services.counts)
    listed = np.flatnonzero(deployed)
    change = np.r_[owner[deployed[owner]], listed]
    service = np.r_[services.codes[deployed[owner]], np.full(listed.size, anywhere)]
    batch = service * width + np.searchsorted(moments, changes.deployed_at[change])
    order = np.argsort(batch, kind="stable")
    batch, change = batch[order], change[order]

    counts = relevant(query, outcomes, kinds) & (outcomes.occurred_at <= as_of_us)
    first = np.flatnonzero(counts)[np.unique(outcomes.outcome[counts], return_index=True)[1]]
    code = np.array(
        [services.names.index(n) if n in services.names else anywhere for n in outcomes.service.names]
    )
    where = code[outcomes.service.codes[first]] if first.size else np.zeros(0, np.int64)
    rank = np.searchsorted(moments, outcomes.occurred_at[first], side="right") - 1
    found = np.searchsorted(batch, where * width + rank, side="right") - 1
    valid = (found >= 0) & (rank >= 0)
    blamed = batch[found[valid]]
    blamed = np.unique(blamed[blamed // width == where[valid]])
    hit = np.isin(batch, blamed)
    return Blamed(batch[hit], change[hit])
