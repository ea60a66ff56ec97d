"""A commit message as lines that know where they stand: subject, own words, quotation or fenced block.

Provenance reads every line, because git's trailer parser sees only the last paragraph and most declarations are
elsewhere: in squash bodies, behind template text, before "Closes #12". What it must not read is text *about*
trailers, so quotations, fences, HTML comments and introduced examples are told apart here. No rule about AI
stands in this file. Shapes seen in real histories: CRLF, ``* `` bullets of squash merges, ``\\n\\n`` spelled out.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

MESSAGE_CHARACTERS_MAX = 262_144
"""Longer messages are read at both ends, half of this each; trailers stand at the end, the subject at the start."""
LINE_CHARACTERS_MAX = 4_096


class Context(StrEnum):
    """What a line is. Only the first two speak for the commit."""

    SUBJECT = "subject"
    OWN = "own"
    QUOTED = "quoted"
    FENCED = "fenced"


@dataclass(frozen=True, slots=True)
class Line:
    """One line. ``raw`` as written, ``text`` without indent, bullet and emphasis; ``paragraph`` counts from 0."""

    raw: str
    text: str
    context: Context
    indent: int
    is_bullet: bool
    is_heading: bool
    is_glued: bool
    paragraph: int

    @property
    def speaks(self) -> bool:
        return self.context in (Context.SUBJECT, Context.OWN)


_FENCE = re.compile(r"^\s{0,12}(?P<fence>```+|~~~+)\s*(?P<info>[^`]*)$")
_BULLET = re.compile(r"^(?:[*+•-]|\d{1,3}[.)])\s+(?=\S)")
_TASK_BOX = re.compile(r"^\[[ xX]\]\s")
_EMPHASIS = "*_~ \t"
# "\n\nCo-authored-by: A <a@b>" with the backslashes spelled out: a tool passed its message through one quoting too
# many. Inside quotation marks it is source code that the message talks about.
_GLUED = re.compile(
    r"(?<![\"'`\\])(?:\\r)?(?:\\n){1,3}(?=[A-Za-z][A-Za-z-]{2,40}: ?[^\"'`\\]+(?:\\n|$))", re.MULTILINE
)
# A block quotation that is no quotation: GitHub's alerts ("> [!NOTE]"), and labels such as "> **AI disclosure**: ...".
_CALLOUT = re.compile(
    r"^>\s*(?:\[!\w+\]\s*$|[*_]{0,3}(?:[\w/-]+ ){0,3}(?:disclosure|disclaimer|usage|notes?|attribution)\s*[*_]{0,3}\s*:)",
    re.I,
)
_SQUASH_RULE = re.compile(r"^-{5,}$")
_SQUASH_HEADER = re.compile(r"^(?:commit [0-9a-f]{7,64}|author|date|merge|squashed commit)\b", re.IGNORECASE)
_ATTRIBUTION = re.compile(
    r"\b(?:AI|LLMs?|attribution|disclosure|assist\w*|co-?authors?|credits?|trailers?|tooling)\b", re.I
)
_TALKS = re.compile(
    r"\b(?:like|such as|e\.g\.|example|following|format|add|adds|append|emit|detect|parse|match)\w*\b", re.I
)
_SENTENCE_END = re.compile(r"(?<=[.!?])[)\"'’”*_]*\s+(?=[\"'(*_`\[]*[A-Z0-9])")


def read(message: str) -> tuple[Line, ...]:
    """The lines of a message, blank ones left out. Never fails; ``\\r\\n`` and ``\\r`` read as ``\\n``."""
    if len(message) > MESSAGE_CHARACTERS_MAX:
        half = MESSAGE_CHARACTERS_MAX // 2
        message = message[:half] + "\n" + message[-half:]
    text = message.replace("\r\n", "\n").replace("\r", "\n")
    raw_lines = [(line, False) for line in text.split("\n")]
    if "\\n" in text:
        raw_lines = [part for line, _ in raw_lines for part in _unglued(line)]
    raws = [raw[:LINE_CHARACTERS_MAX].expandtabs(4).rstrip() for raw, _ in raw_lines]
    quoted = _fenced(raws) | _commented(raws) | _examples(raws)
    return tuple(_lines(raws, quoted, [glued for _, glued in raw_lines]))


def sentences(lines: Sequence[Line]) -> Iterator[str]:
    """The message's own sentences, those broken over several lines put together again, in order.

    A short line followed by a capital starts anew: people write lists without bullets.
    """
    pending: list[str] = []
    previous: Line | None = None
    for line in lines:
        if not line.speaks or _breaks(previous, line):
            yield from _split(pending)
            pending = []
        if line.speaks:
            pending.append(line.text)
        previous = line
    yield from _split(pending)


def _breaks(previous: Line | None, line: Line) -> bool:
    return (
        previous is None
        or previous.context is Context.SUBJECT
        or line.paragraph != previous.paragraph
        or line.is_bullet
        or line.is_heading
        or previous.is_heading
        or (len(previous.raw) < 50 and line.text[:1].isupper())
    )


def _split(pending: list[str]) -> Iterator[str]:
    if pending:
        yield from (part.strip() for part in _SENTENCE_END.split(" ".join(pending)) if part.strip())


def _unglued(line: str) -> Iterator[tuple[str, bool]]:
    first, *rest = _GLUED.split(line)
    yield first, False
    for part in rest:
        for piece in part.split("\\n"):
            yield piece, True


def _lines(raws: list[str], quoted: dict[int, Context], glued: list[bool]) -> Iterator[Line]:
    paragraph = 0
    seen_subject = is_callout = False
    for number, raw in enumerate(raws):
        stripped = raw.strip()
        if stripped.startswith(">") and number not in quoted:
            is_callout = is_callout or bool(_CALLOUT.match(stripped))
            stripped = stripped.lstrip("> ") if is_callout else stripped
        else:
            is_callout = False
        if not stripped:
            paragraph += 1
            continue
        context = quoted.get(number, Context.OWN)
        if not seen_subject:
            context, seen_subject = Context.SUBJECT, True
        elif stripped.startswith((">", "|", "+++", "diff --git")) or _is_diff(stripped) or _is_code(stripped):
            context = Context.QUOTED
        text = _BULLET.sub("", stripped)
        yield Line(
            raw=raw,
            text=_TASK_BOX.sub(
                lambda box: box.group().strip().lower() + " ", text.lstrip("#").strip(_EMPHASIS)
            ),
            context=context,
            indent=len(raw) - len(raw.lstrip()),
            is_bullet=text is not stripped and text != stripped,
            is_heading=stripped.startswith("#") or (stripped.startswith("**") and stripped.endswith("**")),
            is_glued=glued[number],
            paragraph=paragraph,
        )


def _is_diff(stripped: str) -> bool:
    """``-Co-authored-by: x`` and ``+Co-authored-by: x`` are pasted diffs; a bullet has a space."""
    return len(stripped) > 1 and stripped[0] in "+-" and stripped[1].isalpha()


def _is_code(stripped: str) -> bool:
    """A line that is one inline code span shows text, it does not say it."""
    return len(stripped) > 2 and stripped[0] == "`" and stripped[-1] == "`" and "`" not in stripped[1:-1]


def _fenced(raws: list[str]) -> dict[int, Context]:
    """Line numbers inside closed fences. An unclosed fence fences nothing: a trailer below it must not be lost."""
    fenced: dict[int, Context] = {}
    opened: int | None = None
    fence = ""
    for number, raw in enumerate(raws):
        found = _FENCE.match(raw)
        if opened is not None and (_SQUASH_RULE.match(raw) or (found and found["info"].strip())):
            opened = None  # the squash's own rule, or a second opening: the first fence was never closed
        if not found:
            continue
        if opened is None:
            opened, fence = number, found["fence"]
        elif found["fence"].startswith(fence):
            fenced |= dict.fromkeys(range(opened, number + 1), Context.FENCED)
            opened = None
    return fenced


def _commented(raws: list[str]) -> dict[int, Context]:
    """Line numbers inside ``<!-- ... -->``: a template's instructions."""
    commented: dict[int, Context] = {}
    opened: int | None = None
    for number, raw in enumerate(raws):
        if opened is None:
            start = raw.rfind("<!--")
            if start >= 0 and "-->" not in raw[start:]:
                opened = number
            elif start >= 0 and raw.strip().startswith("<!--") and raw.strip().endswith("-->"):
                commented[number] = Context.QUOTED
        elif "-->" in raw:
            commented |= dict.fromkeys(range(opened, number + 1), Context.QUOTED)
            opened = None
    return commented


def _examples(raws: list[str]) -> dict[int, Context]:
    """Indented or bulleted blocks behind a line that ends in a colon show an example, unless it announces credits.

    ``git merge --squash`` indents whole messages behind "Author:" and "Date:" lines; those are not examples.
    """
    examples: dict[int, Context] = {}
    introduction: str | None = None
    introduction_indent = 0
    for number, raw in enumerate(raws):
        stripped = raw.strip()
        if not stripped:
            continue
        indent = len(raw) - len(raw.lstrip())
        is_bullet = bool(_BULLET.match(stripped))
        if introduction is not None and (indent >= introduction_indent + 2 or is_bullet):
            examples[number] = Context.QUOTED
            continue
        introduces = number > 0 and stripped.endswith(":") and not _SQUASH_HEADER.match(stripped)
        credits_ = _ATTRIBUTION.search(stripped) and not _TALKS.search(stripped)
        introduction = stripped if introduces and not credits_ else None
        introduction_indent = indent
    return examples
