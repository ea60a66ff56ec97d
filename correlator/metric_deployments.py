"""DORA's figures, whose unit is the deployment or the incident, not the change: they know no arm."""

from dataclasses import replace

import numpy as np

from correlator import estimates
from correlator.estimates import BoolArray, FloatArray, IntArray
from correlator.metric_catalogue import COHORT_MIN
from correlator.metric_cells import Grid, as_of_us, buckets_of, cohort_of, grid_of
from correlator.metric_data import DAY_US, NEVER, Names
from correlator.metric_figures import Asked, Found, figure, share_rows
from correlator.metric_queries import MetricQuery, MetricRow, unix_us
from schemas.errors import MalformedInput

HOUR_US = 3_600_000_000


def deployment_change_failure_rate(asked: Asked) -> Found:
    """Failed over all mature production deployments, with and without rollbacks below the line; see METRICS.md."""
    deployments = asked.data.deployment_columns
    window, grid_at = _in_window(asked, deployments.deployed_at), deployments.deployed_at
    mature = window & (grid_at <= asked.as_of_us - asked.window_days * DAY_US)
    rows: list[MetricRow] = []
    for name, counted in (("all", mature), ("without_rollbacks", mature & ~deployments.is_rollback)):
        found = _share(asked, counted, deployments.is_failed)
        rows += [replace(row, groups={**row.groups, "deployments": name}) for row in found]
    rows.sort(key=lambda row: row.time)
    return Found(rows, "wilson", immature_count=int((window & ~mature).sum()))


def deployment_rework_rate(asked: Asked) -> Found:
    """Unplanned over all production deployments; see METRICS.md."""
    deployments = asked.data.deployment_columns
    return Found(
        _share(asked, _in_window(asked, deployments.deployed_at), deployments.is_unplanned), "wilson"
    )


