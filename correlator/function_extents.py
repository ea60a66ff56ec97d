"""Where the function around a line begins and ends, read from indentation alone. Pure.

It parses no language: a function's heading is the nearest line above that is indented less and looks like one, and the
function ends before the next line that is indented no more. Wrong for code whose indentation lies; then it says None
or a stretch that is too short, and evidence that rests on it counts for less than a blamed line does.
"""

import re
from collections.abc import Sequence

LINES_MAX = 2_000
"""Lines looked at above and below; a longer function is cut there."""

_KEYWORD = re.compile(
    r"\b(?:def|func|function|fn|fun|sub|proc|defp?|defmodule)\b\s*(?:\([^)]*\)\s*)?(?P<name>[\w$.:?!]+)"
)
# `static int parse_args(int argc, char **argv)`, `foo(struct bar *b,`, `async handle(request) {`
_CALLED = re.compile(r"(?P<name>[A-Za-z_$~][\w$:~.]*)\s*(?:<[^<>()]*>)?\s*\(")
_LABEL = re.compile(r"(?:\w+|case\b.*|default)\s*:")
_CONTROL = frozenset(
    [
        "if",
        "for",
        "while",
        "switch",
        "catch",
        "else",
        "elif",
        "return",
        "do",
        "until",
        "unless",
        "foreach",
        "with",
        "match",
        "case",
        "when",
        "using",
        "lock",
        "synchronized",
        "sizeof",
        "assert",
        "and",
        "or",
        "not",
        "in",
        "except",
        "try",
    ]
)
_CLOSERS = (")", "}", "]", "{", "#", "//", "/*", "*")


def enclosing(lines: Sequence[str], number: int) -> tuple[int, int, str] | None:
    """(first line, last line, name) of the innermost function around line ``number``, 1-based; None outside of any.

    A heading belongs to its own function.
    """
    if not 1 <= number <= len(lines):
        return None
    at = number - 1
    heading = _heading(lines, at)
    if heading is None:
        return None
    first, name = heading
    depth = _indent(lines[first])
    last = min(len(lines) - 1, first + LINES_MAX)
    for i in range(max(first, at) + 1, last + 1):
        text, indent = lines[i].strip(), _indent(lines[i])
        # A closing brace and a label at the depth of the heading are the function's own.
        is_own = indent == depth and (text.startswith(_CLOSERS) or _LABEL.fullmatch(text))
        if text and indent <= depth and not is_own:
            last = i - 1
            break
    while last > at and not lines[last].strip():
        last -= 1
    return first + 1, last + 1, name


def _heading(lines: Sequence[str], at: int) -> tuple[int, str] | None:
    depth = _indent(lines[at]) + 1 if lines[at].strip() else 1 << 20
    for i in range(at, max(at - LINES_MAX, -1), -1):
        text = lines[i].strip()
        if not text:
            continue
        indent = _indent(lines[i])
        if indent >= depth or text.startswith(_CLOSERS):
            continue
        name = _named(text)
        # Inside a class only what opens a block is a heading; a call that goes on in the next line is not.
        if name is not None and (indent == 0 or text.endswith("{") or _KEYWORD.search(text)):
            return i, name
        if _LABEL.fullmatch(text):
            continue
        depth = min(depth, indent)
        if depth == 0 and i < at:
            # A line at the margin that is no heading: a type above its function's name, or no function at all.
            return None
    return None


def _named(text: str) -> str | None:
    keyword = _KEYWORD.search(text)
    if keyword is not None:
        return keyword["name"]
    if text.endswith(";") or "=" in text.partition("(")[0]:
        return None
    called = _CALLED.search(text)
    # A macro such as HMAP_FOR_EACH (...) { opens a loop.
    if (
        called is None
        or called["name"].isupper()
        or called["name"].rsplit(".", 1)[-1] in _CONTROL
        or text.split(None, 1)[0] in _CONTROL
    ):
        return None
    return called["name"]


def _indent(line: str) -> int:
    expanded = line.expandtabs(8)
    return len(expanded) - len(expanded.lstrip())
