"""From what names a running build to its commit: a digest that a deployment, a build or another process tied to one.

A fact about an artifact holds wherever it runs: a replica set that always runs one image, an image that was once seen
beside a known revision. A name that facts tie to two commits (a tag that was moved) names none. Pure.
Source: DESIGN section 8, "Revision unknown is a distribution"; names in ``schemas/artifact_names.py``.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas import artifact_names

Row = Mapping[str, Any]

Name = tuple[str, str]
"""(service, version), or ('', name of an artifact)."""

ROUNDS_MAX = 8
"""Facts are passed on so often: deployment -> digest -> replica set -> pod template takes three."""

SHA_LENGTHS = (40, 64)
"""Hex digits of a full sha: the surest name there is."""


@dataclass(frozen=True, slots=True)
class _Record:
    """What was seen or told together, of ``service`` ('' when nothing says). ``stated``: revisions; ``versions``: texts that name a commit if they are tags or
    hold a sha, and may stand still while builds change; ``names``: the surest first."""

    repositories: tuple[str, ...]
    service: str
    stated: tuple[str, ...]
    versions: tuple[str, ...]
    names: tuple[Name, ...]


class Artifacts:
    """(repository, service, text) -> commit, where a fact says so."""

    def __init__(
        self,
        *,
        resources: Iterable[Row],
        deployments: Iterable[Row],
        builds: Iterable[Row],
        repository_of: Mapping[str, str],
        resolve: Callable[[str, str, str], str | None],
    ) -> None:
        """
        Args:
            resources: rows of ``running_names.sql``.
            deployments: rows of ``deployments``; failed ones tell of their artifact all the same.
            builds: rows of ``artifacts.sql``.
            repository_of: service -> repository.
            resolve: (repository, service or '', revision text) -> full sha or None, as git knows it.
        """
        self._resolve = resolve
        everywhere = tuple(sorted(set(repository_of.values())))
        records = {
            *_of_resources(resources, repository_of),
            *_of_deployments(deployments, repository_of),
            *_of_builds(builds, repository_of, everywhere),
        }
        told = [
            (repository, record)
            for record in sorted(
                records, key=lambda r: (r.repositories, r.service, r.stated, r.versions, r.names)
            )
            for repository in record.repositories
        ]
        surely = [
            (repository, record, self._first(repository, record.service, record.stated))
            for repository, record in told
        ]
        known = _passed_on(surely, {})
        # Only where no fact says better: a version may be one and the same for every build.
        perhaps = [
            (repository, record, sha or self._first(repository, record.service, record.versions))
            for repository, record, sha in surely
        ]
        self._known = _passed_on(perhaps, known)

    def sha(self, repository: str, service: str, text: str) -> str | None:
        """The commit that ``text``, as a span or a deployment carries it, names in ``repository``; None when unknown."""
        if artifact_names.of_reference(text):
            return self._of_name(repository, ("", artifact_names.of_reference(text)[0]))
        return self._resolve(repository, service, text) or self._of_name(repository, (service, text))

    def _of_name(self, repository: str, name: Name) -> str | None:
        found = self._known.get((repository, name), frozenset())
        return next(iter(found)) if len(found) == 1 else None

    def _first(self, repository: str, service: str, texts: Sequence[str]) -> str | None:
        return next((sha for text in texts if (sha := self._resolve(repository, service, text))), None)


def _passed_on(
    told: Sequence[tuple[str, _Record, str | None]], known: Mapping[tuple[str, Name], frozenset[str]]
) -> dict[tuple[str, Name], frozenset[str]]:
    """(repository, name) -> commits that facts tie it to; a round at a time, so that no order of records matters.

    What is known stays: a weaker name must not make a surer one doubtful in a later round.
    """
    tied = dict(known)
    for _ in range(ROUNDS_MAX):
        found: dict[tuple[str, Name], set[str]] = defaultdict(set)
        for repository, record, stated in told:
            carried = _carried(repository, record, tied)
            sha = (stated or carried) if record.stated else (carried or stated)
            if sha is not None:
                for name in record.names:
                    found[(repository, name)].add(sha)
        fresh = {key: frozenset(shas) for key, shas in found.items() if key not in tied}
        if not fresh:
            break
        tied |= fresh
    return tied


def _carried(
    repository: str, record: _Record, known: Mapping[tuple[str, Name], frozenset[str]]
) -> str | None:
    """The commit of the surest name that has one; one that is tied to several says that none is meant."""
    for name in record.names:
        shas = known.get((repository, name), frozenset())
        if shas:
            return next(iter(shas)) if len(shas) == 1 else None
    return None


def _of_resources(resources: Iterable[Row], repository_of: Mapping[str, str]) -> Iterator[_Record]:
    for row in resources:
        service, repository = row["service"], repository_of.get(row["service"])
        if repository is None:
            continue
        named = artifact_names.of_resource(lambda key, row=row: row[_column(key)])  # type: ignore[misc]
        names = [*(("", name) for name in named.artifacts), *((service, text) for text in named.versions)]
        revision = row["vcs_ref_head_revision"]
        yield _Record((repository,), service, (revision,) if revision else (), named.versions, tuple(names))


def _column(key: str) -> str:
    return key.replace(".", "_").replace("-", "_")


def _of_deployments(deployments: Iterable[Row], repository_of: Mapping[str, str]) -> Iterator[_Record]:
    for row in deployments:
        service = row["service"]
        repository = repository_of.get(service)
        if repository is None:
            continue
        names: list[Name] = [("", artifact_names.DEPLOYMENT + row["deployment_id"])]
        names += [("", name) for name in artifact_names.of_reference(row.get("artifact") or "")]
        version = row["version"]
        if version and artifact_names.is_naming(version):
            names.append((service, version))
        revision = row["revision"]
        yield _Record(
            (repository,),
            service,
            (revision,) if revision else (),
            (version,) if version else (),
            tuple(names),
        )


def _of_builds(
    builds: Iterable[Row], repository_of: Mapping[str, str], everywhere: tuple[str, ...]
) -> Iterator[_Record]:
    for row in builds:
        service, named = row["service"], row["repository"]
        repository = repository_of.get(service or "") or (named if named in everywhere else None)
        names: list[Name] = [("", row["artifact"])]
        if service and row["version"] and artifact_names.is_naming(row["version"]):
            names.append((service, row["version"]))
        # A sha names its repository by itself.
        is_anywhere = repository is None and len(row["revision"]) in SHA_LENGTHS
        repositories = (repository,) if repository else everywhere if is_anywhere else ()
        yield _Record(repositories, service or "", (row["revision"],), (), tuple(names))
