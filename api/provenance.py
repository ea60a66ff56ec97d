"""Who wrote what, as people ask and state it: coverage, marks, one commit, statements, audits of the tags.

Reads through ``sql/``; writes the ledger only, each statement with who made it. What a statement changes is inferred by
the next correlation; labels of an audit count at once.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import numpy as np

from api import auth
from api.problems import NotUnique
from correlator import audits, estimates
from correlator.ratios import ASSUMED, TagErrors
from schemas import tables
from schemas.errors import MalformedInput
from schemas.store import Row, Store, sql
from schemas.vocabulary import AuditLabel, Origin

STATED = (Origin.AI, Origin.HUMAN, Origin.AUTOMATION, Origin.UNKNOWN)
STATEMENTS_MAX = 1_000
SAMPLE_MAX = 10_000
_FIGURES = {
    # Figure -> (counts that hit, is automation among the commits counted).
    "declared_share": (("ai_count", "human_count"), False),
    "ai_share": (("ai_count",), False),
    "human_share": (("human_count",), False),
    "assumed_share": (("assumed_count",), False),
    "unknown_share": (("unknown_count",), False),
    "automation_share": (("automation_count",), True),
    "notes_share": (("note_count",), True),
}


# --- what is known ------------------------------------------------------------------------------------


def coverage(
    store: Store,
    *,
    repository: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[Row]:
    """How much is declared, per repository and month of landing: flat rows of ``time, repository, figure``.

    Shares of non-merge commits with a Wilson interval (95 %); automation counts only in its own figure and in
    ``notes_share``, which asks how many commits a note or an imported record describes.
    """
    found = store.rows(sql("api", "provenance_coverage"), repository=repository, since=since, until=until)
    rows = []
    for name, (counts, is_of_all) in _FIGURES.items():
        hits = np.array([sum(row[count] for count in counts) for row in found], dtype=float)
        total = np.array([_counted(row, is_of_all=is_of_all) for row in found], dtype=float)
        low, high = estimates.wilson(hits, total)
        rows += [_figure(row, name, hits[n], total[n], (low[n], high[n])) for n, row in enumerate(found)]
    return sorted(rows, key=lambda row: (row["time"], row["repository"]))


def _counted(row: Row, *, is_of_all: bool) -> int:
    return int(row["commit_count"] - (0 if is_of_all else row["automation_count"]))


def _figure(row: Row, name: str, hits: float, total: float, ends: tuple[float, float]) -> Row:
    is_some = total > 0
    return {
        "time": row["time"],
        "repository": row["repository"],
        "figure": name,
        "value": round(float(hits / total), 6) if is_some else None,
        "low": round(float(ends[0]), 6) if is_some else None,
        "high": round(float(ends[1]), 6) if is_some else None,
        "numerator": int(hits),
        "denominator": int(total),
        "n": int(total),
        "status": "ok" if is_some else "no_data",
        "suppressed": False,
    }


def markers(store: Store, repository: str | None = None) -> list[Row]:
    """Which marks each repository carries, on how many commits, since when and until when."""
    return store.rows(sql("api", "provenance_markers"), repository=repository)


def commit(store: Store, sha: str, repository: str | None = None) -> Row | None:
    """All that is said of one commit: verdict with evidence, statements of people, former verdicts with their version.

    Raises:
        NotUnique: the short sha names several commits.
    """
    found = _commit_row(store, sha, repository)
    if found is None:
        return None
    which = {"repository": found["repository"], "sha": found["sha"]}
    former = store.rows(sql("api", "former_provenance"), **which)
    return found | {
        "evidence": json.loads(found["evidence"]),
        "statements": store.rows(sql("api", "provenance_statements"), **which, row_count=STATEMENTS_MAX),
        "former": [row | {"evidence": json.loads(row["evidence"])} for row in former],
    }


def _commit_row(store: Store, sha: str, repository: str | None) -> Row | None:
    found = store.rows(sql("api", "provenance_of_commit"), repository=repository, sha_prefix=sha.lower())
    if len(found) > 1:
        names = [f"{row['repository']}@{row['sha']}" for row in found]
        raise NotUnique(f"{sha} names {len(names)} commits or more", hint="use more digits", matches=names)
    return found[0] if found else None


# --- what people state ----------------------------------------------------------------------------------


def statements(store: Store, repository: str | None = None) -> list[Row]:
    """What people stated about who wrote commits, newest first; taken-back statements included."""
    return store.rows(
        sql("api", "provenance_statements"), repository=repository, sha=None, row_count=STATEMENTS_MAX
    )


def state(
    store: Store,
    *,
    repository: str,
    sha: str,
    origin: str | None,
    tools: Sequence[str] = (),
    reason: str | None = None,
    now: datetime,
    actor: str,
    request_id: str | None = None,
) -> Row:
    """State who wrote a commit or, of a merge, its whole change; a null origin takes the last statement back.

    Raises:
        MalformedInput: no such commit, an origin that no commit can have, or tools that are not an AI's.
        NotUnique: the short sha names several commits.
    """
    found = _commit_row(store, sha, repository)
    if found is None:
        raise MalformedInput(
            f"{repository} has no commit that begins with {sha}",
            hint="sync the repository first, or give the full id",
            field="sha",
        )
    if origin is not None and origin not in STATED:
        raise MalformedInput(
            f"{origin!r} is no origin of a commit", hint=f"one of {', '.join(STATED)}", field="origin"
        )
    if tools and origin != Origin.AI:
        raise MalformedInput("only what AI wrote has tools", hint="leave the tools out", field="tools")
    row = {
        "repository": found["repository"],
        "sha": found["sha"],
        "stated_at": now,
        "origin": origin,
        "tools": sorted(set(tools)),
        "reason": reason,
        "token_id": actor,
    }
    with store.write_lock, store.transaction():
        store.append_rows(tables.PROVENANCE_OVERRIDES, [row])
        _record(
            store, "provenance.state", f"{row['repository']}@{row['sha']} -> {origin}", now, actor, request_id
        )
    return row


# --- audits ---------------------------------------------------------------------------------------------


def draw_audit(
    store: Store,
    *,
    sample: int,
    seed: int | None = None,
    since: datetime | None = None,
    now: datetime,
    actor: str,
    request_id: str | None = None,
) -> Row:
    """Draw changes for people to label, and keep the draw: ``{"audit_id", "items", "figures"}``.

    Raises:
        MalformedInput: nothing to draw from, or ``sample`` is not in 1..:data:`SAMPLE_MAX`.
    """
    if not 0 < sample <= SAMPLE_MAX:
        raise MalformedInput(f"a sample is 1 to {SAMPLE_MAX} changes", field="sample")
    audit_id = secrets.token_hex(4)
    drawn = audits.draw(
        store.rows(sql("api", "audit_changes"), since=since),
        sample=sample,
        seed=int(audit_id, 16) if seed is None else seed,
    )
    with store.write_lock, store.transaction():
        store.append_rows(
            tables.PROVENANCE_AUDITS, [{"audit_id": audit_id, "drawn_at": now} | row for row in drawn]
        )
        _record(store, "audit.draw", f"{audit_id}: {len(drawn)} changes", now, actor, request_id)
    return audit(store, audit_id)


def list_audits(store: Store) -> list[Row]:
    """The audits, newest first, with how many changes were drawn and labelled."""
    return store.rows(sql("api", "audits"))


def audit(store: Store, audit_id: str) -> Row:
    """One audit: what was drawn (never what the tags say: a label is not to be led), labels, figures.

    Raises:
        MalformedInput: no such audit.
    """
    rows = store.rows(sql("api", "audit_rows"), audit_id=audit_id)
    if not rows:
        raise MalformedInput(f"there is no audit {audit_id!r}", hint="draw one: aftermerge audit provenance")
    hidden = ("stratum", "stratum_size", "stratum_drawn", "origin", "audit_id", "drawn_at")
    return {
        "audit_id": audit_id,
        "drawn_at": rows[0]["drawn_at"],
        "items": [{name: value for name, value in row.items() if name not in hidden} for row in rows],
        "figures": _told(audits.figures(rows)),
    }


def label(
    store: Store,
    audit_id: str,
    labels: Sequence[Mapping[str, Any]],
    *,
    now: datetime,
    actor: str,
    request_id: str | None = None,
) -> Row:
    """Take labels ``{"repository", "sha", "label"}`` of an audit, and return it; a later label of a change holds.

    Raises:
        MalformedInput: a change that was not drawn, or a label that is none; nothing is taken then.
    """
    drawn = {
        (row["repository"], row["sha"]): row
        for row in store.rows(sql("api", "audit_rows"), audit_id=audit_id)
    }
    rows = []
    for index, stated in enumerate(labels):
        key = (str(stated.get("repository")), str(stated.get("sha")).lower())
        if key not in drawn:
            raise MalformedInput(
                f"item {index}: {key[0]}@{key[1]} was not drawn in audit {audit_id}", index=index, field="sha"
            )
        if stated.get("label") not in set(AuditLabel):
            raise MalformedInput(
                f"item {index}: {stated.get('label')!r} is no label",
                hint=f"one of {', '.join(AuditLabel)}",
                index=index,
                field="label",
            )
        rows.append(
            {
                "audit_id": audit_id,
                "repository": key[0],
                "sha": key[1],
                "labelled_at": now,
                "label": stated["label"],
                "token_id": actor,
            }
        )
    with store.write_lock, store.transaction():
        store.append_rows(tables.PROVENANCE_LABELS, rows, replace=True)
        _record(store, "audit.label", f"{audit_id}: {len(rows)} labels", now, actor, request_id)
    return audit(store, audit_id)


def tag_errors(store: Store) -> TagErrors:
    """How often tags are right, by the newest audit that is labelled far enough; else the assumption, named so."""
    rows = store.rows(sql("api", "audit_rows"), audit_id=None)
    return (audits.figures(rows).errors if rows else None) or ASSUMED


def _told(found: audits.AuditFigures) -> Row:
    told = asdict(found)
    for name in ("sensitivity", "specificity", "prevalence"):
        if told[name] is not None:
            told[name] = dict(zip(("value", "low", "high"), told[name], strict=True))
    return told | {"is_used": found.errors is not None}


def _record(
    store: Store, action: str, target: str, now: datetime, actor: str, request_id: str | None
) -> None:
    auth.record(store, actor=actor, action=action, target=target, now=now, request_id=request_id)
