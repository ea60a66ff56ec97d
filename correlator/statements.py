"""Evidence in the words of a message: footers, disclosures, template answers, subjects, links to agent runs.

The weakest of the channels, so its rules are narrow: anchored at the start of a line or sentence, never inside a
quotation, and what only mentions a tool ("add support for Claude", "Remove the Generated with Claude Code footer")
declares nothing. The phrases stand in the catalogue, each with an example.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import date

from correlator import agent_names, message_lines
from correlator.agent_names import Mention, Reading
from correlator.catalogue_rules import UNSPECIFIED, Catalogue, Marker, Phrase
from correlator.message_lines import Context, Line
from correlator.trailers import MATCHED_CHARACTERS_MAX
from schemas.records import ProvenanceEvidence
from schemas.vocabulary import Confidence, Origin, Role

_ROBOT = "\U0001f916"
_LINK = re.compile(r"\[([^\]\[]{0,120})\]\([^()\s]*(?:\s[^()]*)?\)")
_TAG = re.compile(r"</?(?:sub|sup|samp|small|b|i|em|strong|p|a|br|h\d|kbd|code)\b[^>]*>", re.IGNORECASE)
_DECORATION = re.compile(r"^[^\w(\[\x01]+")
_URL_LINE = re.compile(
    r"^(?:[\w '’/-]{0,40}:\s*)?(?:\[[^\]\[]{0,80}\]\(|[<(])?(?P<url>https?://[^\s<>)\]]+)[)>\].]*$"
)
_ROBOT_FOOTER = re.compile(
    r"^\W*\U0001F916\W*(?:generated|created|written|made|built|authored) with \[?(?P<name>[\w][\w .-]{1,30})",
    re.I,
)
_BOX = re.compile(r"^(?P<tick>\[[xX ]\])\s*(?P<text>.*)$")
_WROTE = re.compile(r"\b(?:generated|written|authored|created|implemented|wrote|coded)\b", re.IGNORECASE)
_USED = re.compile(
    r"\b(?:generat|assist|writ|wrote|author|us(?:ed|ing|e)\b|help|creat|implement|draft|cod(?:e|ed|ing)\b)",
    re.IGNORECASE,
)
_CONNECTED = re.compile(
    r"^[\s()\[\]`*_\"',/&+:|-]*(?:(?:via|and|with|on|using|in|by|or|from|model|version|v?\d[\w.]*|cli|agent|ai|running|powered)[\s()\[\]`*_\"',/&+:|-]*){0,4}$",
    re.IGNORECASE,
)
# Where another clause of a sentence starts: "..., so I used", "policy: I made", "to say that this", "(this was".
_CLAUSE = re.compile(
    r"(?:[,;:—–(]\s*|\s)(?:so|but|and|that|because|as|while|note|notice)\s+|[,;:—–(]\s*", re.IGNORECASE
)
_ANSWER_LINES_MAX = 12
_QUESTION_CHARACTERS_MAX = 400


def read(
    lines: Sequence[Line], catalogue: Catalogue, on: date | None, *, is_revert: bool
) -> Iterator[ProvenanceEvidence]:
    """Evidence of every statement; a message may hold several of one kind."""
    if lines and not is_revert:
        yield from _subject(lines[0], catalogue)
    for line in lines:
        if line.context is not Context.FENCED and line.context is not Context.SUBJECT:
            yield from _marks(line, catalogue.marker_lines)
        if line.context is Context.OWN:
            yield from _session_url(line, catalogue)
    if not any(agent_names.has_any(line.raw, catalogue) or _ROBOT in line.raw for line in lines):
        return
    yield from _footers(lines, catalogue, on)
    yield from _prose(lines, catalogue, on)
    yield from _answers(lines, catalogue, on)


def _subject(line: Line, catalogue: Catalogue) -> Iterator[ProvenanceEvidence]:
    for marker in catalogue.subjects:
        if marker.pattern.search(line.raw.strip()):
            yield _evidence("subject", "prefix", marker.tool, None, marker.role, marker.confidence, line.raw)


def _marks(line: Line, markers: Sequence[Marker]) -> Iterator[ProvenanceEvidence]:
    for marker in markers:
        if marker.pattern.search(line.text if line.text.startswith("[") else line.raw):
            yield _evidence(
                "footer", "host_text", marker.tool, None, marker.role, marker.confidence, line.raw.strip()
            )


def _session_url(line: Line, catalogue: Catalogue) -> Iterator[ProvenanceEvidence]:
    found = _URL_LINE.match(line.text)
    for marker in catalogue.session_urls if found else ():
        if marker.pattern.match(found["url"]):  # type: ignore[index]
            yield _evidence(
                "footer", "session_url", marker.tool, None, marker.role, marker.confidence, line.text
            )


def _footers(lines: Sequence[Line], catalogue: Catalogue, on: date | None) -> Iterator[ProvenanceEvidence]:
    for line in lines:
        if line.context is not Context.OWN:
            continue
        text, is_linked = _plain(line.text)
        is_certain = is_linked or _ROBOT in line.raw
        found = [
            m
            for m in agent_names.mentions(text, catalogue, on)
            if is_certain or _is_clear(text[m.start : m.end], m, catalogue)
        ]
        matched = next(_matches(text, found, [p for p in catalogue.phrases if p.kind != "prose"]), None)
        if matched:
            phrase, mention = matched
            confidence = Confidence.A if is_certain and phrase.kind == "footer" else phrase.confidence
            yield from _phrased("footer", phrase, confidence, mention, found, text, line.text, catalogue)
        elif (robot := _ROBOT_FOOTER.match(line.text)) and not found:
            yield _evidence("footer", "footer", UNSPECIFIED, None, Role.COAUTHOR, Confidence.B, robot.group())


def _is_clear(name: str, mention: Mention, catalogue: Catalogue) -> bool:
    """ "implemented with cursor" is a database's; without link or robot a common word needs its capital."""
    key = re.sub(r"[\s_-]+", " ", name).lower()
    return mention.rank != 2 or key in catalogue.prose_tools or name[:1].isupper()


