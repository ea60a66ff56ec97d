"""Who wrote a commit: evidence rows from every channel, then one verdict derived from them.

Everything used is declared by someone (identities, trailers, footers, template answers, git-ai notes); style is
never judged. The default is ``unknown``, ``human`` needs a positive reason, and a positive sign of AI beats a "No",
with the conflict shown. Identities are unsigned text: a verdict says "declared", never "proved".
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

from correlator import agent_names, ai_notes, message_lines, statements, trailers
from correlator.agent_names import Agent
from correlator.catalogue import catalogue
from correlator.catalogue_rules import UNSPECIFIED, Automation, Catalogue
from correlator.message_lines import Line
from schemas.records import Commit, ProvenanceEvidence, ProvenanceVerdict
from schemas.vocabulary import Confidence, Origin, Role

AI_ROLES = frozenset({Role.AUTHOR, Role.COAUTHOR, Role.ASSIST})
"""Roles that make a change ai."""
OVERRIDE = "override"
"""Channel and basis of what a person states."""
CHANGE_REQUEST = "change_request"
"""Channel of evidence about a pull or merge request. It never decides a single commit."""

ROLE_ORDER = (
    Role.AUTHOR, Role.COAUTHOR, Role.ASSIST, Role.SUGGESTION, Role.MESSAGE_ONLY, Role.REVIEW_ONLY, Role.NONE,
)  # fmt: skip
"""What an AI did, the most first."""
_REVERT = re.compile(r"^(?:Revert(?:s|ed)?\b|revert(?:\([^)]*\))?!?:|Reapply\b)", re.IGNORECASE)
_MERGED_BRANCH = (
    re.compile(r"^Merge pull request #\d+ from [^/\s]+/(?P<ref>\S+)"),  # GitHub
    re.compile(r"^Merge (?:remote-tracking )?branch '(?:origin/)?(?P<ref>[^']+)'"),  # git, GitLab
    re.compile(r"^Merged in (?P<ref>\S+) \(pull request #\d+\)"),  # Bitbucket
)
_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
"""An earlier author date is a clock that was not set, not a reason."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What a repository states about commits that carry no mark.

    ``assume_unmarked_from``: authored at or after this, an unmarked commit is human (opt-in; shown as such).
    ``ai_epoch``: authored before this, a commit is human: there was no AI to write it.
    """

    assume_unmarked_from: datetime | None = None
    ai_epoch: datetime = datetime(2021, 6, 29, tzinfo=UTC)


def detect(commit: Commit, policy: Policy) -> ProvenanceVerdict:
    """Decide who wrote a commit. Pure, total, and blind to the order of trailer lines.

    Returns:
        The verdict with its evidence, strongest first (the first row's tool is the leading one), ``tools`` and
        ``models`` sorted, and the line ranges of its note. Evidence of one kind, tool and model is kept once.

    Source:
        Precedence: lines attested by a note or trace, identity, structured trailer, template answer, footer and prose,
        automation identity, declared no AI, policy, unknown.
    """
    rules = catalogue()
    authored = _utc(commit.authored_at)
    lines = message_lines.read(commit.message)
    note = ai_notes.parse(commit.note, rules) if commit.note else ai_notes.EMPTY
    traced = ai_notes.traced(commit.traced, rules) if commit.traced else ai_notes.EMPTY
    subject = lines[0].raw.strip() if lines else ""
    evidence = ordered(
        [
            *_attested(note, "note", "git_ai_lines"),
            *_attested(traced, "agent_trace", "traced_lines"),
            *_people(commit, subject, authored.date(), rules),
            *_message(lines, subject, authored.date(), rules),
            *_merged(lines, subject, rules),
        ]
    )
    policies = _policy(authored, evidence, policy)
    return _verdict(evidence, policies, [note, traced], rules)


def overridden(
    verdict: ProvenanceVerdict, origin: Origin, tools: Sequence[str], reason: str | None
) -> ProvenanceVerdict:
    """The verdict that a person states; the machine's evidence stays below theirs.

    Attested lines are put aside: who overrides a commit speaks of all of it.
    """
    role = Role.AUTHOR if origin is Origin.AI else Role.NONE
    named = tuple(sorted(tools)) or ((UNSPECIFIED,) if origin is Origin.AI else ())
    text = (reason or f"stated: {origin}")[: trailers.MATCHED_CHARACTERS_MAX]
    stated = [
        ProvenanceEvidence(OVERRIDE, "statement", tool, None, role, Confidence.A, text, origin)
        for tool in (named or (None,))
    ]
    return replace(
        verdict,
        origin=origin,
        role=role,
        tools=named,
        models=(),
        confidence=None if origin is Origin.UNKNOWN else Confidence.A,
        basis=OVERRIDE,
        conflict=False,
        evidence=(*stated, *verdict.evidence),
        ai_lines=(),
    )


def ranked_tools(verdict: ProvenanceVerdict, message: str) -> list[str]:
    """The tools of a verdict, the leading one first: by role, confidence and channel, then as the message names them.

    A verdict itself is blind to the order of lines; among equals the first named leads here, as people write it.
    """

    def rank(tool: str) -> tuple[Any, ...]:
        pieces = [e for e in verdict.evidence if e.tool == tool and decides_ai(e)]
        return min(
            (
                ROLE_ORDER.index(e.role),
                e.confidence,
                e.channel,
                _position(message, e.matched_text),
                tool,
            )
            for e in pieces
        )

    return sorted(verdict.tools, key=rank)


def read_text(text: str, on: date | None) -> tuple[ProvenanceEvidence, ...]:
    """Evidence in a message or body alone, each kind once, strongest first."""
    lines = message_lines.read(text)
    return ordered(_message(lines, lines[0].raw.strip() if lines else "", on, catalogue()))


def _position(message: str, text: str) -> float:
    found = message.find(text)
    return found if found >= 0 else math.inf


def _utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _message(
    lines: Sequence[Line], subject: str, on: date | None, rules: Catalogue
) -> Iterator[ProvenanceEvidence]:
    yield from trailers.read(lines, rules, on)
    yield from statements.read(lines, rules, on, is_revert=bool(_REVERT.match(subject)))


def _attested(note: ai_notes.AiNote, channel: str, kind: str) -> Iterator[ProvenanceEvidence]:
    """One row per tool whose lines are attested; known-human lines speak only where no AI line does."""
    text = f"{note.human_line_count} known-human lines"
    if note.ai_line_count:
        text = f"{note.ai_line_count} AI lines, {text}"
        for tool in note.tools or (UNSPECIFIED,):
            yield ProvenanceEvidence(channel, kind, tool, None, Role.COAUTHOR, Confidence.A, text, Origin.AI)
    elif note.human_line_count:
        yield ProvenanceEvidence(channel, kind, None, None, Role.NONE, Confidence.A, text, Origin.HUMAN)


def _people(commit: Commit, subject: str, on: date, rules: Catalogue) -> Iterator[ProvenanceEvidence]:
    text = f"{commit.author_name} <{commit.author_email}>"
    author = _author(commit, rules, on)
    if author and author.also_releases and rules.automation.release_subject.search(subject):
        author = None
        yield _identity("author", "release_bot", None, Role.NONE, Confidence.A, text, Origin.AUTOMATION)
    elif author:
        yield replace(
            _identity(
                "author",
                author.kind,
                author.tool,
                author.role or Role.AUTHOR,
                author.confidence,
                text,
                Origin.AI,
            ),
            model=author.model,
        )
    elif _is_automation(commit.author_name, commit.author_email, rules.automation):
        yield _identity("author", "machine", None, Role.NONE, Confidence.A, text, Origin.AUTOMATION)
    yield from _committer(commit, author, rules, on)


def _author(commit: Commit, rules: Catalogue, on: date) -> Agent | None:
    for suffix, tool in rules.author_suffixes.items():
        if commit.author_name.lower().endswith(suffix):
            return Agent(tool, None, "name_suffix", Confidence.A)
    return agent_names.agent(commit.author_name, commit.author_email, rules, on)


def _committer(
    commit: Commit, author: Agent | None, rules: Catalogue, on: date
) -> Iterator[ProvenanceEvidence]:
    text = f"{commit.committer_name} <{commit.committer_email}>"
    for suffix, tool in rules.author_suffixes.items():
        if commit.committer_name.lower().endswith(suffix) and author is None:
            # The tool commits the user's own edits under the user's name and writes the message.
            yield _identity(
                "committer", "name_suffix", tool, Role.MESSAGE_ONLY, Confidence.B, text, Origin.HUMAN
            )
            return
    agent = agent_names.agent(commit.committer_name, commit.committer_email, rules, on)
    if agent and agent.kind != "name" and (author is None or agent.tool != author.tool):
        # Mostly a rebase or cherry-pick of somebody else's work.
        yield _identity("committer", agent.kind, agent.tool, Role.NONE, Confidence.C, text, Origin.AI)


def _identity(
    channel: str, kind: str, tool: str | None, role: Role, confidence: Confidence, text: str, origin: Origin
) -> ProvenanceEvidence:
    matched = text[: trailers.MATCHED_CHARACTERS_MAX]
    return ProvenanceEvidence(channel, kind, tool, None, role, confidence, matched, origin)


def _is_automation(name: str, mailbox: str, rules: Automation) -> bool:
    mailbox = mailbox.strip().strip("<>").lower()
    local = mailbox.partition("@")[0].partition("+")[2] or mailbox.partition("@")[0]
    name = name.strip()
    return bool(
        mailbox in rules.mailboxes
        or re.sub(r"[\s_-]+", " ", name).lower() in rules.names
        or name.lower().endswith("[bot]")
        or local.endswith("[bot]")
        or any(p.search(local) for p in rules.login_patterns)
        or any(p.search(name) for p in rules.name_patterns)
        or (rules.capital_name.search(name) and rules.agreeing_mailbox.search(mailbox))
    )


def _merged(lines: Sequence[Line], subject: str, rules: Catalogue) -> Iterator[ProvenanceEvidence]:
    """What a merge commit says of its change request: the branch in the subject, the title below it."""
    for pattern in _MERGED_BRANCH:
        found = pattern.match(subject)
        if found:
            yield from branch_evidence(found["ref"], rules, subject)
            if len(lines) > 1:
                yield from title_evidence(lines[1].raw.strip(), rules)
            return


def title_evidence(title: str, rules: Catalogue) -> Iterator[ProvenanceEvidence]:
    """Evidence in a change request's title; a revert's title quotes another one."""
    for marker in () if _REVERT.match(title) else rules.subjects:
        if marker.pattern.search(title):
            yield _request("title", marker.tool or UNSPECIFIED, marker.role, marker.confidence, title)


def _request(kind: str, tool: str, role: Role, confidence: Confidence, text: str) -> ProvenanceEvidence:
    matched = text[: trailers.MATCHED_CHARACTERS_MAX]
    return ProvenanceEvidence(CHANGE_REQUEST, kind, tool, None, role, confidence, matched, Origin.AI)


def branch_evidence(ref: str, rules: Catalogue, text: str) -> Iterator[ProvenanceEvidence]:
    """Evidence that an agent opened the branch ``ref``; it speaks of the change request only."""
    for marker in rules.branches:
        if marker.pattern.search(ref):
            tool = marker.tool or _branch_tool(ref, rules)
            yield _request("branch", tool, marker.role, marker.confidence, text)
            return


def _branch_tool(ref: str, rules: Catalogue) -> str:
    name = ref.partition("/")[0].replace("-", " ").lower()
    return rules.product_tools.get(name) or rules.short_tools.get(name) or UNSPECIFIED


def ordered(evidence: Iterable[ProvenanceEvidence]) -> tuple[ProvenanceEvidence, ...]:
    """Each kind, tool, model and role once, the strongest first; a total order, so that lines may come in any."""
    kept: dict[tuple[object, ...], ProvenanceEvidence] = {}
    for e in evidence:
        key = (e.channel, e.kind, e.tool, e.model, e.role, e.origin)
        other = kept.get(key)
        if other is None or (e.confidence, e.matched_text) < (other.confidence, other.matched_text):
            kept[key] = e
    return tuple(sorted(kept.values(), key=_rank))


def _rank(e: ProvenanceEvidence) -> tuple[object, ...]:
    return (
        e.channel == CHANGE_REQUEST,
        e.origin is not Origin.AI,
        ROLE_ORDER.index(e.role),
        e.confidence,
        e.channel,
        e.kind,
        e.tool or "",
        e.model or "",
        e.matched_text,
    )


def decides_ai(e: ProvenanceEvidence) -> bool:
    """Whether a piece of evidence alone makes a commit ai."""
    return (
        e.origin is Origin.AI
        and e.channel != CHANGE_REQUEST
        and e.confidence is not Confidence.C
        and (e.role in AI_ROLES or e.role is Role.SUGGESTION)
    )


def _policy(
    authored: datetime, evidence: Sequence[ProvenanceEvidence], policy: Policy
) -> tuple[ProvenanceEvidence, ...]:
    stated = policy.assume_unmarked_from
    if _EARLIEST <= authored < _utc(policy.ai_epoch):
        kind, text = "before_ai_epoch", f"authored {authored.date()}"
    elif stated and authored >= _utc(stated) and not any(_hints_at_ai(e) for e in evidence):
        kind, text = "assume_unmarked", f"unmarked commits are human from {_utc(stated).date()}"
    else:
        return ()
    return (ProvenanceEvidence("policy", kind, None, None, Role.NONE, Confidence.B, text, Origin.HUMAN),)


def _hints_at_ai(e: ProvenanceEvidence) -> bool:
    """An agent as committer, or an agent's branch: too little for ai, too much for an assumption of human."""
    return e.origin is Origin.AI and e.role not in (Role.MESSAGE_ONLY, Role.REVIEW_ONLY)


def _verdict(
    evidence: tuple[ProvenanceEvidence, ...],
    policies: tuple[ProvenanceEvidence, ...],
    notes: Sequence[ai_notes.AiNote],
    rules: Catalogue,
) -> ProvenanceVerdict:
    ai = [e for e in evidence if decides_ai(e)]
    human = [e for e in evidence if e.origin is Origin.HUMAN]
    machine = [e for e in evidence if e.origin is Origin.AUTOMATION]
    tools: set[str] = set()
    models: set[str] = set()
    if ai:
        origin, deciding = Origin.AI, ai
        basis = "attested_lines" if any(note.ai_line_count for note in notes) else "declared"
        tools = {e.tool for e in ai if e.tool}
        if len(tools) > 1:
            tools.discard(UNSPECIFIED)
        models = {e.model for e in ai if e.model} | {model for note in notes for model in note.models}
    elif machine:
        origin, deciding, basis = Origin.AUTOMATION, machine, "automation"
    elif human:
        origin, deciding = Origin.HUMAN, human
        is_attested = all(e.channel in ("note", "agent_trace") for e in human)
        basis = "attested_lines" if is_attested else "declared"
    elif policies:
        origin, deciding, basis = Origin.HUMAN, list(policies), "policy"
    else:
        origin, deciding, basis = Origin.UNKNOWN, [], "none"
    said = [e for e in evidence if e.channel != CHANGE_REQUEST]
    return ProvenanceVerdict(
        origin=origin,
        role=min((e.role for e in (ai or said)), key=ROLE_ORDER.index, default=Role.NONE),
        tools=tuple(sorted(tools)),
        models=tuple(sorted(models)),
        confidence=min((e.confidence for e in deciding), default=None),
        basis=basis,
        conflict=bool(ai and any(e.role is not Role.MESSAGE_ONLY for e in human)),
        catalogue_version=rules.version,
        evidence=(*evidence, *(policies if not ai and not machine and not human else ())),
        ai_lines=tuple(line for note in notes for line in note.lines),
    )
