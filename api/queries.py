"""Answers from the store: one function per question, one SQL file behind each. Nothing here computes a rate.

Rows come as mappings in the shape of ``schemas/responses.py``, with timezone-aware times; pages, report and REST use
the same functions. Every list takes a cursor and gives back the next one.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from api import doctor, paging, provenance
from api.problems import NotUnique
from correlator import durations
from correlator.metric_data import MetricData
from schemas.settings import Settings
from schemas.store import Row, Store, sql
from schemas.vocabulary import Candidate, TrafficCaveat

MILLION = 1_000_000
UNCOUNTED_MAX = 2_000
"""Spans that every answer about services looks through before they are counted by the hour: some 5 ms of CPU."""
_NAMING_SERVICES = ("service_logs", "service_deployments", "service_incidents", "service_places")
"""Statements beside ``service_spans`` that know of services; those below only add to them."""
_ADDING_TO_SERVICES = ("service_running", "service_failures")
_NOTHING_KNOWN: Row = {
    **dict.fromkeys(("span_count", "revision_count", "named_count", "weighed_count", "span_weight"), 0),
    "last_span_at": None,
    **dict.fromkeys(("repository", "path", "basis")),
    **dict.fromkeys(("deployment_count", "incident_count"), 0),
    **dict.fromkeys(("running_revision", "running_sha")),
    **dict.fromkeys(("failure_group_count", "raised_count", "stacked_count"), 0),
    **dict.fromkeys(("frame_count", "resolved_frame_count", "unmapped_frame_count"), 0),
    "is_synced": False,
}
"""What is known of a service that a statement of :func:`services` does not name."""


# --- changes ----------------------------------------------------------------------------------------


def changes(
    store: Store,
    *,
    repository: str | None = None,
    origin: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    cursor: str | None = None,
    limit: int = paging.LIMIT_DEFAULT,
) -> Row:
    """Changes that landed in [since, until), newest first: ``{"items": [...], "next_cursor": str | None}``.

    Raises:
        BadCursor: ``cursor`` is not one of this list.
    """
    at, in_repository, position = paging.key("changes", cursor, (datetime, str, int))
    rows = store.rows(
        sql("api", "changes"),
        repository=repository,
        origin=origin,
        since=since,
        until=until,
        sha_prefix=None,
        cursor_at=at,
        cursor_repository=in_repository,
        cursor_position=position,
        row_count=limit + 1,
    )
    return _page("changes", rows, limit, ("landed_at", "repository", "position"))


def change(store: Store, sha: str) -> Row | None:
    """One change by its full or short sha, with commits, deployments, outcomes, suspicions and rework.

    Raises:
        NotUnique: the short sha names several changes.
    """
    found = store.rows(
        sql("api", "changes"),
        repository=None,
        origin=None,
        since=None,
        until=None,
        sha_prefix=sha.lower(),
        cursor_at=None,
        cursor_repository=None,
        cursor_position=None,
        row_count=10,
    )
    if not found:
        return None
    if len(found) > 1:
        names = [f"{row['repository']}@{row['sha']}" for row in found]
        raise NotUnique(f"{sha} names {len(names)} changes or more", hint="use more digits", matches=names)
    row = found[0]
    which = {"repository": row["repository"], "sha": row["sha"]}
    suspected = store.rows(sql("api", "change_suspected_in"), **which)
    return row | {
        "commits": _commits(store, [row["sha"]])[row["sha"]],
        "deployments": store.rows(sql("api", "change_deployments"), shas=[row["sha"]]),
        "outcomes": store.rows(sql("api", "change_outcomes"), **which),
        "suspected_in": [item | {"evidence": json.loads(item["evidence"])} for item in suspected],
        "rework": store.row(sql("api", "change_rework"), **which),
    }


def _commits(store: Store, shas: Sequence[str]) -> dict[str, list[Row]]:
    """Commits of each change of ``shas``, each with its provenance evidence parsed and tagged with the commit."""
    grouped: dict[str, list[Row]] = defaultdict(list)
    for row in store.rows(sql("api", "change_commits"), shas=list(shas)):
        evidence = [item | {"commit": row["sha"]} for item in json.loads(row["evidence"])]
        kept = {name: value for name, value in row.items() if name not in ("change_sha", "evidence")}
        grouped[row["change_sha"]].append(kept | {"provenance": evidence})
    return grouped


# --- incidents --------------------------------------------------------------------------------------


def incidents(
    store: Store,
    *,
    service: str | None = None,
    status: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    cursor: str | None = None,
    limit: int = paging.LIMIT_DEFAULT,
) -> Row:
    """Incidents opened in [since, until), newest first: ``{"items": [...], "next_cursor": str | None}``.

    Raises:
        BadCursor: ``cursor`` is not one of this list.
    """
    at, last_id = paging.key("incidents", cursor, (datetime, str))
    rows = _incident_rows(
        store,
        service=service,
        status=status,
        since=since,
        until=until,
        cursor_at=at,
        cursor_id=last_id,
        row_count=limit + 1,
    )
    return _page("incidents", rows, limit, ("opened_at", "id"))


def incident(store: Store, incident_id: str) -> Row | None:
    """One incident by its id (``generic:INC-7``) or the sender's own (``INC-7``).

    Raises:
        NotUnique: two senders use that id.
    """
    found = _incident_rows(store, id=incident_id, row_count=10)
    exact = [row for row in found if row["id"] == incident_id] or found
    if len(exact) > 1:
        names = [row["id"] for row in exact]
        raise NotUnique(
            f"{incident_id} names several incidents", hint="use the id with its source", matches=names
        )
    return exact[0] if exact else None


def _incident_rows(store: Store, **given: Any) -> list[Row]:
    names = ("service", "status", "since", "until", "id", "cursor_at", "cursor_id")
    rows = store.rows(sql("api", "incidents"), **(dict.fromkeys(names) | given))
    verdicts = _verdicts(store, [row["id"] for row in rows])
    return [
        row | {"labels": json.loads(row["labels"] or "{}"), "verdict": verdicts.get(row["id"])}
        for row in rows
    ]


def _verdicts(store: Store, incident_ids: Sequence[str]) -> dict[str, Row]:
    if not incident_ids:
        return {}
    rows = store.rows(sql("api", "verdicts"), incident_ids=list(incident_ids))
    return {row.pop("incident_id"): row for row in rows}


def attributions(store: Store, incident_id: str) -> Row | None:
    """Who may have caused an incident, with the whole chain of evidence; None when there is no such incident.

    ``candidates`` + ``settings`` + ``no_change`` + ``unattributed`` = 1, in millionths. An incident that no correlation has seen
    yet is wholly unattributed; a duplicate without shares of its own has those of the incident that it repeats.

    Raises:
        NotUnique: two senders use that id.
    """
    found = incident(store, incident_id)
    if found is None:
        return None
    source = found["id"]
    shares = store.rows(sql("api", "incident_shares"), incident_id=source)
    if not shares and found["duplicate_of"]:
        source = found["duplicate_of"]
        shares = store.rows(sql("api", "incident_shares"), incident_id=source)
    to_changes = [row for row in shares if row["candidate"] == Candidate.CHANGE]
    to_none = [row for row in shares if row["candidate"] == Candidate.NO_CHANGE]
    groups = store.rows(sql("api", "incident_groups"), incident_id=source)
    head = {name: found[name] for name in _HEAD}
    to_settings = [row for row in shares if row["candidate"] in (Candidate.FLAG, Candidate.CONFIGURATION)]
    named = _millionths(to_changes), _millionths(to_none), _millionths(to_settings)
    return {
        "incident": head,
        "category": found["category"],
        "candidates": _candidates(store, to_changes),
        "settings": [
            {
                "candidate": row["candidate"],
                "setting": row["setting"],
                "weight": round(row["weight"], 6),
                "evidence": json.loads(row["evidence"]),
            }
            for row in to_settings
        ],
        "no_change": named[1] / MILLION,
        "no_change_evidence": [item for row in to_none for item in json.loads(row["evidence"])],
        # What nobody carries is what is left, so that the masses sum to one whatever the rounding.
        "unattributed": max(MILLION - sum(named), 0) / MILLION,
        "algorithm_version": shares[0]["algorithm_version"] if shares else None,
        "verdict": found["verdict"],
        "groups": [row | {"evidence": json.loads(row["evidence"])} for row in groups],
    }


def said(store: Store, subject: str, subject_id: str) -> list[Row]:
    """Every version of what was said of an ``incident`` or a failure ``group``, the newest first, with subjects.

    Returns:
        Rows of ``schemas.responses.SaidAttribution``.
    """
    rows = store.rows(sql("api", "said_attributions"), subject=subject, subject_id=subject_id)
    parsed = [row | {key: json.loads(row[key]) for key in ("candidates", "reasons")} for row in rows]
    shas = sorted({c["sha"] for row in parsed for c in row["candidates"] if c["sha"]})
    heads = {row["sha"]: row for row in store.rows(sql("api", "change_heads"), shas=shas)} if shas else {}
    for row in parsed:
        row["candidates"] = [
            c | {"subject": heads.get(c["sha"] or "", {}).get("subject")} for c in row["candidates"]
        ]
    return parsed


_HEAD = (
    *(
        "id",
        "external_id",
        "source",
        "title",
        "service",
        "environment",
        "severity",
        "opened_at",
        "resolved_at",
    ),
    *("status", "duplicate_of", "is_false_alarm", "category_reason", "detection_delay_s", "url"),
)


def _candidates(store: Store, shares: Sequence[Row]) -> list[Row]:
    shas = [row["sha"] for row in shares]
    if not shas:
        return []
    commits = _commits(store, shas)
    deployed: dict[tuple[str, str], datetime] = {}
    for row in store.rows(sql("api", "change_deployments"), shas=shas):
        deployed.setdefault((row["repository"], row["sha"]), row["deployed_at"])
    chains = _chains(store, {row["group_id"] for row in shares if row["group_id"]})
    return [
        {
            "change": row["sha"],
            "repository": row["repository"],
            "subject": row["subject"],
            "number": row["number"],
            "landed_at": row["landed_at"],
            "deployed_at": deployed.get((row["repository"], row["sha"])),
            "kind": row["kind"],
            "merge_method": row["merge_method"],
            "weight": round(row["weight"], 6),
            "origin": row["origin"] or "unknown",
            "tools": row["tools"] or [],
            "evidence": json.loads(row["evidence"]),
            "provenance": [item for commit in commits[row["sha"]] for item in commit["provenance"]],
            "chain": chains.get(row["group_id"]),
        }
        for row in shares
    ]


def _chains(store: Store, group_ids: Iterable[str]) -> dict[str, Row]:
    """Per failure group: sample trace, span, exception and frames."""
    wanted = sorted(group_ids)
    if not wanted:
        return {}
    frames: dict[str, list[Row]] = defaultdict(list)
    for row in store.rows(sql("api", "group_frames"), group_ids=wanted):
        frames[row.pop("group_id")].append(row)
    chains = {}
    for row in store.rows(sql("api", "group_chains"), group_ids=wanted):
        failed_at, template, title = row.pop("failed_at"), row.pop("message_template"), row.pop("title")
        which = {"trace_id": row["trace_id"], "span_id": row["span_id"], "started_at": failed_at}
        if row["detector"] is not None:
            message = title
        else:
            message = (store.value(sql("api", "sample_message"), **which) if failed_at else None) or template
        chains[row["group_id"]] = row | {"message": message, "frames": frames[row["group_id"]]}
    return chains


def _millionths(shares: Iterable[Row]) -> int:
    return sum(round(row["weight"] * MILLION) for row in shares)


# --- failures, services -----------------------------------------------------------------------------


def failure_groups(
    store: Store,
    *,
    service: str | None = None,
    category: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    cursor: str | None = None,
    limit: int = paging.LIMIT_DEFAULT,
) -> Row:
    """Failure groups alive in [since, until), newest failure first: ``{"items": [...], "next_cursor": ...}``.

    Raises:
        BadCursor: ``cursor`` is not one of this list.
    """
    at, last_id = paging.key("failures", cursor, (datetime, str))
    rows = store.rows(
        sql("api", "failure_groups"),
        service=service,
        category=category,
        group_id=None,
        since=since,
        until=until,
        cursor_at=at,
        cursor_id=last_id,
        row_count=limit + 1,
    )
    parsed = [_failure_group(row) for row in rows]
    return _page("failures", parsed, limit, ("last_seen_at", "group_id"))


def failure_group(store: Store, group_id: str) -> Row | None:
    """One failure group, or None."""
    nothing = dict.fromkeys(("service", "category", "since", "until", "cursor_at", "cursor_id"))
    row = store.row(sql("api", "failure_groups"), group_id=group_id, row_count=1, **nothing)
    return None if row is None else _failure_group(row)


def groupings(store: Store, group: Row) -> list[Row]:
    """What people decided about the fingerprints that a failure group is made of, newest first."""
    parts = group["fingerprint_parts"]
    asked = {group["fingerprint"], *parts.get("merged_from", ())}
    if "split" in parts:
        asked.add(parts["split"]["of"])
    return store.rows(sql("api", "groupings"), service=group["service"], fingerprints=sorted(asked))


def _failure_group(row: Row) -> Row:
    return row | {key: json.loads(row[key]) for key in ("categories", "fingerprint_parts")}


def services(store: Store, settings: Settings) -> list[Row]:
    """Per service: what is known, and what is missing for an answer (``schemas.responses.ServiceStatus``).

    Spans that no hour counts yet count too, unless they are many: then the hours follow within seconds, and looking
    through them would take most of the answer.
    """
    is_exact = store.value(sql("api", "uncounted")) <= UNCOUNTED_MAX
    with store.transaction():
        found = {row["service"]: row for row in store.rows(sql("api", "service_spans"), is_exact=is_exact)}
        # One by one: joined in one statement, each part holds the memory of all.
        for name in _NAMING_SERVICES:
            for row in store.rows(sql("api", name)):
                found[row["service"]] = found.get(row["service"], {}) | row
        for name in _ADDING_TO_SERVICES:
            for row in store.rows(sql("api", name)):
                if row["service"] in found:
                    found[row["service"]] |= row
    return [
        doctor.status(_NOTHING_KNOWN | row, settings.sampling_ratio_of(service))
        for service, row in sorted(found.items())
    ]


def traffic(
    store: Store,
    *,
    service: str | None = None,
    environment: str | None = None,
    operation: str | None = None,
    revision: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    is_hourly: bool = False,
    cursor: str | None = None,
    limit: int = paging.LIMIT_DEFAULT,
) -> Row:
    """Operations in the hours that begin in [since, until): ``{"items": [...], "next_cursor": ...}``.

    Raises:
        BadCursor: ``cursor`` is not one of this list.
    """
    order = ("service", "environment", "operation", "kind", "revision", "begins_at")
    last = paging.key("traffic", cursor, (str, str, str, int, str, datetime))
    rows = store.rows(
        sql("api", "traffic"),
        service=service,
        environment=environment,
        operation=operation,
        revision=revision,
        since=since,
        until=until,
        is_hourly=is_hourly,
        row_count=limit + 1,
        **{f"cursor_{name}": value for name, value in zip(order, last, strict=True)},
    )
    page = _page("traffic", rows, limit, order)
    return page | {"items": [_operation(row, is_hourly=is_hourly) for row in page["items"]]}


def _operation(row: Row, *, is_hourly: bool) -> Row:
    """A row of ``sql/traffic.sql`` as ``schemas.responses.OperationTraffic``."""
    counts = {entry["bucket"]: entry["span_count"] for entry in row["duration_counts"]}
    quantiles = {f"duration_ms_p{n}": durations.quantile_ms(counts, n / 100) for n in (50, 95, 99)}
    is_weighed = row["weighed_count"] > 0
    caveats = {
        TrafficCaveat.SAMPLING_UNKNOWN: row["weighed_count"] < row["span_count"],
        TrafficCaveat.SAMPLED_DURATIONS: row["span_weight"] > row["weighed_count"],
        TrafficCaveat.DISPLACED_SPANS: row["displaced_count"] > 0,
    }
    return (
        row
        | quantiles
        | {
            "revision": row["revision"] or None,
            "hour_at": row["begins_at"] if is_hourly else None,
            "weighted_span_count": row["span_weight"] if is_weighed else None,
            "weighted_failing_count": row["failing_weight"] if is_weighed else None,
            "duration_ms_mean": float(f"{row['duration_ns_sum'] / row['span_count'] / 1e6:.6g}"),
            "caveats": [code for code, holds in caveats.items() if holds],
        }
    )


# --- metrics ----------------------------------------------------------------------------------------


def metric_data(store: Store, settings: Settings, as_of: datetime) -> MetricData:
    """What metrics read, as of ``as_of``. For a past time give the store of a correlation as of then."""
    production = list(settings.production_environments)
    policies = store.rows(sql("api", "repository_policies"))
    return MetricData(
        changes=store.arrow(sql("api", "metric_changes"), as_of=as_of, environments=production),
        outcomes=store.arrow(sql("api", "metric_outcomes"), as_of=as_of),
        rework=store.arrow(sql("api", "metric_rework")),
        deployments=store.arrow(sql("api", "metric_deployments"), as_of=as_of, environments=production),
        incidents=store.arrow(sql("api", "metric_incidents"), as_of=as_of),
        as_of=as_of,
        repositories_policy={row["repository"]: row["assume_unmarked_from"] for row in policies},
        tag_errors=provenance.tag_errors(store),
        has_sampled_traces=bool(store.value(sql("api", "sampled_traces"))),
        reviews=store.arrow(sql("api", "metric_reviews"), as_of=as_of),
        requests=store.arrow(sql("api", "metric_requests"), as_of=as_of, environments=production),
        teams=settings.teams,
    )


def correlation(store: Store) -> Row | None:
    """The newest correlation: ``as_of``, ``facts_digest``, ``rules`` (JSON), ``inferences_digest``."""
    return store.row(sql("api", "correlation"))


def known(store: Store) -> Row | None:
    """What answers depend on: ``as_of`` and ``inferences_digest`` of the newest correlation, and ``watermark``, which
    changes with whatever a person states. None before the first correlation."""
    return store.row(sql("api", "known"))


def present(known: Row | None, now: datetime) -> datetime:
    """The "as of" of a question that names none: that of the last correlation, or the begun hour when that is later.

    Whole hours let answers be cached, and still let changes ripen while no new fact arrives.
    """
    hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    last = known["as_of"] if known else hour - timedelta(days=1)
    return max(hour, last)


def _page(name: str, rows: list[Row], limit: int, order: Sequence[str]) -> Row:
    """The first ``limit`` of ``limit + 1`` rows, and the cursor behind them when there is one more."""
    items = rows[:limit]
    has_more = len(rows) > limit
    return {
        "items": items,
        "next_cursor": paging.cursor(name, [items[-1][column] for column in order]) if has_more else None,
    }
