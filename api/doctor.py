"""What is missing for an answer about a service, as a ladder: each step says what it costs and which setting mends it.

Pure: one row of ``sql/services.sql`` in, one status out. Source: DESIGN section 8, "Degrades as a ladder".
"""

import shlex

from schemas.store import Row

REVISION_SHARE_GOOD = 0.9
"""Below this share of spans with a revision, some failures cannot be laid at a revision."""
FRAME_SHARE_GOOD = 0.2
"""A stack is mostly framework code: below this share of frames in the repository the path mapping is in doubt."""


def status(row: Row) -> Row:
    """The row as ``schemas.responses.ServiceStatus``: counts become shares, and what is missing is named."""
    spans, frames = row["span_count"], row["frame_count"]
    shares = {
        "revision_share": round(row["revision_count"] / spans, 6) if spans else None,
        "frame_share": round(row["resolved_frame_count"] / frames, 6) if frames else None,
    }
    dropped = ("revision_count", "resolved_frame_count", "unmapped_frame_count", "is_synced")
    advice = [_named(code, row) for code in _missing(row, shares)]
    known = {name: value for name, value in row.items() if name not in dropped}
    return known | shares | {"missing": [item["detail"] for item in advice], "advice": advice}


def _missing(row: Row, shares: dict[str, float | None]) -> list[str]:
    """Codes of :data:`_TEXTS`, what blocks an answer most first."""
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
    if row["running_revision"] is not None and row["running_sha"] is None and row["repository"] is not None:
        found.append("revision_unresolved")
    frame_share = shares["frame_share"]
    if row["failure_group_count"] and not row["frame_count"]:
        found.append("no_frames")
    elif frame_share is not None and frame_share < FRAME_SHARE_GOOD and row["repository"] is not None:
        found.append("few_frames_resolve")
    if row["unmapped_frame_count"]:
        found.append("no_source_maps")
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
        "the revision that it sends names nothing in {repository}",
        "send the full commit sha as vcs.ref.head.revision, or sync the repository",
    ),
    "no_frames": (
        "its failures carry no stack trace: they can be laid at a revision, not at a line",
        "let its instrumentation record exceptions (exception.stacktrace)",
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