def _prose(lines: Sequence[Line], catalogue: Catalogue, on: date | None) -> Iterator[ProvenanceEvidence]:
    rules = catalogue.template
    for sentence in message_lines.sentences(lines):
        text, _ = _plain(sentence)
        found = agent_names.mentions(text, catalogue, on, Reading.SENTENCE)
        opening = rules.disclosure_opening.match(text)
        if opening:
            yield from _disclosure(
                text[opening.end() :], sentence, "disclosure", catalogue, on, needs_ai=not opening["ai"]
            )
        if not found:
            continue
        matched = next(_matches(text, found, [p for p in catalogue.phrases if p.kind != "footer"]), None)
        if matched:
            phrase, mention = matched
            yield from _phrased("prose", phrase, phrase.confidence, mention, found, text, sentence, catalogue)


def _plain(text: str) -> tuple[str, bool]:
    """Text without links' targets, tags and leading decoration; whether it held a link."""
    unlinked = _LINK.sub(r"\1", text)
    return _DECORATION.sub("", _TAG.sub("", unlinked)).strip(), unlinked != text


def _matches(text: str, found: list[Mention], phrases: Sequence[Phrase]) -> Iterator[tuple[Phrase, Mention]]:
    if not found:
        return
    marked = agent_names.marked(text, found)
    clauses = [m.end() for m in _CLAUSE.finditer(marked)]
    for phrase in phrases:
        for start in (0, *clauses) if phrase.anywhere else (0,):
            match = phrase.pattern.match(marked, start)
            if match:
                yield phrase, found[int(match["tool"])]
                break


def _phrased(
    channel: str,
    phrase: Phrase,
    confidence: Confidence,
    mention: Mention,
    found: list[Mention],
    text: str,
    original: str,
    catalogue: Catalogue,
) -> Iterator[ProvenanceEvidence]:
    """Evidence for the tool of a phrase, read together with what is joined to it: "Claude Code (Opus 4.5)"."""
    chain = [mention]
    for following in found[found.index(mention) + 1 :]:
        if not _CONNECTED.match(text[chain[-1].end : following.start]):
            break
        chain.append(following)
    named = agent_names.resolved(text[mention.start : chain[-1].end], catalogue, None)
    tools = named.tools if named else (mention.tool or UNSPECIFIED,)
    model = named.models[0] if named and named.models else mention.model
    if phrase.origin is Origin.HUMAN:
        if mention.rank == 0:  # "No AI was used" denies; "No Claude was used" leaves the others
            yield _evidence(
                channel, phrase.kind, None, None, phrase.role, confidence, original, phrase.origin
            )
        return
    for tool in tools:
        known = catalogue.tools.get(tool)
        if known is None or known.writes_code:
            yield _evidence(
                channel, phrase.kind, tool, model, phrase.role, confidence, original, phrase.origin
            )


