"""Who wrote a change: the verdicts of its commits, joined by the lines they added.

A change is ai when at least half of its added lines come from AI commits or from AI ranges of notes, mixed when
fewer do. Everything else stays as careful as the commits are: human only if every commit is human for a reason,
automation only if every commit is a machine's, else unknown.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from correlator.provenance import AI_ROLES, OVERRIDE
from schemas.records import ProvenanceEvidence, ProvenanceVerdict
from schemas.vocabulary import Confidence, Origin, Role


@dataclass(frozen=True, slots=True)
class MemberCommit:
    """One commit of a change.

    ``lines_added``: lines of code it added. ``ai_lines_added``, ``human_lines_added``: how many of those its note
    attests, None where no note measures them.
    """

    sha: str
    verdict: ProvenanceVerdict
    lines_added: int
    ai_lines_added: int | None = None
    human_lines_added: int | None = None


@dataclass(frozen=True, slots=True)
class ChangeOrigin:
    """Who wrote a change.

    ``ai_share``: share of added lines that notes attest as AI, 0..1; None unless every AI commit was measured.
    ``marked_share``: the share the class rests on, where a declared AI commit counts in full; None without lines.
    ``tools``: of the AI commits. ``suggesting_tools``: accepted review hunks, shown apart, never a reason for ai.
    ``confidence``: A where the same class follows from confidence A alone. ``conflict``: a "No" beside AI.
    """

    origin: Origin
    ai_share: float | None
    tools: tuple[str, ...]
    confidence: Confidence | None
    basis: str
    marked_share: float | None = None
    suggesting_tools: tuple[str, ...] = ()
    conflict: bool = False


@dataclass(frozen=True, slots=True)
class _Request:
    """What the change request adds: unmarked members are its tools', or a person's, by its own declaration."""

    tools: tuple[str, ...] = ()
    is_human: bool = False
    confidence: Confidence | None = None


def change_origin(
    members: Sequence[MemberCommit],
    *,
    ai_cutoff: float = 0.5,
    change_request: Sequence[ProvenanceEvidence] = (),
) -> ChangeOrigin:
    """Join the members of one change, in any order.

    Args:
        members: its non-merge commits, the mainline commit included unless that is a merge. Empty: unknown.
        ai_cutoff: share of added lines, 0..1, from which a change is ai and not mixed.
        change_request: rows of ``change_requests.detect_change_request`` and of merge commits. They fill in for
            members of unknown origin only: an agent's branch makes those ai (confidence B), a declared "No" makes
            them human. They never overrule a commit's own evidence, nor what a person or machine positively wrote.
    """
    request = _request(change_request)
    lines = sum(m.lines_added for m in members)
    marked = [_marked_lines(m, request, Confidence.B) for m in members]
    ai_members = [m for m in members if _is_ai(m, Confidence.B) or (request.tools and _is_unknown(m))]
    if ai_members and _class(marked, lines, len(ai_members), len(members), ai_cutoff):
        return _ai_change(members, ai_members, marked, lines, ai_cutoff, request)
    return _other_change(members, request, lines)


def stated_origin(verdict: ProvenanceVerdict) -> ChangeOrigin:
    """The origin of a change whose merge commit a person spoke about: a merge has no lines of its own."""
    return ChangeOrigin(
        origin=verdict.origin,
        ai_share=None,
        tools=verdict.tools,
        confidence=verdict.confidence,
        basis=verdict.basis,
    )


def _is_ai(member: MemberCommit, at_least: Confidence) -> bool:
    verdict = member.verdict
    return verdict.origin is Origin.AI and any(
        e.origin is Origin.AI
        and e.role in AI_ROLES
        and e.confidence <= at_least
        and e.channel != "change_request"
        for e in verdict.evidence
    )


def _is_unknown(member: MemberCommit) -> bool:
    """No reason either way: unknown, or nothing but a suggestion."""
    verdict = member.verdict
    if verdict.basis == OVERRIDE:
        return False
    return verdict.origin is Origin.UNKNOWN or (verdict.origin is Origin.AI and verdict.role not in AI_ROLES)


def _marked_lines(member: MemberCommit, request: _Request, at_least: Confidence) -> int:
    """Lines of a member that count as AI's."""
    if _is_ai(member, at_least):
        if member.ai_lines_added:
            return min(member.ai_lines_added, member.lines_added)
        # A mark and a note without AI lines: notes lose lines on rewrites and skip generated files, the mark stays.
        return max(0, member.lines_added - (member.human_lines_added or 0))
    if request.tools and _is_unknown(member) and at_least >= Confidence.B:
        return member.lines_added
    return 0


