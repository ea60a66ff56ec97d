"""Incidents per deployment and per request: exposures that belong to a service, not to a change; they know no arm."""

import numpy as np

from correlator import estimates
from correlator.estimates import BoolArray, FloatArray, IntArray
from correlator.metric_data import Names
from correlator.metric_deployments import grid_of_service
from correlator.metric_figures import Asked, Found, figure
from correlator.metric_queries import MetricRow


def incidents_per_100_deployments(asked: Asked) -> Found:
    """Incidents, whatever their cause, per 100 production deployments; see METRICS.md."""
    deployments = asked.data.deployment_columns
    carried = np.full(deployments.deployed_at.size, 0.01)
    every = np.ones(carried.size, bool)
    rows = _per(asked, deployments.service, deployments.deployed_at, carried, every)
    return Found(rows, "gamma")


def incidents_per_million_requests(asked: Asked) -> Found:
    """Incidents, whatever their cause, per million requests of services whose sampling is known; see METRICS.md."""
    requests = asked.data.request_columns
    # A service is in or out as a whole: dropping its unknown days alone would leave their incidents without exposure.
    unknown = set(requests.service.codes[~requests.is_known].tolist())
    known = ~np.isin(requests.service.codes, sorted(unknown))
    rows = _per(asked, requests.service, requests.day_at, requests.count / 1e6, known)
    meta = {"services_of_unknown_sampling": sorted(requests.service.names[code] for code in unknown)}
    return Found(rows, "gamma", meta=meta)


def _per(
    asked: Asked, service: Names, at: IntArray, exposure: FloatArray, is_counted: BoolArray
) -> list[MetricRow]:
    """Incidents of the services that have exposure over that exposure, per service and bucket."""
    incidents = asked.data.incident_columns
    grid = grid_of_service(asked, service, is_counted, at)
    exposed = {service.names[code] for code in np.unique(service.codes[is_counted]).tolist()}
    theirs = np.array([name in exposed for name in incidents.service.names] or [False])[
        incidents.service.codes
    ]
    of = grid_of_service(asked, incidents.service, theirs & ~incidents.is_void, incidents.opened_at)
    at_group = {tuple(labels.values()): g for g, labels in enumerate(of.groups)}
    whole = estimates.summed(exposure[grid.who], grid.cell, grid.cell_count)
    count = np.zeros(grid.cell_count, np.int64)
    for g, labels in enumerate(grid.groups):
        if (found := at_group.get(tuple(labels.values()))) is not None:
            here, there = (slice(k * grid.buckets.count, (k + 1) * grid.buckets.count) for k in (g, found))
            count[here] = of.n[there]
    low, high = estimates.count_rate(
        count.astype(np.float64),
        count[:, None],
        whole,
        np.ones(whole.size),
        asked.rng,
        level=asked.query.level,
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        value = count / whole
    return [
        figure(
            grid.buckets.names[b],
            grid.groups[g],
            value=float(value[i]),
            low=float(low[i]),
            high=float(high[i]),
            numerator=float(count[i]),
            denominator=float(whole[i]),
            n=int(grid.n[i]),
            min_n=asked.min_n,
            cohort_min=0,
        )
        for b in range(grid.buckets.count)
        for g in range(len(grid.groups))
        for i in [g * grid.buckets.count + b]
    ]