def _answers(lines: Sequence[Line], catalogue: Catalogue, on: date | None) -> Iterator[ProvenanceEvidence]:
    rules = catalogue.template
    own = [line for line in lines if line.context is Context.OWN]
    for index, line in enumerate(own):
        box = _BOX.match(line.text)
        if box:
            if not _in_section(own, index, catalogue):
                yield from _loose_box(box, line, catalogue, on)
            continue
        question, used = _question(own, index)
        if question is None and line.is_heading:
            question, used = f"{line.text.strip(' :*_')}?", 1
        if question and rules.question.search(question):
            yield from _answer(question, line.text, _below(own, index + used), catalogue, on)
        elif _is_section(line, catalogue):
            yield from _section(_below(own, index + 1), catalogue, on)


def _question(own: Sequence[Line], index: int) -> tuple[str | None, int]:
    """The question that starts on a line, possibly wrapped onto the next, and how many lines it takes."""
    line = own[index]
    starts = line.is_heading or index == 0 or own[index - 1].paragraph != line.paragraph
    if "?" in line.text[:_QUESTION_CHARACTERS_MAX]:
        return (line.text[:_QUESTION_CHARACTERS_MAX], 1) if starts or line.is_bullet else (None, 0)
    following = own[index + 1] if starts and index + 1 < len(own) else None
    is_wrapped = following and following.paragraph == line.paragraph and not following.is_heading
    if following and is_wrapped and "?" in following.text[:80]:
        return f"{line.text} {following.text}"[:_QUESTION_CHARACTERS_MAX], 2
    return None, 0


def _below(own: Sequence[Line], start: int) -> list[Line]:
    """The lines of the section that opens before ``start``: up to the next heading, a bound number of them."""
    taken: list[Line] = []
    for line in own[start : start + _ANSWER_LINES_MAX]:
        if line.is_heading or (line.text.endswith("?") and not line.is_bullet):
            break
        taken.append(line)
    return taken


def _answer(
    question: str, text: str, below: list[Line], catalogue: Catalogue, on: date | None
) -> Iterator[ProvenanceEvidence]:
    rules = catalogue.template
    same_line = question.rpartition("?")[2].strip(" *_:)")
    boxes = [box for line in below if (box := _BOX.match(line.text))]
    ticked = [box["text"] for box in boxes if box["tick"].lower() == "[x]"]
    first = [line for line in below if line.paragraph == below[0].paragraph] if below else []
    answer = same_line or " ".join(ticked) or ("" if boxes else " ".join(line.text for line in first))
    answer = _plain(answer)[0]
    if not answer:
        return
    role = Role.AUTHOR if re.search(r"author|generat|writ", question, re.IGNORECASE) else Role.ASSIST
    matched = f"{text} {answer}"
    if rules.no.match(answer):
        yield _evidence("template", "answer", None, None, Role.NONE, Confidence.A, matched, Origin.HUMAN)
        return
    named = agent_names.resolved(answer, catalogue, on, Reading.DECLARATION)
    is_yes = bool(rules.yes.match(answer))
    if is_yes or (named and named.rank >= 1 and not rules.disclosure_no.search(answer)):
        for tool in named.tools if named else (UNSPECIFIED,):
            model = named.models[0] if named and named.models else None
            yield _evidence(
                "template", "answer", tool, model, role, Confidence.A if is_yes else Confidence.B, matched
            )


def _is_section(line: Line, catalogue: Catalogue) -> bool:
    if not (line.is_heading or line.text.endswith(":")):
        return False
    return bool(catalogue.template.heading.fullmatch(line.text.strip(" :*_?.")))


def _in_section(own: Sequence[Line], index: int, catalogue: Catalogue) -> bool:
    """Whether a ticked box stands under a heading or question about AI, which then reads it."""
    for line in reversed(own[max(0, index - _ANSWER_LINES_MAX) : index]):
        if line.is_heading or line.text.endswith(("?", ":")):
            return _is_section(line, catalogue) or bool(catalogue.template.question.search(line.text))
    return False


