"""The commits of a change with the lines that weigh them, and how many of those are attested as AI's or a person's.

A commit that landed as a change by itself is weighed by its own counted lines, and attested ranges are met with its hunks.
A side commit of a merge is weighed by what it added against its parent; its attested ranges are bounded by that, path by
path. Where a squash says nothing of itself, the request's own commits, told by import, stand in for it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from correlator import change_requests, paths
from correlator.origins import MemberCommit
from correlator.provenance import OVERRIDE
from schemas.records import AttestedLines, ProvenanceVerdict
from schemas.vocabulary import Origin

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Range:
    start: int
    end: int


class MemberLines:
    """Line counts of one repository's commits.

    Args:
        hunks: Columns sha, path, new_start, new_count of HUNKS.
        side_paths: Rows of SIDE_COMMIT_PATHS.
    """

    def __init__(self, hunks: pa.Table, side_paths: Iterable[Row]) -> None:
        self._added: dict[tuple[str, str], list[_Range]] = {}
        names = ("sha", "path", "new_start", "new_count")
        for sha, path, start, count in zip(*(hunks[name].to_pylist() for name in names), strict=True):
            if count and paths.is_counted(path):
                self._added.setdefault((sha, path), []).append(_Range(start, start + count - 1))
        self._side: dict[str, dict[str, int]] = {}
        for row in side_paths:
            counted = self._side.setdefault(row["sha"], {})
            if row["path"] and paths.is_counted(row["path"]):
                counted[row["path"]] = counted.get(row["path"], 0) + row["lines_added"]

    def members(
        self, change: Row, verdicts: Mapping[str, ProvenanceVerdict], unmarked: ProvenanceVerdict
    ) -> list[MemberCommit]:
        """The members of a change; equal weights where the lines of some side commit are not known yet."""
        shas = change["commits"]
        if shas == [change["sha"]]:
            return [self._landed(change, verdicts.get(change["sha"], unmarked))]
        is_measured = all(sha in self._side for sha in shas)
        return [
            self._beside(sha, verdicts.get(sha, unmarked))
            if is_measured
            else MemberCommit(sha, verdicts.get(sha, unmarked), 1)
            for sha in shas
        ]

    def _landed(self, change: Row, verdict: ProvenanceVerdict) -> MemberCommit:
        # One line stands for a change that adds none (a deletion, a configuration): its commit still wrote it.
        lines = max(change["lines_added"], 1)
        if not verdict.ai_lines or not change["lines_added"]:
            return MemberCommit(change["sha"], verdict, lines)
        ai = human = 0
        for path, attested in _by_path(verdict.ai_lines).items():
            added = self._added.get((change["sha"], path), ())
            found = _overlap(attested, added, {Origin.AI})
            ai += found
            human += _overlap(attested, added, {Origin.AI, Origin.HUMAN}) - found
        ai = min(ai, lines)
        return MemberCommit(change["sha"], verdict, lines, ai, min(human, lines - ai))

    def _beside(self, sha: str, verdict: ProvenanceVerdict) -> MemberCommit:
        added = self._side[sha]
        lines = sum(added.values())
        if not verdict.ai_lines or not lines:
            return MemberCommit(sha, verdict, lines)
        ai = human = 0
        for path, attested in _by_path(verdict.ai_lines).items():
            bound = added.get(path, 0)
            found = min(_size(attested, {Origin.AI}), bound)
            ai += found
            human += min(_size(attested, {Origin.AI, Origin.HUMAN}), bound) - found
        return MemberCommit(sha, verdict, lines, ai, human)


def stand_ins(members: Sequence[MemberCommit], request: Row | None) -> list[MemberCommit]:
    """The members, where a single one of unknown origin is replaced by the request's own commits as they were told.

    They share its lines in proportion to the lines that each was told to add, else equally. What an import tells is at
    most of confidence B.
    """
    told = change_requests.own_commits(request["commits"]) if request and request.get("commits") else ()
    verdict = members[0].verdict if len(members) == 1 else None
    is_open = verdict is not None and verdict.origin is Origin.UNKNOWN and verdict.basis != OVERRIDE
    if not told or not is_open:
        return list(members)
    weights = [commit.lines_added or 0 for commit in told]
    if not sum(weights):
        weights = [1] * len(told)
    # Thousandths of a line, so that shares of a short change are not lost to rounding.
    lines = members[0].lines_added * 1000
    found = [
        MemberCommit(commit.sha or str(n), commit.verdict, lines * weight // sum(weights))
        for n, (commit, weight) in enumerate(zip(told, weights, strict=True))
    ]
    rest = lines - sum(m.lines_added for m in found)
    return [replace(found[0], lines_added=found[0].lines_added + rest), *found[1:]]


def _by_path(lines: Iterable[AttestedLines]) -> dict[str, list[AttestedLines]]:
    found: dict[str, list[AttestedLines]] = {}
    for line in lines:
        found.setdefault(line.path, []).append(line)
    return found


def _merged(lines: Iterable[AttestedLines], origins: set[Origin]) -> list[_Range]:
    """Ranges of ``origins`` without overlaps: a note and a record may attest the same line."""
    merged: list[_Range] = []
    for start, end in sorted((line.start, line.end) for line in lines if line.origin in origins):
        if merged and start <= merged[-1].end + 1:
            merged[-1] = _Range(merged[-1].start, max(end, merged[-1].end))
        else:
            merged.append(_Range(start, end))
    return merged


def _size(lines: Iterable[AttestedLines], origins: set[Origin]) -> int:
    return sum(r.end - r.start + 1 for r in _merged(lines, origins))


def _overlap(lines: Iterable[AttestedLines], added: Iterable[_Range], origins: set[Origin]) -> int:
    merged = _merged(lines, origins)
    return sum(max(0, min(r.end, a.end) - max(r.start, a.start) + 1) for r in merged for a in added)
