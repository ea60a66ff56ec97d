"""JavaScript stacks: V8's ``at fn (file:line:column)``, Firefox's and Safari's ``fn@url:line:column``.

Grammar read: ``async``, ``new``, ``[as alias]``, ``Promise.all (index 0)``, ``<anonymous>``, ``native``, ``node:``
modules, bundler and ``file://`` locations, eval nesting, ``[cause]:`` blocks and ``[errors]:`` of util.inspect with
their "lines matching cause stack trace". Innermost frame first as printed; the cause stands below its effect.
Source: V8 stack trace API, Node.js ``lib/internal/util/inspect.js``.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

from correlator.libraries import guess_in_app
from schemas.records import ExceptionLink, Frame, ParsedStack

MESSAGE_CHARS_MAX = 8192
BESIDE_MAX = 32
OMISSIONS_MAX = 4
"""Places per error at which frames are put back; Node leaves frames out at one."""

# `TypeError: text`, `Uncaught (in promise) Error: text`, `TypeError [ERR_INVALID_ARG]: text`, `Error`
_HEADER = re.compile(
    r"(?:error: )?(?:Uncaught )?(?:\(in promise\) )?([A-Za-z_$][\w$.]{0,199})(?: \[[A-Z0-9_]{1,99}\])?(?::(?: (.*)|())|)\Z"
)
_ERROR_NAME = re.compile(r"(?:Error|Exception|Failure|Warning|Rejection)\d*\Z")
_OMITTED = re.compile(r"\.\.\. (\d{1,6}) lines? matching cause stack trace \.\.\.\Z")
# `   0: shop::total` above `at src/shop.rs:12:5`, as Rust prints it.
_RUST_BACKTRACE = re.compile(r"^ {0,6}0: {1,8}\S", re.MULTILINE)
_EVAL_ORIGIN = re.compile(r"eval at [^()]{0,500} \(")


@dataclass(slots=True)
class _Link:
    lines: list[str] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    relation: str | None = None
    omitted: list[tuple[int, int]] = field(default_factory=list)  # (index in frames, frames left out)


def parse(text: str) -> ParsedStack | None:
    """The exceptions of a JavaScript stack, or None when no frame is found."""
    if "panicked at" in text or _RUST_BACKTRACE.search(text):
        return None
    lines = text.split("\n")
    nothing: tuple[list[_Link], list[_Link]] = ([], [])
    links, beside = _chain(lines, _v8_frame) if "at " in text else nothing
    if not any(link.frames for link in links):
        links, beside = _chain(lines, _gecko_frame) if "@" in text or "://" in text else nothing
    if not any(link.frames for link in links):
        return None
    _expand(links)
    members = tuple(_exception(link) for link in beside[:BESIDE_MAX])
    return ParsedStack("javascript", tuple(_exception(link) for link in links), beside=members)


def _chain(lines: list[str], read: Callable[[str], Frame | None]) -> tuple[list[_Link], list[_Link]]:
    """The links of the text, outermost first, with every line that ``read`` takes for a frame; members beside them."""
    link = _Link()
    links = [link]
    beside: list[_Link] = []
    errors_indent: int | None = None
    has_member = False
    ends_member = True
    for line in lines:
        stripped = line.strip()
        # What util.inspect puts around an error: `... {`, `...,` between the members of an aggregate.
        stripped = stripped.removesuffix(" {")
        if errors_indent is not None:
            ends_member = ends_member or bool(link.frames) or stripped.endswith(",")
            stripped = stripped.removesuffix(",")
        frame = read(stripped)
        if frame is not None:
            link.frames.append(frame)
            continue
        if stripped.startswith("[cause]: "):
            link = _Link([stripped[9:]], relation="cause")
            if not beside:
                links.append(link)
        elif stripped.startswith(("Caused by: ", "caused by: ")) and link.frames:
            link = _Link([stripped[11:]], relation="cause")
            links.append(link)
        elif stripped.startswith("[errors]: ["):
            errors_indent = len(line) - len(line.lstrip())
        elif ends_member and errors_indent is not None and _opens_member(line, stripped, errors_indent):
            # Of an AggregateError's members the first is followed; the others fail beside it.
            link = _Link([stripped], relation="group")
            (beside if has_member else links).append(link)
            has_member, ends_member = True, False
        elif not link.frames:
            # A member's message is indented like the member.
            link.lines.append(line.lstrip() if link.relation == "group" else line)
        elif match := _OMITTED.match(stripped):
            link.omitted.append((len(link.frames), int(match.group(1))))
        elif stripped and line[:1] not in " \t}" and _HEADER.match(stripped):
            break  # The next error of a log; not this one's.
    return links, beside


def _opens_member(line: str, stripped: str, errors_indent: int) -> bool:
    """True for the header of a member of ``[errors]: [``, which stands two columns deeper."""
    return line[errors_indent + 2 :][:1] not in ("", " ") and _HEADER.match(stripped) is not None


def _expand(links: list[_Link]) -> None:
    """Put back the frames that Node leaves out of an error because its cause shows them too."""
    for outer, cause in pairwise(links):
        for index, count in reversed(outer.omitted[:OMISSIONS_MAX]):
            before = outer.frames[index - 1] if index else None
            start = cause.frames.index(before) + 1 if before in cause.frames else 0
            outer.frames[index:index] = cause.frames[start : start + count]


def _exception(link: _Link) -> ExceptionLink:
    type_, message = _header(link.lines)
    return ExceptionLink(type_, message[:MESSAGE_CHARS_MAX], tuple(link.frames), link.relation)


def _header(lines: list[str]) -> tuple[str, str]:
    """Type and message from the lines above the first frame; source lines that Node prints first are skipped."""
    if lines and lines[0].startswith("[") and lines[0].removesuffix(" {").endswith("]"):
        lines = [lines[0].removesuffix(" {")[1:-1], *lines[1:]]  # util.inspect of an error without frames
    matches = [(i, m) for i, line in enumerate(lines) if (m := _HEADER.match(line.strip()))]
    if not matches:
        return "", "\n".join(lines).strip()
    # The first line of a known error shape wins, so that later lines stay part of its message.
    index, match = next((pair for pair in matches if _ERROR_NAME.search(pair[1].group(1))), matches[0])
    rest = lines[index + 1 :]
    while rest and not rest[-1].strip():
        rest = rest[:-1]
    return match.group(1), "\n".join([match.group(2) or "", *rest])


def _v8_frame(line: str) -> Frame | None:
    """``at ...`` -> frame; None for any other line, also for a line of a message that starts with "at"."""
    if not line.startswith("at ") or len(line) > 4096:
        return None
    body = line[3:].strip().removeprefix("async ")
    if body.endswith(")"):
        name, opened, inside = body.partition(" (")
        if not opened:
            # `at render(/srv/app.js:78:24)`, as React Native on Android prints it; a path, not any call.
            name, _, inside = body.partition("(")
            if "/" not in inside or " " in name:
                return None
        located = _location(inside[:-1], is_bare=False)
        return None if located is None else _frame(name or None, located)
    located = _location(body, is_bare=True)
    return None if located is None else _frame(None, located)


def _gecko_frame(line: str) -> Frame | None:
    """``fn@url:line:column``, ``@url:line``, or a bare URL of Safari -> frame."""
    if len(line) > 4096:
        return None
    name, at, place = line.partition("@")
    if not at:
        name, place = "", line
        if "://" not in line or " " in line.partition("://")[0]:
            return None
    elif name.lstrip().startswith("/") or ".go:" in place:
        return None  # A Go module's version: `/go/pkg/mod/example.com/shop@v1.2.3/cart.go:12`.
    elif (
        " " in name
        and "*" not in name
        and name not in ("global code", "eval code", "module code", "Anonymous function")
    ):
        return None  # Prose with a mail address in it.
    before, evaluated, _ = place.partition(" > eval")
    if evaluated and " line " in before:
        file, _, number = before.rpartition(" line ")
        return _frame(name or None, (file, _number(number), None))
    if place == "[native code]":
        return _frame(name or None, (None, None, None))
    located = _numbers(place)
    return None if located[1] is None else _frame(name or None, located)


def _location(text: str, *, is_bare: bool) -> tuple[str | None, int | None, int | None] | None:
    """What stands in the parentheses of a V8 frame, or after ``at`` without them: ``(file, line, column)``."""
    if text.startswith("eval at "):
        # `eval at fn (file:1:2), <anonymous>:3:4`: the innermost file is where the text was written.
        origin = _EVAL_ORIGIN.match(text)
        while origin:
            text = text[origin.end() :]
            origin = _EVAL_ORIGIN.match(text)
        return _numbers(text.partition("), <anonymous>")[0].removesuffix(")"))
    if text in ("native", "unknown location") or text.startswith("index "):
        return None if is_bare else (None, None, None)
    if text == "<anonymous>":
        return text, None, None
    text = text.removeprefix("address at ")  # Hermes, of a bundle without its source
    file, line, column = _numbers(text)
    if line is None:
        return (text, None, None) if "wasm-function[" in text else None
    if (
        is_bare
        and file
        and " " in file
        and not file.startswith(("/", "file:", "http", "\\", "<"))
        and file[1:2] != ":"
    ):
        return None  # `at position 12:4` in a message
    return file, line, column


def _numbers(text: str) -> tuple[str | None, int | None, int | None]:
    """``file:line:column`` or ``file:line`` -> its parts; without a line the text is the file."""
    front, colon, last = text.rpartition(":")
    number = _number(last)
    if not colon or number is None or not front:
        return text, None, None
    file, colon, middle = front.rpartition(":")
    line = _number(middle)
    if colon and file and line is not None:
        return file, line, number
    return front, number, None


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _frame(name: str | None, located: tuple[str | None, int | None, int | None]) -> Frame:
    file, line, column = located
    return Frame(file, name, line, column, in_app=guess_in_app(file))
