"""The weekly incident attribution report: one JSON document, rendered by templates to HTML and Markdown.

:func:`document` asks the same questions as the pages, over the week and the weeks before it. Equal data give equal
bytes. What is published is a numbered revision in the ledger and never changes; what became known later makes a new
revision of its own week, and a line under "corrections" in the next report. Nobody is named.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from api import blocks, excerpts, lexicon, overview, queries, rendering, wording
from api.blocks import Measure
from api.overview import Scope
from api.publications import claim, publish, revisions, stored
from api.weeks import week_before, week_end, week_of, week_start
from correlator import metrics
from correlator.metrics import METRICS, MetricData, MetricQuery
from schemas.errors import MalformedInput
from schemas.settings import Settings
from schemas.store import Row, Store, sql
from schemas.vocabulary import Candidate

__all__ = [
    "claim",
    "content_security_policy",
    "document",
    "publish",
    "render_html",
    "render_markdown",
    "revisions",
    "stored",
    "week_before",
    "week_end",
    "week_of",
    "week_start",
]

FORMAT = "aftermerge/report/1"
LONG_WEEKS = 13
"""The window of the answer: one week never decides, a quarter may."""
PERIODS = (("this week", 0, 1), ("last week", 1, 1), ("four weeks", 0, 4))
"""Columns of the scoreboard before the 13 weeks: name, weeks back that it ends, weeks that it spans.

A change stands in the week in which its follow-up ended: in the week of its deployment nothing is known of it yet.
"""
SCOREBOARD = (
    overview.FAILURES,
    Measure(
        "incident-share",
        "change_failure_rate",
        "Changes followed by an incident",
        "Share of changes behind an incident within {days} days of deployment, by weight of the evidence.",
        "percent",
        "Changes",
    ),
    overview.INCIDENTS,
    Measure(
        "incident-lines",
        "incidents_per_1000_lines",
        "Incidents per 1,000 added lines",
        "The same per line, since AI changes differ in size.",
        "per_1000_lines",
        "Incidents",
    ),
    overview.REWORK,
    overview.REVERTS,
)
DELIVERY = (
    ("deployment_frequency", "Deployments per day", "per_day"),
    ("deployment_change_failure_rate", "Failed deployments", "percent"),
    ("deployment_rework_rate", "Unplanned deployments", "percent"),
    ("failed_deployment_recovery_time", "Time to recover a failed deployment, median", "hours"),
    ("time_to_restore", "Time to restore after an incident, median", "hours"),
    ("detection_delay", "From first failing span to incident, median", "minutes"),
    ("lead_time", "From landing to production, median", "hours"),
)
TOP_CHANGES = 10
CORRECTED_WEEKS = 4
"""Published weeks that are compared with what is known now."""
WEIGHT_MOVED = 0.1
"""A former answer is corrected in print when its first candidate changed, or its weight moved by so much."""


def document(store: Store, settings: Settings, week: str, *, as_of: datetime) -> dict[str, Any]:
    """The report of an ISO week as JSON types only.

    Args:
        store: its inferences hold as of ``as_of``.
        settings: of the installation.
        week: ``2026-W47``.
        as_of: the end of the week, or the present while it lasts; aware UTC.

    Raises:
        MalformedInput: ``week`` is no ISO week, or has not begun at ``as_of``.
    """
    since, until = week_start(week), week_end(week)
    if as_of <= since:
        raise MalformedInput(f"week {week} has not begun", hint=f"the newest is {week_of(as_of)}", week=week)
    data = queries.metric_data(store, settings, as_of)
    scope = Scope(until - timedelta(weeks=LONG_WEEKS), until)
    answer = overview.gather(data, scope, before_days=7)
    run = queries.correlation(store)
    names = store.rows(sql("api", "filter_names"))
    made = {
        "format": FORMAT,
        "week": week,
        "from": since,
        "to": until,
        "time_zone": "UTC",
        "as_of": as_of,
        "is_complete": as_of >= until,
        "repositories": [row["name"] for row in names if row["kind"] == "repository"],
        "services": [row["name"] for row in names if row["kind"] == "service"],
        "rules": json.loads(run["rules"]) if run else {},
        "answer": answer,
        "scoreboard": [_scores(data, measure, until) for measure in SCOREBOARD],
        "delivery": _delivery(data, until),
        "output": _output(data, until),
        "incidents": _incidents(store, since, until, as_of),
        "changes": store.rows(sql("api", "report_changes"), since=since, until=until, row_count=TOP_CHANGES),
        "rework_cohorts": _cohorts(data, until),
        "mending": _mending(store, until),
        "by_service": _split(data, scope, "service", "Service"),
        "by_tool": _split(data, scope, "tool", "Tool"),
        "corrections": corrections(store, week),
        "queries": _reproduce(scope),
    }
    plain: dict[str, Any] = _plain(made)
    return plain


# --- sections -----------------------------------------------------------------------------------------


def _ask(
    data: MetricData, metric: str, since: datetime, until: datetime, group_by: Sequence[str] = (), **more: Any
) -> metrics.MetricAnswer:
    return metrics.answer(MetricQuery(metric, since, until, group_by=tuple(group_by), **more), data)


def _scores(data: MetricData, measure: Measure, until: datetime) -> Row:
    """One measure by arm and origin, over the periods and the 13 weeks of the answer.

    ``rows``: arms, and origins with a figure in some column; ``thin``: the origins without one, with their changes;
    ``is_empty``: no arm has a figure in any column.
    """
    ripe = until - _followup(measure.metric)
    spans = [(ripe - timedelta(weeks=back + span), ripe - timedelta(weeks=back)) for _, back, span in PERIODS]
    columns = [
        _cells(data, measure, *span) for span in (*spans, (until - timedelta(weeks=LONG_WEEKS), until))
    ]
    rows: list[Row] = [
        {"key": key, "label": label, "is_arm": key in lexicon.ARMS, "cells": [c[key] for c in columns]}
        for key, label in (lexicon.ARMS | lexicon.ORIGINS).items()
    ]
    arms = [row for row in rows if row["is_arm"]]
    return {
        "id": measure.id,
        "metric": measure.metric,
        "title": measure.title,
        "definition": measure.definition.format(days=METRICS[measure.metric].window_days),
        "unit": measure.unit,
        "periods": [*(name for name, *_ in PERIODS), f"{LONG_WEEKS} weeks"],
        "rows": [row for row in rows if row["is_arm"] or _has_figure(row)],
        "thin": [
            {"label": row["label"], "n": row["cells"][-1]["n"]}
            for row in rows
            if not row["is_arm"] and not _has_figure(row)
        ],
        "is_empty": not any(_has_figure(row) for row in arms),
    }


def _cells(data: MetricData, measure: Measure, since: datetime, until: datetime) -> dict[str, Row]:
    cells: dict[str, Row] = {}
    for group, names in (("arm", lexicon.ARMS), ("origin", lexicon.ORIGINS)):
        found = _ask(data, measure.metric, since, until, (group,))
        made = blocks.block(
            measure, overview.rows_of(found), found.meta, group=group, names=names, heading=""
        )
        cells |= {row["key"]: row for row in made["rows"]}
    return cells


def _has_figure(row: Row) -> bool:
    return any(cell["shown"] for cell in row["cells"])


def _followup(metric: str) -> timedelta:
    return timedelta(days=METRICS[metric].window_days or 0)


def _delivery(data: MetricData, until: datetime) -> list[Row]:
    """DORA's figures of the newest ripe week and of 13 weeks; they know no arm."""
    listed = []
    for metric, title, unit in DELIVERY:
        ripe = until - _followup(metric)
        cells = []
        for since, end in (
            (ripe - timedelta(weeks=1), ripe),
            (until - timedelta(weeks=LONG_WEEKS), until),
        ):
            found = _ask(data, metric, since, end)
            row = next((r for r in overview.rows_of(found) if r.get("deployments", "all") == "all"), None)
            measure = Measure(metric, metric, title, "", unit, "", _COUNTED.get(metric, "deployments"))
            blank = {"value": None, "low": None, "high": None, "n": 0, "status": "undefined"}
            cells.append(
                blocks.row_of(row or blank, key=metric, label=title, meta=found.meta, measure=measure)
            )
        listed.append({"metric": metric, "title": title, "unit": unit, "cells": cells})
    return listed


