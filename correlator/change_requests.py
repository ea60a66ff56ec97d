"""What a pull or merge request says about who wrote it: branch, title, body, labels.

It speaks of the request as a whole, at most with confidence B, and never of a single commit. ``origins`` joins it
to the members of a change. How precise branch prefixes are is measured nowhere, hence the caution.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from correlator import provenance
from correlator.catalogue import catalogue
from correlator.catalogue_rules import UNSPECIFIED
from correlator.provenance import CHANGE_REQUEST
from schemas.records import Commit, CommitSha, ProvenanceEvidence, ProvenanceVerdict, RepositoryName
from schemas.vocabulary import Confidence, Origin, Role

TOLD_KEPT_MAX = 16_384
"""Requests whose commits stay judged in memory, so that a push costs what it brings."""
_UNDATED = datetime(2100, 1, 1, tzinfo=UTC)


def detect_change_request(
    title: str, body: str, head_ref: str, labels: Sequence[str] = ()
) -> tuple[ProvenanceEvidence, ...]:
    """Evidence of one change request, strongest first; empty where it says nothing.

    Args:
        head_ref: branch name without the fork's owner, e.g. ``codex/fix-7``.
        labels: label names as the forge shows them.

    Returns:
        Rows of channel ``change_request``. Kinds: branch, title, label, and ``body_<kind>`` for what the body
        declares; confidence B or C; origin ai, or human for a declared "No".
    """
    rules = catalogue()
    found = [
        *provenance.branch_evidence(head_ref.removeprefix("refs/heads/"), rules, head_ref),
        *provenance.title_evidence(title, rules),
        *_labels(labels),
        *(_of_request(e) for e in provenance.read_text(f"{title}\n\n{body}", None) if e.channel != "subject"),
    ]
    return provenance.ordered(found)


@dataclass(frozen=True, slots=True)
class ToldCommit:
    """One of a request's own commits, as an import told it. ``lines_added``: None when not told."""

    sha: str
    lines_added: int | None
    verdict: ProvenanceVerdict


@lru_cache(maxsize=TOLD_KEPT_MAX)
def own_commits(text: str) -> tuple[ToldCommit, ...]:
    """The request's own commits, which a squash drops, out of the JSON array of CHANGE_REQUESTS.

    Their verdicts are at most of confidence B: git does not show us these commits.
    """
    return tuple(
        ToldCommit(
            sha=str(row.get("sha") or ""),
            lines_added=row.get("lines_added"),
            verdict=_as_told(provenance.detect(_commit_of(row), provenance.Policy())),
        )
        for row in json.loads(text)
    )


def _commit_of(told: Mapping[str, Any]) -> Commit:
    author = told.get("author_name") or "", told.get("author_email") or ""
    # A commit without a date is not older than any tool.
    at = datetime.fromisoformat(told["authored_at"]) if told.get("authored_at") else _UNDATED
    return Commit(
        repository=RepositoryName(""),
        sha=CommitSha(told.get("sha") or ""),
        parents=(),
        author_name=author[0],
        author_email=author[1],
        committer_name=told.get("committer_name") or author[0],
        committer_email=told.get("committer_email") or author[1],
        authored_at=at,
        committed_at=at,
        message=told.get("message") or "",
    )


def _as_told(verdict: ProvenanceVerdict) -> ProvenanceVerdict:
    return replace(
        verdict,
        confidence=verdict.confidence and max(verdict.confidence, Confidence.B),
        evidence=tuple(replace(e, confidence=max(e.confidence, Confidence.B)) for e in verdict.evidence),
    )


def _labels(labels: Sequence[str]) -> list[ProvenanceEvidence]:
    rules = catalogue()
    rows = []
    for label in labels:
        if any(pattern.search(label.strip()) for pattern in rules.labels):
            name = label.strip().lower().replace("-", " ")
            tool = rules.product_tools.get(name) or rules.short_tools.get(name) or UNSPECIFIED
            rows.append(
                ProvenanceEvidence(
                    CHANGE_REQUEST, "label", tool, None, Role.ASSIST, Confidence.B, label[:160], Origin.AI
                )
            )
    return rows


def _of_request(e: ProvenanceEvidence) -> ProvenanceEvidence:
    """A body is written by whoever opens the request, so that even an exact line there is a B."""
    return replace(
        e, channel=CHANGE_REQUEST, kind=f"body_{e.kind}", confidence=max(e.confidence, Confidence.B)
    )
