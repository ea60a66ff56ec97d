"""Suspects as rows: of failure groups and of incidents, with their evidence as JSON."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from correlator.incidents import Answer
from schemas.records import Suspect
from schemas.vocabulary import Candidate


def of_groups(
    suspects: Mapping[str, Sequence[Suspect]], repository_of: Mapping[str, str], version: str
) -> Iterator[dict[str, Any]]:
    """Rows of ``group_suspects``, by group and rank."""
    for group_id in sorted(suspects):
        for row in _rows(suspects[group_id], repository_of, version):
            yield {"group_id": group_id, **row}


def of_incidents(
    answers: Iterable[Answer], repository_of: Mapping[str, str], version: str
) -> Iterator[dict[str, Any]]:
    """Rows of ``incident_attributions``, by incident and rank."""
    for answer in answers:
        for row in _rows(answer.suspects, repository_of, version):
            is_placed = row["candidate"] != Candidate.UNATTRIBUTED
            group_id = answer.group_of.get(row["sha"] or row["setting"]) if is_placed else None
            yield {"incident_id": answer.state["incident_id"], "group_id": group_id, **row}


def _rows(
    suspects: Sequence[Suspect], repository_of: Mapping[str, str], version: str
) -> Iterator[dict[str, Any]]:
    for rank, suspect in enumerate(suspects, start=1):
        yield {
            "rank": rank,
            "candidate": str(suspect.candidate),
            "repository": repository_of.get(suspect.sha) if suspect.sha else None,
            "sha": suspect.sha,
            "setting": suspect.setting,
            "weight": suspect.weight,
            "evidence": _evidence(suspect),
            "algorithm_version": version,
        }


def _evidence(suspect: Suspect) -> str:
    pieces = [
        {"kind": str(p.kind), "log_lr": round(p.log_lr, 6), "detail": p.detail, "facts": p.facts}
        for p in suspect.evidence
    ]
    return json.dumps(pieces, ensure_ascii=False, sort_keys=True)
