"""What one repository's history says: who wrote each commit and change, who owns which line, what was reworked. Pure.

Costs the most of a correlation and changes least: the caller keeps a :class:`History` until its key changes.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa

from correlator import changes, provenance, rework
from correlator.ownership import Lines
from schemas.records import AttestedLines, Commit, CommitSha, ProvenanceVerdict, RepositoryName
from schemas.vocabulary import Origin

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class GitFacts:
    """The facts of one repository. Tables have the columns of their fact tables; rows of the mainline are cut at the
    time asked for, and so are the others by it.

    ``traced``: sha -> lines that imported records attest. ``overrides``: sha -> the newest row of PROVENANCE_OVERRIDES.
    """

    repository: Row
    commits: Sequence[Row]
    notes: Mapping[str, str]
    mainline: pa.Table
    change_paths: pa.Table
    hunks: pa.Table
    change_requests: Sequence[Row]
    lines: Lines
    side_paths: Sequence[Row] = ()
    traced: Mapping[str, tuple[AttestedLines, ...]] = field(default_factory=dict)
    overrides: Mapping[str, Row] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class History:
    """Rows of the repository's inference tables, and what other steps ask of it. ``rework``: without ``observed_days``,
    in the order of ``changes``."""

    repository: str
    provenance: Sequence[dict[str, Any]]
    changes: Sequence[dict[str, Any]]
    rework: Sequence[dict[str, Any]]
    lines: Lines
    generated: frozenset[str]
    authors: Mapping[str, str]
    paths_of: Mapping[str, Sequence[str]]


Verdicts = dict[tuple[object, ...], ProvenanceVerdict]
"""What a verdict depends on -> the verdict; kept by the caller, so that a push costs what it brings."""


def infer(facts: GitFacts, known: Verdicts) -> History:
    """Everything that git alone tells of one repository and that does not age. ``known`` is added to."""
    name = RepositoryName(facts.repository["repository"])
    policy = provenance.Policy(
        assume_unmarked_from=facts.repository["assume_unmarked_from"]
        if facts.repository["assume_unmarked"] == "human"
        else None
    )
    verdicts: dict[str, ProvenanceVerdict] = {}
    for row in facts.commits:
        note, traced = facts.notes.get(row["sha"]), facts.traced.get(row["sha"], ())
        key = (name, row["sha"], note, traced, policy)
        if key not in known:
            known[key] = provenance.detect(_commit(name, row, note, traced), policy)
        verdicts[row["sha"]] = _stated(known[key], facts.overrides.get(row["sha"]))
    landed = changes.build(
        commits=facts.commits,
        mainline=facts.mainline,
        change_paths=facts.change_paths,
        hunks=facts.hunks,
        side_paths=facts.side_paths,
        change_requests=facts.change_requests,
        verdicts=verdicts,
    )
    authors = {row["sha"]: row["author_email"].lower() for row in facts.commits}
    generated = changes.generated(facts.change_paths)
    paths_of: dict[str, list[str]] = {}
    for sha, path in zip(
        facts.change_paths["sha"].to_pylist(), facts.change_paths["path"].to_pylist(), strict=True
    ):
        paths_of.setdefault(sha, []).append(path)
    return History(
        repository=name,
        provenance=[_provenance_row(name, sha, verdicts[sha]) for sha in sorted(verdicts)],
        changes=landed,
        rework=[rework.row(f) for f in rework.fates(landed, facts.lines, authors, generated=generated)],
        lines=facts.lines,
        generated=generated,
        authors=authors,
        paths_of={sha: sorted(paths) for sha, paths in paths_of.items()},
    )


def _stated(verdict: ProvenanceVerdict, override: Row | None) -> ProvenanceVerdict:
    """What a person states comes before what the machine finds; a statement taken back is none."""
    if override is None or override["origin"] is None:
        return verdict
    return provenance.overridden(
        verdict, Origin(override["origin"]), override["tools"] or (), override["reason"]
    )


def _commit(
    repository: RepositoryName, row: Row, note: str | None, traced: tuple[AttestedLines, ...]
) -> Commit:
    return Commit(
        repository=repository,
        sha=CommitSha(row["sha"]),
        parents=tuple(CommitSha(parent) for parent in row["parents"]),
        author_name=row["author_name"],
        author_email=row["author_email"],
        committer_name=row["committer_name"],
        committer_email=row["committer_email"],
        authored_at=row["authored_at"],
        committed_at=row["committed_at"],
        message=row["message"],
        note=note,
        traced=traced,
    )


def _provenance_row(repository: str, sha: str, verdict: ProvenanceVerdict) -> dict[str, Any]:
    return {
        "repository": repository,
        "sha": sha,
        "origin": str(verdict.origin),
        "role": str(verdict.role),
        "tools": list(verdict.tools),
        "models": list(verdict.models),
        "confidence": str(verdict.confidence) if verdict.confidence else None,
        "basis": verdict.basis,
        "conflict": verdict.conflict,
        "evidence": json.dumps([asdict(piece) for piece in verdict.evidence], ensure_ascii=False),
        "ai_lines": json.dumps([asdict(lines) for lines in verdict.ai_lines], ensure_ascii=False),
        "catalogue_version": verdict.catalogue_version,
    }
