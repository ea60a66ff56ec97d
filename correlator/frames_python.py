"""Python tracebacks: one pass over the lines, no pattern over the whole text.

Grammar read (CPython's ``traceback`` module, 2.7 to 3.14): ``File "f", line n[, in fn]``, source and caret lines,
``[Previous line repeated k more times]``, SyntaxError's last frame without ``in``, messages of several lines, cause
and context separators, exception groups with their gutters. Printed root cause first, innermost frame last.
"""

import re
from dataclasses import dataclass, field

from correlator.libraries import ELISIONS, guess_in_app
from schemas.records import ExceptionLink, Frame, ParsedStack

HEADER = "Traceback (most recent call last):"
MESSAGE_CHARS_MAX = 8192
SECTIONS_MAX = 64

SEPARATORS = {
    "The above exception was the direct cause of the following exception:": "cause",
    "During handling of the above exception, another exception occurred:": "context",
}

# `ValueError: text`, `pkg.mod.Error`, `outer.<locals>.Error: text`; the type ends at the first colon.
_TYPE = re.compile(r"[^\W\d][\w.<>]*\Z")
# `+---------------- 2 ----------------`, `+-+---------------- 1 ----------------`, `+------------------------------------`
_RULE = re.compile(r"\s*\+(?:-\+)?-{8,}(?: (\d+|\.\.\.) -{8,})?\s*\Z")


@dataclass(slots=True)
class _Block:
    """One printed traceback: its frames outermost first, then the lines of the exception."""

    indent: int
    is_flat: bool = False
    frames: list[Frame] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    relation: str | None = None


def parse(text: str) -> ParsedStack | None:
    """The exceptions of a Python traceback, or None when no frame is found."""
    if 'File "' not in text:
        return None
    sections = _sections(text.split("\n"))
    chain = _chain(sections[0][1])
    depth = sections[0][0]
    # Of a group's members the first, of its members the first again: one line of causes down to a leaf.
    beside: list[ExceptionLink] = []
    for column, lines in sections[1 : SECTIONS_MAX + 1]:
        members = _chain(lines) or _unraised(lines)
        if members and column > depth and not beside:
            chain.append(_related(members[0], "group"))
            chain += members[1:]
            depth = column
        elif members:
            beside.append(_related(members[0], "group"))
    if not any(link.frames for link in chain):
        return None
    return ParsedStack("python", tuple(chain), beside=tuple(beside))


def _unraised(lines: list[str]) -> list[ExceptionLink]:
    """A member that was made and never raised: its line alone, without a traceback."""
    said = [line for line in lines if line.strip()]
    return [_link(_Block(0, lines=said))] if said else []


def _related(link: ExceptionLink, relation: str) -> ExceptionLink:
    return ExceptionLink(link.type, link.message, link.frames, relation)


def _sections(lines: list[str]) -> list[tuple[int, list[str]]]:
    """Lines by exception group member, gutters removed: ``(column of the gutter, lines)``, the outermost first."""
    first: list[str] = []
    sections: list[tuple[int, list[str]]] = [(-1, first)]
    if not any("Exception Group Traceback" in line for line in lines):
        first.extend(lines)
        return sections
    # Open sections, outermost first; a line belongs to the innermost whose gutter it has.
    open_sections = [sections[0]]
    for line in lines:
        body = line.lstrip(" ")
        column = len(line) - len(body)
        rule = _RULE.match(line) if body[:1] == "+" else None
        if rule:
            # A numbered rule opens the next member; the member's gutter stands under the rule's last plus sign.
            member_column = column + (2 if body.startswith("+-+") else 0)
            while open_sections[-1][0] >= member_column:
                open_sections.pop()
            if rule.group(1):
                sections.append((member_column, []))
                open_sections.append(sections[-1])
        elif body[:2] in ("| ", "+ ") or body == "|":
            while open_sections[-1][0] > column:
                open_sections.pop()
            open_sections[-1][1].append(body[2:])
        else:
            del open_sections[1:]
            first.append(line)
    return sections


