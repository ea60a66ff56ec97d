"""What is missing for an answer about a service, as a ladder: each step says what it costs, which setting mends it, and
about how much that adds (``gains.py``).

Pure: what the statements of ``queries.services`` tell of one service in, one status out. Source: DESIGN section 8,
"Degrades as a ladder".
"""

import shlex

from api import gains
from schemas.store import Row

REVISION_SHARE_GOOD = 0.9
"""Below this share of spans with a revision, some failures cannot be laid at a revision."""
FRAME_SHARE_GOOD = 0.2
"""A stack is mostly framework code: below this share of frames in the repository the path mapping is in doubt."""
STACK_SHARE_GOOD = 0.7
"""Below this share of failures with a line of the repository, some of its instrumentation records no exceptions."""
KEPT_SHARE_GOOD = 0.5
"""Below this share of traces that are sent, failures that show seldom are never seen."""

_DROPPED = (
    *("revision_count", "named_count", "resolved_frame_count", "unmapped_frame_count", "is_synced"),
    *("weighed_count", "span_weight", "raised_count", "stacked_count"),
)


def status(row: Row, sampling_ratio: float | None = None) -> Row:
    """The row as ``schemas.responses.ServiceStatus``: counts become shares, and what is missing is named, what would add
    most first.

    Args:
        sampling_ratio: as configured for the service, where its spans do not tell.
    """
    shares = {
        "revision_share": _share(row["revision_count"], row["span_count"]),
        "frame_share": _share(row["resolved_frame_count"], row["frame_count"]),
        "stack_share": _share(row["stacked_count"], row["raised_count"]),
        "kept_share": _kept(row, sampling_ratio),
    }
    sight = _sight(row, shares)
    advice = [_named(code, row) | {"gain": gains.gain(code, sight)} for code in _missing(row, shares)]
    # Stable: of equals what blocks an answer earlier stands first; what adds to other answers last.
    advice.sort(key=lambda item: -1.0 if item["gain"] is None else -item["gain"] - 1)
    advice.sort(key=lambda item: item["gain"] is None)
    known = {name: value for name, value in row.items() if name not in _DROPPED}
    told = {"missing": [item["detail"] for item in advice], "advice": advice}
    return known | shares | {"named_first": round(gains.named_first(sight), 3)} | told


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None


def _kept(row: Row, sampling_ratio: float | None) -> float | None:
    """Share of traces that are sent: as the spans say, else as configured."""
    if row["span_count"] and row["weighed_count"] == row["span_count"] and row["span_weight"] > 0:
        return round(min(float(row["weighed_count"] / row["span_weight"]), 1.0), 6)
    return sampling_ratio


def _sight(row: Row, shares: dict[str, float | None]) -> gains.Sight:
    named = row["named_count"] / row["span_count"] if row["span_count"] else 0.0
    stands_in = gains.DEPLOYMENTS_WORTH if row["deployment_count"] else 0.0
    stacks = shares["stack_share"]
    return gains.Sight(
        kept=(shares["kept_share"] if shares["kept_share"] is not None else 1.0)
        if row["span_count"]
        else 0.0,
        revision=named + (1 - named) * stands_in,
        # Of a service that has not failed yet, nothing says that its stacks are missing.
        stacks=1.0 if stacks is None else stacks,
        is_counted=shares["kept_share"] is not None or not row["span_count"],
        has_code=row["repository"] is not None and row["is_synced"],
    )