_COUNTED = {"time_to_restore": "incidents", "detection_delay": "incidents", "lead_time": "changes"}


def _output(data: MetricData, until: datetime) -> Row:
    """Share of added lines that evidence gives to AI; low and high are bounds, the second with all unknown lines."""
    cells = []
    for span in (1, LONG_WEEKS):
        found = _ask(data, "ai_share_of_output", until - timedelta(weeks=span), until)
        cells.append(dict(overview.rows_of(found)[0]))
    return {"week": cells[0], "quarter": cells[1]}


def _incidents(store: Store, since: datetime, until: datetime, as_of: datetime) -> list[Row]:
    """Every incident of the week with its whole attribution, oldest first."""
    listed = []
    for row in store.rows(sql("api", "report_incidents"), since=since, until=until):
        found = queries.attributions(store, row["id"])
        assert found is not None
        listed.append(
            found
            | {
                "candidates": excerpts.of_candidates(store, found["candidates"]),
                "is_new": row["is_new"],
                "lasted": wording.lasted(found["incident"], as_of),
                "says": wording.attribution(found),
            }
        )
    return listed


def _cohorts(data: MetricData, until: datetime) -> list[Row]:
    """Line rework by arm of the changes that landed in the four weeks whose 30 days end with this week."""
    newest = until - timedelta(days=30)
    found = _ask(data, "line_rework_rate", newest - timedelta(weeks=4), newest, ("arm",))
    rows = [row for row in overview.rows_of(found) if row["arm"] in lexicon.ARMS]
    made = blocks.block(overview.REWORK, rows, found.meta, group="arm", names=lexicon.ARMS, heading="Changes")
    listed: list[Row] = made["rows"]
    return listed