def _class(marked: Sequence[int], lines: int, ai_count: int, count: int, cutoff: float) -> Origin | None:
    """ai, mixed, or None. Without added lines (deletions only) commits are counted instead."""
    total = lines if lines > 0 else count
    share = (sum(marked) if lines > 0 else ai_count) / total if total else 0.0
    if share <= 0:
        return None
    return Origin.AI if share >= cutoff else Origin.MIXED


def _ai_change(
    members: Sequence[MemberCommit],
    ai_members: Sequence[MemberCommit],
    marked: Sequence[int],
    lines: int,
    cutoff: float,
    request: _Request,
) -> ChangeOrigin:
    origin = _class(marked, lines, len(ai_members), len(members), cutoff)
    assert origin is not None
    certain = [_marked_lines(m, request, Confidence.A) for m in members]
    certain_count = sum(_is_ai(m, Confidence.A) for m in members)
    is_certain = _class(certain, lines, certain_count, len(members), cutoff) is origin
    is_measured = lines > 0 and all(m.ai_lines_added for m in ai_members if m.lines_added)
    tools = {tool for m in ai_members for tool in _tools(m, AI_ROLES)}
    if any(_is_unknown(m) for m in ai_members):
        tools |= set(request.tools)
    if len(tools) > 1:
        tools.discard("unspecified-ai")
    return ChangeOrigin(
        origin=origin,
        ai_share=round(sum(marked) / lines, 6) if is_measured else None,
        tools=tuple(sorted(tools)),
        confidence=Confidence.A if is_certain else Confidence.B,
        basis=_ai_basis(ai_members, is_measured=is_measured),
        marked_share=round(sum(marked) / lines, 6) if lines else None,
        suggesting_tools=_suggesting(members),
        conflict=request.is_human or any(m.verdict.conflict for m in members),
    )


def _ai_basis(ai_members: Sequence[MemberCommit], *, is_measured: bool) -> str:
    if all(m.verdict.basis == OVERRIDE for m in ai_members):
        return OVERRIDE
    return "attested_lines" if is_measured else "declared"


def _other_change(members: Sequence[MemberCommit], request: _Request, lines: int) -> ChangeOrigin:
    verdicts = [m.verdict for m in members]
    if verdicts and all(v.origin is Origin.AUTOMATION for v in verdicts):
        return _plain(members, Origin.AUTOMATION, "automation", lines)
    if verdicts and all(
        v.origin is Origin.HUMAN or (request.is_human and _is_unknown(m))
        for v, m in zip(verdicts, members, strict=True)
    ):
        bases = {v.basis if v.origin is Origin.HUMAN else "declared" for v in verdicts}
        weakest = next(b for b in ("policy", "declared", "attested_lines", OVERRIDE) if b in bases)
        return _plain(members, Origin.HUMAN, weakest, lines, request.confidence)
    return _plain(members, Origin.UNKNOWN, "none", lines)


def _plain(
    members: Sequence[MemberCommit],
    origin: Origin,
    basis: str,
    lines: int,
    requested: Confidence | None = None,
) -> ChangeOrigin:
    """A change that is not ai. Only where notes call every line human is the share of AI known: none."""
    confidences = [m.verdict.confidence for m in members if m.verdict.origin is origin]
    if requested and any(_is_unknown(m) for m in members):
        confidences.append(requested)
    known = [c for c in confidences if c is not None]
    is_measured = basis == "attested_lines" and lines > 0
    return ChangeOrigin(
        origin=origin,
        ai_share=0.0 if is_measured else None,
        tools=(),
        confidence=max(known) if known and origin is not Origin.UNKNOWN else None,
        basis=basis,
        marked_share=0.0 if lines else None,
        suggesting_tools=_suggesting(members),
        conflict=any(m.verdict.conflict for m in members),
    )


def _tools(member: MemberCommit, roles: frozenset[Role]) -> set[str]:
    return {
        e.tool
        for e in member.verdict.evidence
        if e.tool in member.verdict.tools and e.tool and e.role in roles and e.channel != "change_request"
    }


def _suggesting(members: Sequence[MemberCommit]) -> tuple[str, ...]:
    suggested = {tool for m in members for tool in _tools(m, frozenset({Role.SUGGESTION}))}
    return tuple(sorted(suggested))


def _request(evidence: Sequence[ProvenanceEvidence]) -> _Request:
    ai = [
        e
        for e in evidence
        if e.channel == "change_request"
        and e.origin is Origin.AI
        and e.role in AI_ROLES
        and e.confidence is not Confidence.C
    ]
    human = [e for e in evidence if e.channel == "change_request" and e.origin is Origin.HUMAN]
    return _Request(
        tools=tuple(sorted({e.tool or "unspecified-ai" for e in ai})),
        is_human=bool(human),
        confidence=Confidence.B if ai or human else None,
    )
