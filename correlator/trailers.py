"""Evidence in lines of the form ``Key: value``, wherever in a message they stand.

git knows trailers only in the last paragraph; squash bodies and templates hold them anywhere. So every line that
speaks for the commit is read, and a value counts only if it resolves to an agent, a tool, a model or an answer.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import date

from correlator import agent_names
from correlator.agent_names import Agent, Reading
from correlator.catalogue_rules import UNSPECIFIED, Catalogue
from correlator.message_lines import Context, Line
from schemas.records import ProvenanceEvidence
from schemas.vocabulary import Confidence, Origin, Role

MATCHED_CHARACTERS_MAX = 160

_TRAILER = re.compile(r"^(?P<key>[A-Za-z][A-Za-z0-9_ -]{1,44}?)\s?[*_`]{0,3}:[*_`]{0,3}\s*(?P<value>\S.*)$")
# Behind a finished sentence: "Fix the end of files. Co-authored-by: Crush <crush@charm.land>".
_TAIL = re.compile(
    r"[.!)\]]\s+(?P<key>Co-authored-by):\s+(?P<value>[^<>`\"']{1,60} <[^<>\s]+@[^<>\s]+>)$", re.I
)
_NO = re.compile(r"^(?:no|none|false|n/a)\b(?:[\s]*$|\s*[,.;(—–-])", re.IGNORECASE)
_YES = re.compile(r"^(?:yes|true)\b(?:[\s]*$|\s*[,.;:(—–-])", re.IGNORECASE)
_ABOUT_LLMS = re.compile(r"^https?://\S*(?:\bllms?\b|[/#_-]ai\b)\S*$", re.IGNORECASE)
_RUN_ID = re.compile(r"^(?=\S*\d)[\w.:/#?=&@-]{6,300}$")
_WORDS = re.compile(r"[A-Za-z][\w'’.-]*")


def read(lines: Sequence[Line], catalogue: Catalogue, on: date | None) -> Iterator[ProvenanceEvidence]:
    """Evidence of every trailer line, in the order of the lines; repeated trailers give repeated evidence."""
    for line in lines:
        if not line.speaks:
            continue
        tail = _TAIL.search(line.text)
        if tail:
            yield from _identities("co-authored-by", tail["value"], line.text, catalogue, on)
        if line.context is Context.SUBJECT:
            continue
        found = _TRAILER.match(line.text)
        if found:
            yield from _trailer(found["key"], found["value"].strip(), line.text, catalogue, on)


def _trailer(
    key: str, value: str, text: str, catalogue: Catalogue, on: date | None, *, is_inline: bool = False
) -> Iterator[ProvenanceEvidence]:
    canonical = re.sub(r"[\s_]+", "-", key.strip().lower())
    rules = catalogue.trailers
    if " " in key.strip() and canonical not in rules.spaced:
        inner = None if is_inline else _TRAILER.match(value)
        if inner and " " not in inner["key"]:  # "Unit tests: Assisted-by: Claude Code"
            for e in _trailer(inner["key"], inner["value"].strip(), text, catalogue, on, is_inline=True):
                yield _evidence(e.kind, e.tool, e.model, e.role, Confidence.B, text, e.origin)
        return
    if canonical in rules.markers:
        yield from _markers(canonical, value, text, catalogue)
    elif canonical in rules.identity:
        yield from _identities(canonical, value, text, catalogue, on)
    elif canonical in rules.tool:
        yield from _tools(canonical, value, text, catalogue, on)
    else:
        yield from _session(canonical, value, text, catalogue)


def _markers(key: str, value: str, text: str, catalogue: Catalogue) -> Iterator[ProvenanceEvidence]:
    for marker in catalogue.trailers.markers[key]:
        if marker.pattern.fullmatch(value.strip("<>`* ")):
            tool = (marker.tool or UNSPECIFIED) if marker.origin is Origin.AI else None
            role = marker.role if marker.origin is Origin.AI else Role.NONE
            yield _evidence(key, tool, None, role, marker.confidence, text, marker.origin)


def _identities(
    key: str, value: str, text: str, catalogue: Catalogue, on: date | None
) -> Iterator[ProvenanceEvidence]:
    role = catalogue.trailers.identity[key]
    for name, mailbox in agent_names.identities(value):
        agent = agent_names.agent(name, mailbox, catalogue, on)
        if agent is not None:
            yield _evidence(
                key,
                agent.tool,
                agent.model,
                _role(agent, role),
                _confidence(agent, key, role),
                text,
                Origin.AI,
            )


def _role(agent: Agent, role: Role) -> Role:
    """A review bot named as co-author stands for an accepted hunk; as a reviewer it is a reviewer."""
    return role if role is Role.REVIEW_ONLY else agent.role or role


def _confidence(agent: Agent, key: str, role: Role) -> Confidence:
    if role is Role.REVIEW_ONLY:
        return Confidence.C
    # A sign-off is also added by whoever rebases, so that it says less than a co-author line.
    return max(agent.confidence, Confidence.B) if key == "signed-off-by" else agent.confidence


def _tools(
    key: str, value: str, text: str, catalogue: Catalogue, on: date | None
) -> Iterator[ProvenanceEvidence]:
    rules = catalogue.trailers
    role = rules.tool[key]
    plain = value.strip(" \t`*_\"'").rstrip(".!").lower()
    is_answer = key in rules.answer_keys
    if is_answer and (plain in rules.answer_no or _NO.match(value)):
        if key not in rules.no_is_mute:
            yield _evidence(key, None, None, Role.NONE, Confidence.A, text, Origin.HUMAN)
        return
    if key in rules.prose_keys and len(value.split()) > 4:
        return  # a sentence, which statements.py reads as a disclosure
    if "@" in value:
        agents = [
            agent
            for name, mailbox in agent_names.identities(value)
            if (agent := agent_names.agent(name, mailbox, catalogue, on))
        ]
        for agent in agents:
            yield _evidence(
                key, agent.tool, agent.model, _role(agent, role), agent.confidence, text, Origin.AI
            )
        if agents or re.search(r"<[^<>\s]+@", value):
            return  # a person with a mailbox
    named = agent_names.resolved(
        value, catalogue, on, Reading.VALUE if role is Role.ASSIST else Reading.DECLARATION
    )
    if named is None:
        named_yes = is_answer and (plain in rules.answer_yes or _YES.match(value))
        if named_yes or _ABOUT_LLMS.match(value):
            yield _evidence(key, UNSPECIFIED, None, role, Confidence.A, text, Origin.AI)
        return
    if not _leads(value, catalogue, on, is_lenient=role is Role.ASSIST):
        return
    confidence = Confidence.B if _is_only_given_name(named, catalogue) else Confidence.A
    model = named.models[0] if named.models else None
    for tool in named.tools:
        yield _evidence(key, tool, model, role, confidence, text, Origin.AI)


def _leads(value: str, catalogue: Catalogue, on: date | None, *, is_lenient: bool) -> bool:
    """Whether the tool opens the value: "Claude Code" does, "the script that formats Claude output" does not."""
    first = agent_names.mentions(value, catalogue, on)
    if not first:
        return False
    words = [
        word
        for word in _WORDS.findall(value[: first[0].start])
        if word.lower() not in catalogue.trailers.leading_words
    ]
    return not words or (is_lenient and len(words) <= 3)


def _is_only_given_name(named: agent_names.Named, catalogue: Catalogue) -> bool:
    tool = catalogue.tools.get(named.tools[0])
    return bool(named.rank == 2 and tool and tool.given_name and not tool.is_family and not named.models)


def _session(key: str, value: str, text: str, catalogue: Catalogue) -> Iterator[ProvenanceEvidence]:
    """``Opencode-Session: ses_1a2b3c``: a tool's name, a noun for its run, and something that looks like an id."""
    for noun in catalogue.trailers.session_nouns:
        if not key.endswith(f"-{noun}"):
            continue
        name = key.removesuffix(f"-{noun}").replace("-", " ")
        tool = catalogue.product_tools.get(name) or catalogue.short_tools.get(name)
        if tool and _RUN_ID.match(value.strip("<>`* ")):
            yield _evidence(key, tool, None, Role.COAUTHOR, Confidence.B, text, Origin.AI)
        return


def _evidence(
    kind: str,
    tool: str | None,
    model: str | None,
    role: Role,
    confidence: Confidence,
    text: str,
    origin: Origin,
) -> ProvenanceEvidence:
    return ProvenanceEvidence(
        "trailer", kind, tool, model, role, confidence, text[:MATCHED_CHARACTERS_MAX], origin
    )