def deployment_frequency(asked: Asked) -> Found:
    """Production deployments per day; see METRICS.md."""
    deployments = asked.data.deployment_columns
    window = _in_window(asked, deployments.deployed_at)
    grid = _grid(asked.query, _by_service(asked, deployments.service), window, deployments.deployed_at)
    edges = np.minimum(grid.buckets.edges, asked.as_of_us)
    days = np.tile(np.diff(edges) / DAY_US, len(grid.groups))
    count = grid.n.astype(np.float64)
    low, high = estimates.count_rate(
        count, grid.n[:, None], days, np.ones(count.size), asked.rng, level=asked.query.level
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        value = count / days
    rows = [
        figure(
            grid.buckets.names[i % grid.buckets.count],
            grid.groups[i // grid.buckets.count],
            value=float(value[i]),
            low=float(low[i]),
            high=float(high[i]),
            numerator=float(count[i]),
            denominator=float(days[i]),
            # No deployment is a finding here, not a lack of data: what counts is that there were days.
            n=max(int(count[i]), 1) if days[i] > 0 else 0,
            min_n=asked.min_n,
            cohort_min=0,
        )
        for b in range(grid.buckets.count)
        for i in range(b, grid.cell_count, grid.buckets.count)
    ]
    return Found([replace(row, n=int(row.numerator or 0)) for row in rows], "gamma")


def lead_time(asked: Asked) -> Found:
    """Median hours from landing to the first production deployment; see METRICS.md."""
    changes = asked.data.change_columns
    cohort = cohort_of(asked.query, asked.data, 0)
    grid = grid_of(asked.query, changes, cohort.mature, changes.deployed_at)
    hours = (changes.deployed_at - changes.landed_at)[grid.who] / HOUR_US
    rows = medians(asked, grid, hours)
    return Found(
        rows, "order_statistics", changes=cohort.mature, never_deployed_count=cohort.never_deployed_count
    )


def time_to_restore(asked: Asked) -> Found:
    """Kaplan-Meier median hours from opening to resolution over incidents; see METRICS.md."""
    incidents = asked.data.incident_columns
    counted = _incidents(asked)
    hours, ended = _censored(asked, incidents.opened_at, incidents.resolved_at)
    grid = _grid(asked.query, _incident_names(asked), counted, incidents.opened_at)
    rows = medians(asked, grid, hours[grid.who], ended[grid.who], cohort_min=0)
    return Found(rows, "kaplan_meier")


def failed_deployment_recovery_time(asked: Asked) -> Found:
    """Kaplan-Meier median hours from a failed deployment to its recovery; see METRICS.md."""
    deployments = asked.data.deployment_columns
    counted = _in_window(asked, deployments.deployed_at) & deployments.is_failed
    hours, ended = _censored(asked, deployments.deployed_at, deployments.recovered_at)
    grid = _grid(asked.query, _by_service(asked, deployments.service), counted, deployments.deployed_at)
    rows = medians(asked, grid, hours[grid.who], ended[grid.who], cohort_min=0)
    return Found(rows, "kaplan_meier")


def detection_delay(asked: Asked) -> Found:
    """Median minutes from the first failing span to the incident; see METRICS.md."""
    incidents = asked.data.incident_columns
    counted = _incidents(asked) & ~np.isnan(incidents.detection_delay_s)
    grid = _grid(asked.query, _incident_names(asked), counted, incidents.opened_at)
    rows = medians(asked, grid, incidents.detection_delay_s[grid.who] / 60.0, cohort_min=0)
    return Found(rows, "order_statistics")


def medians(
    asked: Asked, grid: Grid, values: FloatArray, ended: BoolArray | None = None, cohort_min: int = COHORT_MIN
) -> list[MetricRow]:
    """One row per cell: the median of ``values`` (by row of ``grid.who``), those not ``ended`` censored, and their mean."""
    order = np.argsort(grid.cell, kind="stable")
    parts = np.split(order, np.cumsum(grid.n)[:-1])
    rows = []
    for b, time in enumerate(grid.buckets.names):
        for g, labels in enumerate(grid.groups):
            members = parts[g * grid.buckets.count + b]
            middle, low, high = _median(
                values[members], None if ended is None else ended[members], asked.query.level
            )
            done = values[members] if ended is None else values[members][ended[members]]
            extra = {
                "mean": round(float(done.mean()), 9) if done.size >= max(asked.min_n, 1) else None,
                "censored": 0 if ended is None else int((~ended[members]).sum()),
            }
            row = figure(
                time,
                labels,
                value=middle,
                low=low,
                high=high,
                numerator=None,
                denominator=None,
                n=int(members.size),
                min_n=asked.min_n,
                cohort_min=cohort_min,
                extra=extra,
            )
            rows.append(_not_reached(row))
    return rows


# --- below ----------------------------------------------------------------------------------------


def _in_window(asked: Asked, at: IntArray) -> BoolArray:
    end = min(unix_us(asked.query.to), as_of_us(asked.query, asked.data) + 1)
    return (at >= unix_us(asked.query.from_)) & (at < end)


def _incidents(asked: Asked) -> BoolArray:
    incidents = asked.data.incident_columns
    return _in_window(asked, incidents.opened_at) & ~incidents.is_void


def _incident_names(asked: Asked) -> dict[str, Names]:
    incidents = asked.data.incident_columns
    return {
        **_by_service(asked, incidents.service),
        "category": incidents.category,
        "severity": incidents.severity,
    }


def _censored(asked: Asked, start: IntArray, end: IntArray) -> tuple[FloatArray, BoolArray]:
    ended = (end != NEVER) & (end <= asked.as_of_us)
    stop = np.where(ended, end, asked.as_of_us)
    return np.maximum(stop - start, 0) / HOUR_US, ended


def grid_of_service(asked: Asked, service: Names, counted: BoolArray, at: IntArray) -> Grid:
    """Cells of what belongs to a service and happened in the window: by service, by team, by time."""
    return _grid(asked.query, _by_service(asked, service), counted & _in_window(asked, at), at)


def _by_service(asked: Asked, service: Names) -> dict[str, Names]:
    """The two properties of what belongs to a service. One that no team owns stands under the empty name."""
    of = [asked.data.team_of_service.get(name, "") for name in service.names]
    teams = tuple(sorted(set(of)))
    place = np.array([teams.index(team) for team in of] or [0], np.int64)
    return {"service": service, "team": Names(place[service.codes], teams)}


def _grid(query: MetricQuery, columns: dict[str, Names], counted: BoolArray, at: IntArray) -> Grid:
    """Cells of deployments or incidents; filters on their own columns apply, others are refused."""
    for name, wanted in query.filters.items():
        if name not in columns:
            raise MalformedInput(
                f"{query.metric} has no property {name!r}", hint=f"one of {', '.join(columns)}"
            )
        counted = counted & columns[name].among(wanted)
    who = np.flatnonzero(counted)
    key = np.zeros(who.size, np.int64)
    for name in query.group_by:
        key = key * max(len(columns[name].names), 1) + columns[name].codes[who]
    present, group = np.unique(key, return_inverse=True) if query.group_by else (np.zeros(1, np.int64), key)
    labels = []
    for value in present:
        left, label = int(value), {}
        for name in reversed(query.group_by):
            left, code = divmod(left, max(len(columns[name].names), 1))
            label[name] = columns[name].names[code]
        labels.append({name: label[name] for name in query.group_by})
    buckets = buckets_of(query)
    cell = group.astype(np.int64) * buckets.count + buckets.of(at[who])
    return Grid(tuple(labels), buckets, who, cell, np.full(who.size, -1, np.int64))


def _share(asked: Asked, counted: BoolArray, hit: BoolArray) -> list[MetricRow]:
    deployments = asked.data.deployment_columns
    grid = _grid(asked.query, _by_service(asked, deployments.service), counted, deployments.deployed_at)
    return share_rows(asked, grid, hit, cohort_min=0)


def _not_reached(row: MetricRow) -> MetricRow:
    """A median that half of the cases have not lived to is no number: said so, with its lower bound."""
    if row.status != "ok" or row.value is not None:
        return row
    return replace(row, status="insufficient", suppressed="not_reached")


def _median(
    values: FloatArray, ended: BoolArray | None, level: float
) -> tuple[float | None, float | None, float | None]:
    if not values.size:
        return None, None, None
    if ended is None:
        return estimates.median_interval(values, level)
    return estimates.kaplan_meier(values, ended, level).median