def _section(below: list[Line], catalogue: Catalogue, on: date | None) -> Iterator[ProvenanceEvidence]:
    rules = catalogue.template
    boxes = [(box, line) for line in below if (box := _BOX.match(line.text))]
    for box, line in boxes:
        text = _plain(box["text"])[0]
        if box["tick"].lower() != "[x]" or rules.box_promise.match(text):
            continue
        if rules.box_no.match(text):
            yield _evidence(
                "template", "checkbox", None, None, Role.NONE, Confidence.A, line.text, Origin.HUMAN
            )
        elif rules.box_yes.match(text) or agent_names.mentions(text, catalogue, on, Reading.DECLARATION):
            named = agent_names.resolved(text, catalogue, on, Reading.DECLARATION)
            for tool in named.tools if named else (UNSPECIFIED,):
                yield _evidence("template", "checkbox", tool, None, Role.ASSIST, Confidence.A, line.text)
    if boxes or not below:
        return
    text = " ".join(line.text for line in below if line.paragraph == below[0].paragraph)
    yield from _disclosure(text, text, "section", catalogue, on, needs_ai=False)


def _disclosure(
    text: str, original: str, kind: str, catalogue: Catalogue, on: date | None, *, needs_ai: bool
) -> Iterator[ProvenanceEvidence]:
    """What stands behind "AI disclosure:" or under such a heading. ``needs_ai``: the opening did not name AI."""
    rules = catalogue.template
    text = _plain(text)[0]
    named = agent_names.resolved(text, catalogue, on, Reading.DECLARATION)
    if not (named and named.rank >= 1) and (
        rules.disclosure_no.search(text) or (kind == "section" and rules.no.match(text))
    ):
        yield _evidence("template", kind, None, None, Role.NONE, Confidence.B, original, Origin.HUMAN)
        return
    declares = bool(rules.disclosure_yes.search(text))
    if needs_ai and not named and not declares:
        return
    theirs = " ; ".join(
        clause
        for clause in rules.disclosure_clause.split(text)
        if not rules.disclosure_own_work.search(clause)
        or agent_names.mentions(clause, catalogue, on, Reading.DECLARATION)
    )
    looked, wrote = rules.disclosure_looking.search(text), rules.disclosure_writing.search(theirs)
    if not (wrote or declares or (named and (looked or named.rank >= 1))):
        return
    role = Role.AUTHOR if _WROTE.search(theirs) else Role.ASSIST
    confidence = Confidence.B
    if looked and not wrote:
        role, confidence = Role.REVIEW_ONLY, Confidence.C
    model = named.models[0] if named and named.models else None
    for tool in named.tools if named else (UNSPECIFIED,):
        yield _evidence("template", kind, tool, model, role, confidence, original)


def _loose_box(
    box: re.Match[str], line: Line, catalogue: Catalogue, on: date | None
) -> Iterator[ProvenanceEvidence]:
    """A ticked box that names AI itself: "[x] This change was generated with AI"."""
    text = _plain(box["text"])[0]
    rules = catalogue.template
    if box["tick"].lower() != "[x]" or rules.box_promise.match(text):
        return
    found = agent_names.mentions(text, catalogue, on, Reading.SENTENCE)
    if not found:
        return
    if rules.box_no.match(text) or rules.disclosure_no.search(text):
        yield _evidence("template", "checkbox", None, None, Role.NONE, Confidence.B, line.text, Origin.HUMAN)
    elif _USED.search(text) and re.search(r"\b(?:this|i|we|pr|code|changes?)\b", text, re.IGNORECASE):
        named = agent_names.resolved(text, catalogue, on, Reading.DECLARATION)
        for tool in named.tools if named else (UNSPECIFIED,):
            yield _evidence("template", "checkbox", tool, None, Role.ASSIST, Confidence.B, line.text)


def _evidence(
    channel: str,
    kind: str,
    tool: str | None,
    model: str | None,
    role: Role,
    confidence: Confidence,
    text: str,
    origin: Origin = Origin.AI,
) -> ProvenanceEvidence:
    return ProvenanceEvidence(
        channel, kind, tool, model, role, confidence, text.strip()[:MATCHED_CHARACTERS_MAX], origin
    )