def _mending(store: Store, until: datetime) -> list[Row]:
    return [
        {"period": name}
        | (
            store.row(
                sql("api", "report_mending"),
                since=until - timedelta(weeks=back + span),
                until=until - timedelta(weeks=back),
            )
            or {}
        )
        for name, back, span in (*PERIODS, (f"{LONG_WEEKS} weeks", 0, LONG_WEEKS))
    ]


def _split(data: MetricData, scope: Scope, group: str, heading: str) -> Row:
    """Failure rate by service or by tool, a block; cells too small to show stay, as such."""
    found = _ask(data, overview.FAILURES.metric, scope.since, scope.until, (group,))
    rows = [row for row in overview.rows_of(found) if row[group]]
    names = {str(row[group]): str(row[group]) for row in rows}
    made = blocks.block(overview.FAILURES, rows, found.meta, group=group, names=names, heading=heading)
    made |= {"id": f"failures-by-{group}", "definition": ""}
    return made


def _reproduce(scope: Scope) -> list[str]:
    """The REST queries that give the figures of the answer again."""
    window = f"from={wording.rfc3339(scope.since)}&to={wording.rfc3339(scope.until)}"
    asked = [(m.metric, "arm") for m in overview.RATES] + [
        (m.metric, "origin") for m in overview.ORIGIN_RATES
    ]
    asked += [(overview.CATEGORIES.metric, "category,arm")]
    listed = [f"/v1/metrics/query?metric={metric}&{window}&group_by={group}" for metric, group in asked]
    return [
        *listed,
        *(f"/v1/metrics/query?metric={m}&{window}" for m in ("failure_ratio", "line_rework_ratio")),
    ]


# --- corrections ----------------------------------------------------------------------------------------


def corrections(store: Store, week: str) -> list[Row]:
    """Where published reports of the weeks before say otherwise than what is known now, oldest week first.

    Compared are the incidents of each newest revision: those that came or went since, and those whose first candidate
    changed or moved by at least :data:`WEIGHT_MOVED`.
    """
    listed: list[Row] = []
    for back in range(CORRECTED_WEEKS, 0, -1):
        former = week_before(week, back)
        published = stored(store, former)
        if published is None:
            continue
        said = {a["incident"]["id"]: a for a in published["document"]["incidents"] if a["is_new"]}
        known = [
            row["id"]
            for row in store.rows(
                sql("api", "report_incidents"), since=week_start(former), until=week_end(former)
            )
            if row["is_new"]
        ]
        for incident_id in sorted({*said, *known}):
            now = queries.attributions(store, incident_id) if incident_id in known else None
            text = _correction(said.get(incident_id), now)
            if text:
                listed.append(
                    {"week": former, "revision": published["revision"], "incident": incident_id, "text": text}
                )
    return listed


def _correction(said: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> str | None:
    if said is None:
        return "was reported after the publication"
    if now is None:
        return "is no longer known"
    if now["incident"]["duplicate_of"] and not said["incident"]["duplicate_of"]:
        return f"turned out to repeat {now['incident']['duplicate_of']}"
    if now["incident"]["is_false_alarm"] and not said["incident"]["is_false_alarm"]:
        return "turned out to be a false alarm"
    (who_then, then), (who_now, weight) = _first(said), _first(now)
    if who_then != who_now:
        return f"points to {_named(who_now)} ({wording.share(weight)}), no longer to {_named(who_then)} ({wording.share(then)})"
    if abs(weight - then) >= WEIGHT_MOVED:
        return f"points to {_named(who_now)} with {wording.share(weight)} instead of {wording.share(then)}"
    return None


def _first(attribution: Mapping[str, Any]) -> tuple[str, float]:
    """The heaviest share: a change's sha, or the candidate that is no change."""
    shares = [(c["change"], float(c["weight"])) for c in attribution["candidates"]]
    shares += [(s["setting"], float(s["weight"])) for s in attribution.get("settings", ())]
    shares += [
        (Candidate.NO_CHANGE.value, float(attribution["no_change"])),
        (Candidate.UNATTRIBUTED.value, float(attribution["unattributed"])),
    ]
    return max(shares, key=lambda share: share[1])


def _named(who: str) -> str:
    return {Candidate.NO_CHANGE.value: "no change", Candidate.UNATTRIBUTED.value: "nothing"}.get(
        who, who if " = " in who else wording.short_sha(who)
    )


# --- forms ----------------------------------------------------------------------------------------------


def render_html(made: Mapping[str, Any]) -> str:
    """The report as one HTML file that needs nothing else: style embedded, no script, no request."""
    return rendering.render(
        "report.html", d=made, o=made["answer"], style=rendering.style_markup(), reach=4.0
    )


def render_markdown(made: Mapping[str, Any]) -> str:
    """The report as Markdown (CommonMark with tables)."""
    return rendering.render("report.md", d=made, o=made["answer"])


def content_security_policy() -> str:
    """The policy that lets a browser apply the embedded style of :func:`render_html` and nothing else."""
    return (
        f"default-src 'none'; style-src {rendering.style_source()}; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _plain(value: Any) -> Any:
    """JSON types only: times as RFC 3339 text, tuples as lists."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return wording.rfc3339(value)
    return value
