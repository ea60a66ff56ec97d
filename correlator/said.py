"""What was said of each failure group and incident, version by version: a new one whenever an answer changed in substance.

Later truth re-weights an answer; what was said before stays in the ledger with the time at which it was said, and each
version says what had changed since the one before. Pure.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Any

from schemas.vocabulary import Candidate, EvidenceKind

Row = Mapping[str, Any]
Key = tuple[str, str]
"""(subject, id): ``incident`` or ``group``."""

MOVED_MIN = 0.05
"""A weight that moves by less, while nothing else changes, is the same answer."""

GROUP_MIN = 0.1
"""A group that explains less of an incident is not told."""

DECISIVE = frozenset(
    {
        EvidenceKind.NAMED_BY_INCIDENT,
        EvidenceKind.NAMED_BY_FIX,
        EvidenceKind.REVERTED_AFTER,
        EvidenceKind.ROLLED_BACK_AFTER,
        EvidenceKind.HUMAN_VERDICT,
        EvidenceKind.FALSE_ALARM,
    }
)
"""Evidence that makes a new version whatever it weighs: it came later, from people or from what they did."""


def answers(
    *, attributions: Iterable[Row], states: Iterable[Row], links: Iterable[Row], suspects: Iterable[Row]
) -> dict[Key, dict[str, Any]]:
    """What is said now: ``{candidates, is_false_alarm, duplicate_of, category, groups, algorithm_version}`` each.

    Args:
        attributions, states, links, suspects: rows of ``incident_attributions``, ``incident_states``,
            ``incident_links`` and ``group_suspects``, in the order of their ranks.
    """
    shares: dict[Key, list[Row]] = defaultdict(list)
    for row in attributions:
        shares[("incident", row["incident_id"])].append(row)
    for row in suspects:
        shares[("group", row["group_id"])].append(row)
    linked: dict[str, list[str]] = defaultdict(list)
    for row in links:
        if row["weight"] >= GROUP_MIN:
            linked[row["incident_id"]].append(row["group_id"])
    state_of = {row["incident_id"]: row for row in states}
    found: dict[Key, dict[str, Any]] = {}
    for key, rows in shares.items():
        subject, id_ = key
        state = state_of[id_] if subject == "incident" else None
        found[key] = {
            "candidates": rows,
            "is_false_alarm": state["is_false_alarm"] if state else None,
            "duplicate_of": state["duplicate_of"] if state else None,
            "category": state["category"] if state else None,
            "groups": sorted(linked[id_]) if state else [],
            "algorithm_version": rows[0]["algorithm_version"],
        }
    return found


def versions(
    now: Mapping[Key, Row], last: Mapping[Key, Row], *, said_at: datetime, facts_digest: str
) -> list[dict[str, Any]]:
    """Rows of ``said_attributions`` for what is said now and was not said last, in the order of their keys.

    Args:
        now: of :func:`answers`.
        last: the newest row of ``said_attributions`` of each.
    """
    rows = []
    for key in sorted(now):
        answer, known = now[key], last.get(key)
        candidates = [_told(row) for row in answer["candidates"]]
        before = json.loads(known["candidates"]) if known else []
        if known is not None and not _is_other(answer, candidates, known, before):
            continue
        rows.append(
            {
                "subject": key[0],
                "subject_id": key[1],
                "version": known["version"] + 1 if known else 1,
                "said_at": said_at,
                "candidates": _json(candidates),
                "is_false_alarm": answer["is_false_alarm"],
                "duplicate_of": answer["duplicate_of"],
                "category": answer["category"],
                "groups": answer["groups"],
                "reasons": _json(_reasons(answer, candidates, known, before)),
                "algorithm_version": answer["algorithm_version"],
                "facts_digest": facts_digest,
            }
        )
    return rows


def _told(row: Row) -> dict[str, Any]:
    pieces = [
        {"kind": p["kind"], "log_lr": p["log_lr"], "detail": p["detail"]} for p in json.loads(row["evidence"])
    ]
    named = {name: row[name] for name in ("candidate", "repository", "sha", "weight")}
    return {**named, "evidence": pieces}


def _is_other(answer: Row, candidates: Sequence[Row], known: Row, before: Sequence[Row]) -> bool:
    if answer["is_false_alarm"] != known["is_false_alarm"] or answer["duplicate_of"] != known["duplicate_of"]:
        return True
    if _name(candidates[0]) != _name(before[0]) or _decisive(candidates) != _decisive(before):
        return True
    now, then = _weights(candidates), _weights(before)
    return any(abs(now.get(name, 0.0) - then.get(name, 0.0)) >= MOVED_MIN for name in {*now, *then})


def _name(row: Row) -> tuple[str, str]:
    return row["candidate"], row["sha"] or ""


def _weights(candidates: Iterable[Row]) -> dict[tuple[str, str], float]:
    return {_name(row): row["weight"] for row in candidates}


def _decisive(candidates: Iterable[Row]) -> set[tuple[tuple[str, str], str]]:
    return {(_name(row), p["kind"]) for row in candidates for p in row["evidence"] if p["kind"] in DECISIVE}


def _reasons(
    answer: Row, candidates: Sequence[Row], known: Row | None, before: Sequence[Row]
) -> list[dict[str, Any]]:
    """``{kind, sha, text}`` each: what is said now by which facts, that was not said by them before."""
    if known is None:
        return [_reason("first", None, "the first answer")]
    found = []
    if answer["is_false_alarm"] != known["is_false_alarm"]:
        text = (
            "now held to be a false alarm"
            if answer["is_false_alarm"]
            else "no longer held to be a false alarm"
        )
        found.append(_reason("false_alarm", None, text))
    if answer["duplicate_of"] != known["duplicate_of"]:
        other = answer["duplicate_of"] or known["duplicate_of"]
        verb = "repeats" if answer["duplicate_of"] else "no longer repeats"
        found.append(_reason("duplicate", None, f"{verb} {other}"))
    if answer["algorithm_version"] != known["algorithm_version"]:
        text = f"weights of evidence {known['algorithm_version']} became {answer['algorithm_version']}"
        found.append(_reason("rules", None, text))
    for groups, text in (
        (sorted(set(answer["groups"]) - set(known["groups"])), "also explained by failure"),
        (sorted(set(known["groups"]) - set(answer["groups"])), "no longer explained by failure"),
    ):
        found += [_reason("failure", None, f"{text} {group}") for group in groups]
    pieces, former = _pieces(candidates), _pieces(before)
    for key in chain(pieces, (k for k in former if k not in pieces)):
        (_, sha), kind = key
        if key not in former:
            found.append(_reason(kind, sha or None, pieces[key]))
        elif key not in pieces:
            found.append(_reason(kind, sha or None, f"no longer: {former[key]}"))
    return found or [
        _reason("weights", None, "the same evidence weighs otherwise: traffic and failures went on")
    ]


def _pieces(candidates: Iterable[Row]) -> dict[tuple[tuple[str, str], str], str]:
    """(candidate, kind of evidence) -> what was seen; only what speaks for a candidate that is told by name."""
    return {
        (_name(row), p["kind"]): p["detail"]
        for row in candidates
        if row["candidate"] != Candidate.UNATTRIBUTED
        for p in row["evidence"]
        if p["log_lr"] > 0
    }


def _reason(kind: str, sha: str | None, text: str) -> dict[str, Any]:
    return {"kind": str(kind), "sha": sha, "text": text}


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
