"""One incident's answer as a chain of lines: incident, failure, trace, frames, candidates with evidence in words.

Reads what ``GET /v1/incidents/{id}/attributions`` and its history answer; times are aware or RFC 3339 texts.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import exp
from typing import Any

from api import lexicon, wording

Row = Mapping[str, Any]

FRAMES_MAX = 12
VERSIONS_MAX = 8
LEAST = 0.005
"""A lighter share is not told."""


def lines(found: Row, said: Sequence[Row]) -> list[str]:
    """The whole chain, in lines for a terminal.

    Args:
        found: of ``queries.attributions``.
        said: of ``queries.said``, the newest first.
    """
    return [
        *_incident(found),
        *_failures(found["groups"]),
        *_candidates(found),
        *_others(found),
        *_history(said),
    ]


def _incident(found: Row) -> Iterator[str]:
    head = found["incident"]
    yield f"{head['id']}  {head['title']}"
    place = f"{head['service'] or 'no service named'}, {head['environment'] or 'no environment named'}"
    end = f"resolved {wording.moment(head['resolved_at'])}" if head["resolved_at"] else "still open"
    yield f"  {place}; opened {wording.moment(head['opened_at'])}, {end}"
    if head["duplicate_of"]:
        yield f"  repeats {head['duplicate_of']}"
    if head["is_false_alarm"]:
        yield "  held to be a false alarm"
    yield f"  {wording.attribution(found)}"
    reason = f" – {head['category_reason']}" if head["category_reason"] else ""
    yield f"  how it failed: {wording.label(lexicon.CATEGORIES, found['category'])}{reason}"
    verdict = found["verdict"]
    if verdict:
        named = f" {wording.short_sha(verdict['sha'])}" if verdict["sha"] else ""
        why = f": {verdict['reason']}" if verdict["reason"] else ""
        yield f"  a person decided {wording.moment(verdict['decided_at'])}: {verdict['candidate']}{named}{why}"


def _failures(groups: Sequence[Row]) -> Iterator[str]:
    yield ""
    if not groups:
        yield "Failures that explain it: none; what follows rests on deployments and words"
        return
    yield "Failures that explain it"
    for group in groups:
        yield f"  {group['weight']:.2f}  {group['title']}  [{group['group_id']}]"
        for piece in group["evidence"]:
            yield f"        {piece['detail']}"


def _candidates(found: Row) -> Iterator[str]:
    shown: set[str] = set()
    for place, candidate in enumerate(found["candidates"], start=1):
        yield ""
        sha = wording.short_sha(candidate["change"])
        number = f" (#{candidate['number']})" if candidate["number"] else ""
        yield f"{place}. {candidate['weight']:.2f}  {sha}  {candidate['subject']}{number}"
        deployed = (
            f"deployed {wording.moment(candidate['deployed_at'])}"
            if candidate["deployed_at"]
            else "never seen deployed"
        )
        yield f"   {candidate['repository']}; landed {wording.moment(candidate['landed_at'])}, {deployed}"
        tools = f" ({', '.join(candidate['tools'])})" if candidate["tools"] else ""
        yield f"   who wrote it: {candidate['origin']}{tools}; never evidence"
        yield from _evidence(candidate["evidence"])
        chain = candidate["chain"]
        if chain:
            # The stack is shown once; what differs for the next candidate is which of its lines it wrote.
            key = str(chain["group_id"])
            yield from _chain(chain, candidate["change"], is_whole=key not in shown)
            shown.add(key)


def _evidence(pieces: Sequence[Row]) -> Iterator[str]:
    if not pieces:
        yield "   no evidence of its own: the prior's share"
    for piece in pieces:
        name = wording.label(lexicon.EVIDENCE, piece["kind"])
        yield f"   {_factor(piece['log_lr']):>7}  {name}: {piece['detail']}"


def _factor(log_lr: float) -> str:
    """How many times likelier (x) or less likely (/) a piece makes a candidate."""
    return f"x {exp(log_lr):.3g}" if log_lr >= 0 else f"/ {exp(-log_lr):.3g}"


def _chain(chain: Row, sha: str, *, is_whole: bool) -> Iterator[str]:
    ours = [f for f in chain["frames"] if f["blamed_change"] == sha]
    if is_whole:
        yield f"   failed first in {chain['service']}: {chain['operation']}"
        if chain["trace_id"]:
            yield f"   trace {chain['trace_id']}, span {chain['span_id']}"
        message = f": {chain['message']}" if chain["message"] else ""
        if chain["exception_type"]:
            yield f"   {chain['exception_type']}{message}"
        elif message:
            yield f"   {chain['message']}"
    for frame in chain["frames"][:FRAMES_MAX] if is_whole else ours:
        where = frame["path"] or frame["file"] or "?"
        line = f":{frame['line']}" if frame["line"] else ""
        function = f" in {frame['function']}" if frame["function"] else ""
        mark = "->" if frame in ours else "  "
        yield f"   {mark} {where}{line}{function}{_writer(frame, sha)}"
    if is_whole and len(chain["frames"]) > FRAMES_MAX:
        yield f"      and {len(chain['frames']) - FRAMES_MAX} more frames"


def _writer(frame: Row, sha: str) -> str:
    if frame["blamed_change"] == sha:
        return "  (last written by this change)"
    if frame["blamed_change"]:
        return f"  (last written by {wording.short_sha(frame['blamed_change'])})"
    return "" if frame["path"] else "  (not in the repository)"


def _others(found: Row) -> Iterator[str]:
    yield ""
    yield f"No change is to blame: {found['no_change']:.2f}"
    if found["no_change_evidence"]:
        yield from _evidence(found["no_change_evidence"])
    yield f"Not attributed: {found['unattributed']:.2f}"


def _history(said: Sequence[Row]) -> Iterator[str]:
    if not said:
        return
    yield ""
    yield "What was said, the newest first"
    for version in said[:VERSIONS_MAX]:
        named = [f"{c['weight']:.2f} {_name(c)}" for c in version["candidates"][:3] if c["weight"] >= LEAST]
        yield f"  {wording.moment(version['said_at'])}  version {version['version']}: {'; '.join(named)}"
        for reason in version["reasons"]:
            about = f"{wording.short_sha(reason['sha'])}: " if reason["sha"] else ""
            yield f"      {about}{reason['text']}"
    if len(said) > VERSIONS_MAX:
        yield f"  and {len(said) - VERSIONS_MAX} earlier ones"


def _name(candidate: Row) -> str:
    if candidate["sha"]:
        return f"{wording.short_sha(candidate['sha'])} {candidate['subject'] or ''}".strip()
    return wording.label(lexicon.CANDIDATES, candidate["candidate"]).lower()
