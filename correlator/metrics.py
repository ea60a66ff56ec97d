"""Every rate, from one door: ``answer(query, data)``.

The definitions stand in METRICS.md and ``correlator/metric_catalogue.py``; this file settles a question, seeds its
draws by what is asked and by the data (equal data, equal digits), and says beside the figures what qualifies them.
"""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import numpy as np

from correlator import metric_bounds as bounds
from correlator import metric_comparisons as comparisons
from correlator import metric_coverage as coverages
from correlator import metric_deployments as deliveries
from correlator import metric_exposures as exposures
from correlator import metric_firefighting as firefighting
from correlator import metric_lines as lines
from correlator import metric_rates as rates
from correlator import metric_reviews as reviews
from correlator import metric_survival as survival
from correlator.metric_catalogue import DEFINITION_VERSION, METRICS, Metric
from correlator.metric_cells import OUTCOME_FILTERS, as_of_us
from correlator.metric_data import MetricData
from correlator.metric_figures import Asked, Found
from correlator.metric_queries import MetricAnswer, MetricQuery, MetricRow, aware, naive
from correlator.ratios import TagErrors
from schemas.errors import MalformedInput
from schemas.vocabulary import Caveat

__all__ = [
    "METRICS",
    "Metric",
    "MetricAnswer",
    "MetricData",
    "MetricQuery",
    "MetricRow",
    "TagErrors",
    "answer",
]

COMPARED_MIN = 5
"""From so many groups on, one of them is likely to stand out by chance."""

_WITHOUT_OUTCOMES = {
    "revert_rate",
    "line_rework_rate",
    "share_of_changes_reworked",
    "lines_fixed_rate",
    "line_survival",
    "ai_share_of_output",
    "firefighting_load",
    "lead_time",
    "line_rework_ratio",
    "unreviewed_share",
    "first_pass_share",
    "approvals_per_change",
    "review_comments_per_change",
    "review_time",
    "review_pace",
}
"""Metrics over changes that read no outcomes: a filter on those is refused, never ignored."""

_FUNCTIONS: dict[str, Callable[[Asked], Found]] = {
    "failure_rate": rates.changes_that_failed,
    "change_failure_rate": rates.changes_that_failed,
    "incidents_per_100_changes": rates.per_100_changes,
    "failure_groups_per_100_changes": rates.per_100_changes,
    "incidents_per_1000_lines": rates.per_1000_added_lines,
    "incidents_per_1000_changed_lines": rates.per_1000_changed_lines,
    "incidents_per_100_change_weeks": rates.per_100_change_weeks,
    "failure_category_rate": rates.per_100_changes,
    "revert_rate": lines.revert_rate,
    "line_rework_rate": lines.line_rework_rate,
    "share_of_changes_reworked": lines.share_of_changes_reworked,
    "lines_fixed_rate": lines.lines_fixed_rate,
    "line_survival": survival.line_survival,
    "ai_share_of_output": lines.ai_share_of_output,
    "firefighting_load": firefighting.firefighting_load,
    "unreviewed_share": reviews.unreviewed_share,
    "first_pass_share": reviews.first_pass_share,
    "approvals_per_change": reviews.approvals_per_change,
    "review_comments_per_change": reviews.review_comments_per_change,
    "review_time": reviews.review_time,
    "review_pace": reviews.review_pace,
    "review_escape_rate": reviews.review_escape_rate,
    "deployment_change_failure_rate": deliveries.deployment_change_failure_rate,
    "deployment_rework_rate": deliveries.deployment_rework_rate,
    "deployment_frequency": deliveries.deployment_frequency,
    "incidents_per_100_deployments": exposures.incidents_per_100_deployments,
    "incidents_per_million_requests": exposures.incidents_per_million_requests,
    "lead_time": deliveries.lead_time,
    "time_to_restore": deliveries.time_to_restore,
    "failed_deployment_recovery_time": deliveries.failed_deployment_recovery_time,
    "detection_delay": deliveries.detection_delay,
    "failure_ratio": lambda asked: bounds.bounded(asked, comparisons.failure_ratio(asked)),
    "change_failure_ratio": lambda asked: bounds.bounded(asked, comparisons.change_failure_ratio(asked)),
    "line_rework_ratio": comparisons.line_rework_ratio,
    "coverage": coverages.coverage,
}


def answer(query: MetricQuery, data: MetricData) -> MetricAnswer:
    """The figures of one question.

    Args:
        query: see :class:`MetricQuery`; ``metric`` is an id of :data:`METRICS`.
        data: see :class:`MetricData`; the order of its rows does not matter.

    Returns:
        Rows ordered by time, then group; ``meta`` holds JSON types only: window, method, coverage, caveats (codes of
        ``vocabulary.Caveat``), counts of changes left out, ``needed`` (how many more changes until the figure, or for
        ratios each arm, would do), definition version and data digest.

    Raises:
        MalformedInput: no such metric, group, filter, interval, zone or follow-up.
    """
    asked = _settled(query, data)
    found = _FUNCTIONS[asked.metric.id](asked)
    return MetricAnswer(asked.metric.id, tuple(found.rows), _meta(asked, found))