def _missing(row: Row, shares: dict[str, float | None]) -> list[str]:
    """Codes of :data:`_TEXTS`, in the order of the ladder."""
    found = []
    if not row["span_count"]:
        found.append("no_spans")
    if row["repository"] is None:
        found.append("no_repository")
    elif not row["is_synced"]:
        found.append("not_synced")
    revision_share = shares["revision_share"]
    if revision_share is not None and revision_share < REVISION_SHARE_GOOD:
        found.append("no_revision" if not row["deployment_count"] else "few_revisions")
    elif (
        row["span_count"]
        and row["is_synced"]
        and row["named_count"] < REVISION_SHARE_GOOD * row["span_count"]
    ):
        found.append("revision_unresolved")
    frame_share, stack_share = shares["frame_share"], shares["stack_share"]
    if row["raised_count"] and not row["frame_count"]:
        found.append("no_frames")
    elif frame_share is not None and frame_share < FRAME_SHARE_GOOD and row["repository"] is not None:
        found.append("few_frames_resolve")
    elif stack_share is not None and stack_share < STACK_SHARE_GOOD and row["repository"] is not None:
        found.append("few_stacks")
    if row["unmapped_frame_count"]:
        found.append("no_source_maps")
    kept = shares["kept_share"]
    if row["span_count"] and kept is None:
        found.append("sampling_unknown")
    elif kept is not None and row["span_count"] and kept < KEPT_SHARE_GOOD:
        found.append("few_traces")
    if not row["incident_count"]:
        found.append("no_incidents")
    return found


# code -> what an answer lacks, and what to do; {service} and {repository} are filled in.
_TEXTS: dict[str, tuple[str, str]] = {
    "no_spans": (
        "no span of it was received: incidents can be laid at a range of changes, not at a line",
        "point its OTLP exporter at this server and set service.name={service}",
    ),
    "no_repository": (
        "where its code lives is not known: no line can be blamed",
        "aftermerge service map {service} --repository OWNER/NAME --path DIRECTORY",
    ),
    "not_synced": (
        "its repository {repository} has not been fetched",
        "aftermerge repo add {repository} PATH_OR_URL, then aftermerge repo sync",
    ),
    "no_revision": (
        "most of its spans name no revision, and no deployment was reported: which code ran is not known",
        "set the resource attribute vcs.ref.head.revision, or post to /v1/intake/deployments",
    ),
    "few_revisions": (
        "most of its spans name no revision: deployments stand in for them",
        "set the resource attribute vcs.ref.head.revision",
    ),
    "revision_unresolved": (
        "what most of its spans name as their revision or version names no commit of {repository}",
        "send the full commit sha as vcs.ref.head.revision, or post what images are made of to /v1/intake/artifacts",
    ),
    "no_frames": (
        "its failures carry no stack trace: they can be laid at a revision, not at a line",
        "let its instrumentation record exceptions (exception.stacktrace)",
    ),
    "few_stacks": (
        "many of its failures carry no stack trace: they can be laid at a revision, not at a line",
        "let all of its instrumentation record exceptions (exception.stacktrace)",
    ),
    "sampling_unknown": (
        "how its spans are sampled is not known: that a failure was not there before cannot be counted",
        "let the sampler write ot=th to tracestate, or set services.{service}.sampling_ratio",
    ),
    "few_traces": (
        "most of its traces are not sent: failures that show seldom are never seen",
        "keep every trace with an error: a tail_sampling policy with status_code ERROR, or a higher sampling ratio",
    ),
    "few_frames_resolve": (
        "few frames of its failures are found in {repository}",
        "check the path: aftermerge service map {service} --repository {repository} --path DIRECTORY",
    ),
    "no_source_maps": (
        "frames of its failures lie in generated code: no line of a source can be blamed for them",
        "let its build post each .map file: POST /v1/code/source-maps?service={service}&version=VERSION&file=FILE",
    ),
    "no_incidents": (
        "no incident names it: its failures are counted, its incidents are not",
        "post to /v1/intake/incidents with service={service}, or point PagerDuty at /v1/intake/pagerduty",
    ),
}


def _named(code: str, row: Row) -> Row:
    detail, hint = _TEXTS[code]
    names = {"service": row["service"], "repository": row["repository"] or ""}
    # A hint is made to be pasted into a shell, and whoever sends spans chooses the service's name.
    quoted = {name: shlex.quote(value) for name, value in names.items()}
    return {"code": code, "detail": detail.format(**names), "hint": hint.format(**quoted)}
