"""Where each service's code lives, and what its telemetry lets us see. Pure.

Order of trust: stated by the operator, `vcs.repository.url.full` of its spans, the settings file, its deployment
events, and last where its stack frames resolve.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from correlator import environments, frames
from correlator.mappings import Mapper
from schemas.records import CommitSha, RepositoryName, RepositoryPort
from schemas.settings import ServiceSettings

Row = Mapping[str, Any]

WATCH_MIN = timedelta(hours=1)
"""An incident without an end, or with a hasty one, is watched this long: a service that answers sends spans by then."""

SAMPLED_SPANS_MIN = 300
"""Spans that a service whose traces are sampled, or may be, must have sent for its silence to say something: of some
hundred requests, a failure of one in thirty would have been seen 19 times in 20."""

STACKS_MAX = 20
"""Stacks per service that are tried against the trees: the first ones decide."""


def place(
    *,
    stated: Iterable[Row],
    settings: Mapping[str, ServiceSettings],
    telemetry: Iterable[Row],
    deployments: Iterable[Row],
    known: Sequence[Row],
    seen: Iterable[str],
    causes: Sequence[Row],
    port: RepositoryPort,
) -> list[dict[str, Any]]:
    """Rows of ``service_repositories``, one per service, ordered by name.

    Args:
        stated: rows of ``service_mappings``.
        telemetry: (service, repository_url) pairs of resources.
        known: rows of ``repositories`` with repository, url, source, head_sha.
        seen: services that sent spans.
        causes: rows of ``failure_shapes``, for the stacks.
    """
    names = {row["repository"] for row in known}
    by_url = {_bare(url): row["repository"] for row in known for url in (row["url"], row["source"]) if url}
    found: dict[str, dict[str, Any]] = {}
    for row in deployments:
        said = row["repository"] or ""
        repository = said if said in names else by_url.get(_bare(said)) or _by_name(said, names)
        if repository:
            found[row["service"]] = _row(row["service"], repository, "", "deployment")
    for service, setting in settings.items():
        if setting.repository in names:
            found[service] = _row(service, setting.repository, setting.path, "settings")
    for row in telemetry:
        repository = by_url.get(_bare(row["repository_url"])) or _by_name(row["repository_url"], names)
        if repository:
            known_place = found.get(row["service"])
            is_there = known_place is not None and known_place["repository"] == repository
            path = known_place["path"] if known_place is not None and is_there else ""
            found[row["service"]] = _row(row["service"], repository, path, "telemetry")
    for row in stated:
        found[row["service"]] = _row(row["service"], row["repository"], row["path"], "stated")
    stacks: dict[str, set[tuple[str, str | None]]] = defaultdict(set)
    for cause in causes:
        if cause["exception_stacktrace"] and cause["service"] not in found:
            stacks[cause["service"]].add((cause["exception_stacktrace"], cause["sdk_language"]))
    for service in seen:
        if service not in found:
            repository = _by_frames(stacks[service], known, port)
            found[service] = _row(service, repository, "", "frames")
    return [found[service] for service in sorted(found)]


def tag_names(service: str, path: str) -> tuple[str, ...]:
    """By which the tags of a repository that services share may call one of them, likeliest first.

    Its own name, its directory (Go modules: ``services/cart/v1.2.0``) and the last part of that.
    """
    return tuple(dict.fromkeys(name for name in (service, path, path.rsplit("/", 1)[-1]) if name))


def _row(service: str, repository: str | None, path: str, basis: str) -> dict[str, Any]:
    return {"service": service, "repository": repository, "path": path.strip("/"), "basis": basis}


def _bare(url: str) -> str:
    """A repository URL without scheme, user, ``.git`` and trailing slash: two spellings of one place are equal."""
    text = url.split("://", 1)[-1].rsplit("@", 1)[-1].rstrip("/").removesuffix(".git")
    return text.replace(":", "/").lower()


def _by_name(url: str, names: set[str]) -> str | None:
    """The repository whose ``owner/name`` ends the URL."""
    bare = _bare(url)
    fitting = sorted(name for name in names if bare == name.lower() or bare.endswith("/" + name.lower()))
    return fitting[0] if len(fitting) == 1 else None


def _by_frames(stacks: set[tuple[str, str | None]], known: Sequence[Row], port: RepositoryPort) -> str | None:
    """The one repository in whose tree a service's frames resolve; None when several or none fit."""
    if not stacks:
        return None
    files = set()
    for text, language in sorted(stacks, key=str)[:STACKS_MAX]:
        parsed = frames.parse(text, language)
        files |= {(f.file, f.module) for link in parsed.chain for f in link.frames} if parsed else set()
    hits: dict[str, int] = defaultdict(int)
    for row in known:
        if row["head_sha"]:
            mapper = Mapper(port.tree(RepositoryName(row["repository"]), CommitSha(row["head_sha"])))
            hits[row["repository"]] = sum(1 for file, module in files if mapper.resolve(file, module))
    fitting = [repository for repository, count in hits.items() if count]
    return fitting[0] if len(fitting) == 1 else None


def watched_at(incident: Row, known: Mapping[str, Collection[str]]) -> list[dict[str, Any]]:
    """Where and when spans prove that a failure would have been seen: rows of ``asked_incidents``.

    Spans of before and after prove nothing: a service that is down sends none, and its silence is no false alarm.

    Args:
        known: service -> environments that its spans named.
    """
    opened_at: datetime = incident["opened_at"]
    until = max(incident["resolved_at"] or opened_at, opened_at + WATCH_MIN)
    return [
        {
            "incident_id": incident["incident_id"],
            "service": incident["service"],
            "environment": environment,
            "opened_at": opened_at,
            "until": until,
        }
        for environment in sorted(known.get(incident["service"], ()))
        if environments.is_same(incident["environment"], environment)
    ]


def is_watched(seen: Row, ratio: float | None) -> bool:
    """True when a failure would have been seen in what an incident's service sent while it was open.

    Args:
        seen: a row of ``watched_incidents.sql``.
        ratio: share of traces that the settings say is sampled; None: they say nothing.
    """
    return bool(seen["span_count"] >= (1 if is_whole(seen, ratio) else SAMPLED_SPANS_MIN))


def is_whole(seen: Row, ratio: float | None) -> bool:
    """True when nothing was sampled away: every request is known. Arguments as of :func:`is_watched`."""
    return bool(ratio == 1.0 if ratio is not None else seen["is_whole"])