def _settled(query: MetricQuery, data: MetricData) -> Asked:
    metric = METRICS.get(query.metric)
    if metric is None:
        raise MalformedInput(f"unknown metric {query.metric!r}", hint=f"one of {', '.join(METRICS)}")
    for name in query.group_by:
        if name not in metric.group_bys:
            allowed = ", ".join(metric.group_bys) or "nothing"
            raise MalformedInput(
                f"{metric.id} cannot be grouped by {name!r}", hint=f"it can be grouped by {allowed}"
            )
    for name in query.filters:
        if metric.id in _WITHOUT_OUTCOMES and name in OUTCOME_FILTERS:
            raise MalformedInput(
                f"{metric.id} counts no outcomes, so {name!r} cannot narrow it", hint="leave the filter out"
            )
    if len(set(query.group_by)) != len(query.group_by):
        raise MalformedInput("a group is listed twice", hint="list each group once")
    window_days = metric.window_days if query.window_days is None else query.window_days
    if query.window_days is not None and query.window_days not in metric.windows:
        allowed = ", ".join(map(str, metric.windows)) or "none"
        raise MalformedInput(
            f"{metric.id} has no follow-up of {query.window_days} days", hint=f"selectable: {allowed}"
        )
    return Asked(
        query=query,
        data=data,
        metric=metric,
        window_days=window_days or 0,
        min_n=metric.min_n if query.min_n is None else query.min_n,
        as_of_us=as_of_us(query, data),
        rng=np.random.default_rng(_seed(query, data)),
    )


def _seed(query: MetricQuery, data: MetricData) -> int:
    window = [naive(query.from_).isoformat(), naive(query.to).isoformat(), query.window_days, query.interval]
    return int.from_bytes(hashlib.sha256(json.dumps([window, data.digest]).encode()).digest()[:8], "big")


def _meta(asked: Asked, found: Found) -> dict[str, Any]:
    query, data, metric = asked.query, asked.data, asked.metric
    who = found.changes
    covered = None if who is None else coverages.block(query, data, who, found.masses)
    return {
        "title": metric.title,
        "unit": metric.unit,
        "definition_version": DEFINITION_VERSION,
        "window": {
            "from": _iso(query.from_),
            "to": _iso(query.to),
            "followup_days": asked.window_days or None,
        },
        "interval": query.interval,
        "tz": query.tz,
        "group_by": list(query.group_by),
        "filters": {key: list(values) for key, values in sorted(query.filters.items())},
        "level": query.level,
        "min_n": asked.min_n,
        "ai_share_min": query.ai_share_min,
        "as_of": aware(asked.as_of_us).isoformat(),
        "method": found.method,
        "changes": None if who is None else int(who.size),
        "immature": found.immature_count,
        "never_deployed": found.never_deployed_count,
        "needed": _needed(found.rows),
        "coverage": covered,
        "caveats": _caveats(asked, found, covered),
        "repositories_policy": {
            name: None if since is None else _iso(since)
            for name, since in sorted(data.repositories_policy.items())
        },
        "data_digest": data.digest,
        **found.meta,
    }


def _needed(rows: list[MetricRow]) -> int | None:
    """How many more changes the hungriest hidden row needs; 0 when all rows show."""
    needs = [row.extra.get("needed") for row in rows if row.suppressed == "small_n"]
    known = [int(need) for need in needs if need is not None]
    return max(known) if known else (0 if not needs else None)


def _caveats(asked: Asked, found: Found, covered: dict[str, Any] | None) -> list[str]:
    rows = found.rows
    codes: set[str] = {str(code) for code in found.caveats}
    if any(row.suppressed in {"small_n", "cohort_below_5", "few_events"} for row in rows):
        codes.add(Caveat.SMALL_N)
    if any(row.status == "ok" and row.numerator == 0 for row in rows):
        codes.add(Caveat.ZERO_CELL)
    if any(row.status == "ok" and row.high is None for row in rows):
        codes.add(Caveat.OPEN_UPPER)
    if found.immature_count:
        codes.add(Caveat.IMMATURE_EXCLUDED)
    compared = {tuple(row.groups.values()) for row in rows if row.status == "ok"}
    if asked.query.group_by and len(compared) >= COMPARED_MIN and asked.query.group_by != ("origin",):
        codes.add(Caveat.MULTIPLE_COMPARISONS)
    if covered is not None and found.changes is not None:
        codes |= coverages.caveats_of(asked.data, found.changes, covered, found.masses)
    return sorted(str(code) for code in codes)


def _iso(at: Any) -> str:
    return naive(at).isoformat() + "+00:00"