def _chain(lines: list[str]) -> list[ExceptionLink]:
    """The printed tracebacks of one section, outermost first."""
    # groups[0] is the exception itself with its causes; later ones stood inside a message (remote tracebacks).
    groups: list[list[_Block]] = []
    block: _Block | None = None
    relation: str | None = None
    in_message = False
    for position, line in enumerate(lines):
        at = line.find(HEADER)
        if at >= 0:
            block = _Block(at if not line[:at].strip() else 0)
            if relation is None and in_message:
                groups.append([])
            elif groups and groups[-1] and relation is not None:
                groups[-1][-1].relation = relation
            if not groups:
                groups.append([])
            groups[-1].append(block)
            relation, in_message = None, False
            continue
        if block is None:
            frame = _frame(line)
            if frame is not None:
                indent = len(line) - len(line.lstrip())
                block = _Block(max(indent - 2, 0), is_flat=indent == 0, frames=[frame])
                groups.append([block])
            continue
        stripped = line.strip()
        if in_message:
            if stripped in SEPARATORS:
                relation = SEPARATORS[stripped]
            elif relation is None:
                block.lines.append(line)
            elif stripped:
                # An exception without a traceback of its own follows the separator.
                following = _Block(block.indent, lines=[line])
                block.relation, relation = relation, None
                groups[-1].append(following)
                block = following
            continue
        frame = _frame(line)
        if frame is not None:
            block.frames.append(frame)
            block.is_flat = block.is_flat or len(line) - len(line.lstrip()) <= block.indent
        elif stripped in ELISIONS:
            continue
        elif stripped and len(line) - len(line.lstrip()) <= block.indent:
            if block.is_flat and not _ends_flat_block(lines, position):
                continue
            block.lines.append(line)
            in_message = True
    for group in groups[1:]:
        group[-1].relation = "embedded"
    return [link for group in groups for link in map(_link, reversed(group))]


def _ends_flat_block(lines: list[str], position: int) -> bool:
    """In text that lost its indentation: True unless a frame, a caret line or an exception line comes next."""
    for line in lines[position + 1 : position + 4]:
        stripped = line.strip()
        if stripped.startswith('File "'):
            return False
        if stripped and not set(stripped) <= {"^", "~", " "}:
            return _header(stripped)[0] == "" or _header(lines[position].strip())[0] != ""
    return True


def _frame(line: str) -> Frame | None:
    """``File "f", line n[, in fn]`` -> frame; None for any other line."""
    body = line.strip()
    if not body.startswith('File "'):
        return None
    end = body.rfind('", line ')
    if end < 6:
        return None
    number, comma, rest = body[end + 8 :].partition(", in ")
    if not number.isascii() or not number.isdigit() or len(number) > 9:
        return None
    path = body[6:end]
    return Frame(path, rest.strip() or None if comma else None, int(number), in_app=guess_in_app(path))


def _link(block: _Block) -> ExceptionLink:
    lines = block.lines
    while lines and lines[-1].strip() in ("", '"""', "'''"):
        lines = lines[:-1]
    type_, message = _header(lines[0].lstrip()) if lines else ("", "")
    margin = block.indent
    rest = [line[margin:] if not line[:margin].strip() else line for line in lines[1:]]
    text = "\n".join([message, *rest])[:MESSAGE_CHARS_MAX]
    return ExceptionLink(type_, text, tuple(reversed(block.frames)), block.relation)


def _header(line: str) -> tuple[str, str]:
    """``Type: message`` or ``Type`` -> both parts; a line of another shape is a message without a type."""
    name, colon, message = line.partition(":")
    name = name if colon else name.rstrip()
    if _TYPE.match(name):
        return name, message.removeprefix(" ")
    return ("", line) if colon or line else ("", "")
