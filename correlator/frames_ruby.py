"""Ruby backtraces: ``Exception#full_message`` in both orders, ``backtrace`` below a header, and what Rails logs.

Grammar read: ``file:line:in `m'`` (a straight quote and ``Class#m`` since 3.4), ``from``, a position before it
(``order: :bottom``, innermost last), Rails' ``gem (1.2) lib/x.rb``, ``... n levels...``, causes below their effect;
headers ``file:line:in 'm': message (Class)``, ``Class: message``, ``Class (message):``. Innermost frame first.
Source: Ruby's ``eval_error.c``; ``ActionDispatch::DebugExceptions`` and ``ActiveSupport::BacktraceCleaner`` of Rails.
"""

import re
from dataclasses import dataclass, field

from correlator.libraries import guess_in_app
from schemas.records import ExceptionLink, Frame, ParsedStack

MESSAGE_CHARS_MAX = 8192
BOTTOM_FIRST = "Traceback (most recent call last):"

# `from `, `12: from `, then `rack (3.0.8) `, then the file up to the first colon before a digit, and the method.
_FRAME = re.compile(
    r"(?P<from>(?:# |(?:\d{1,6}: )?from ))?(?:(?P<gem>[\w-]{1,100}) \([\w.+-]{1,60}\) )?"
    r"(?P<file>[^\s:](?:[^:]|:(?!\d)){0,1000}):(?P<line>\d{1,9})(?P<in>:in [`'](?P<function>[^`']{1,500})')?"
    r"(?P<rest>: .*|:)?\Z"
)
# JRuby: `total at lib/cart.rb:12`, `each at org/jruby/RubyArray.java:1820`; the empty groups are those of the other form.
_JRUBY = re.compile(
    r"(?P<function>block in \S{1,200}|[^\s:]{1,200}) at (?P<file>[^\s:]{1,1000}):(?P<line>\d{1,9})"
    r"(?P<from>)(?P<gem>)(?P<in>)(?P<rest>)\Z"
)
_RUBY_FILE = re.compile(
    r".*\.(?:rb|erb|rake|ru|haml|slim|jbuilder|tt|builder|gemspec|java)\Z|\(\w+\)\Z|-e\Z|<internal:[\w/-]{1,60}>\Z"
)
_CLASS = r"[A-Z]\w{0,200}(?:::[A-Z]\w{0,200}){0,20}"
_COLON = re.compile(rf"(?P<type>{_CLASS})(?::(?: (?P<message>.*)|())|)\Z")  # `KeyError: text`, `StockError`
_BRACKETS = re.compile(
    rf"(?P<type>{_CLASS}) \((?P<message>.*)\Z"
)  # `KeyError (text):`, open over several lines
_TAIL = re.compile(
    rf"(?P<message>.*) \((?P<type>{_CLASS}|#<Class:0x[0-9a-f]{{1,16}}>)\)\Z"
)  # `text (KeyError)`
_LOGGED = re.compile(r"(?:\w, )?\[[^\]]{0,200}\] (?: ?[A-Z]{4,5} -- [^:]{0,100}: )?")
_NAMED_ERROR = re.compile(r"(?:Error|Exception|Failure|Invalid|NotFound|Timeout|::\w+)\Z")


@dataclass(slots=True)
class _Block:
    """One printed exception: the lines of its header and message, then its frames in the order of the text."""

    lines: list[str] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    is_headed: bool = False  # its innermost frame was printed before the message


def parse(text: str) -> ParsedStack | None:
    """The exceptions of a Ruby backtrace, or None when no frame is found."""
    if ":" not in text or not any(sign in text for sign in ("'", ".rb:", "from ", "jruby/")):
        return None
    lines = text.split("\n")
    is_bottom_first = BOTTOM_FIRST in text and 'File "' not in text
    blocks = _bottom_first(lines) if is_bottom_first else _top_first(lines)
    blocks = [block for block in blocks if block.frames]
    if not blocks:
        return None
    return ParsedStack("ruby", tuple(_link(block, index) for index, block in enumerate(blocks)))


def _top_first(lines: list[str]) -> list[_Block]:
    """Effect first, then its causes; the frames of each stand below its header."""
    block = _Block()
    blocks = [block]
    for line in lines:
        match = _match(line)
        if match is None:
            if not block.frames or (block.is_headed and len(block.frames) == 1):
                block.lines.append(line)  # A message goes on below its first line.
            elif line[:1] not in " \t" and _opens(line):
                block = _Block([line])
                blocks.append(block)
            continue
        if match["in"] and match["rest"] and not match["from"]:
            if block.frames:
                block = _Block()
                blocks.append(block)
            block.lines, block.is_headed = [match["rest"].removeprefix(":").removeprefix(" ")], True
        elif match["rest"] and not block.frames and not match["from"]:
            block.lines, block.is_headed = [match["rest"][2:]], True
        block.frames.append(_frame(match))
    return blocks


def _bottom_first(lines: list[str]) -> list[_Block]:
    """Root cause first, outermost frame first; the exception's own line stands below its frames."""
    block: _Block | None = None
    blocks: list[_Block] = []
    for line in lines:
        match = _match(line)
        if match is None:
            if block is not None and block.is_headed:
                block.lines.append(line)
            continue
        if block is None or (block.is_headed and match["from"]):
            block = _Block()
            blocks.append(block)
        if not match["from"]:
            block.lines, block.is_headed = [(match["rest"] or "").removeprefix(": ")], True
        block.frames.append(_frame(match))
    for found in blocks:
        found.frames.reverse()
    return blocks[::-1]


def _match(line: str) -> re.Match[str] | None:
    body = line.strip()
    jruby = _JRUBY.match(body) if " at " in body else None
    if jruby is not None and _RUBY_FILE.match(jruby["file"]):
        return jruby
    match = _FRAME.match(body)
    if match is None or match["in"]:
        return match
    # Without a method: `from x.rb:12`, `lib/x.rb:12`; `x.rb:12: syntax error` heads, a warning does not.
    is_warning = (match["rest"] or "").startswith(": warning")
    is_known = _RUBY_FILE.match(match["file"]) is not None
    return match if is_known and not is_warning else None


def _frame(match: re.Match[str]) -> Frame:
    file = match["file"]
    is_foreign = bool(match["gem"]) or file.endswith(".java")
    in_app = False if is_foreign else None if file.startswith(("(", "-e")) else guess_in_app(file)
    return Frame(file, match["function"], int(match["line"]), module=match["gem"] or None, in_app=in_app)


def _opens(line: str) -> bool:
    """True for the header of another exception below the frames of one: ``KeyError: x``, ``KeyError (x):``."""
    match = _COLON.match(line) or _BRACKETS.match(line)
    return match is not None and _NAMED_ERROR.search(match["type"]) is not None


def _link(block: _Block, index: int) -> ExceptionLink:
    type_, message = _headed(block.lines) if block.is_headed else _unheaded(block.lines)
    relation = "cause" if index else None
    return ExceptionLink(type_, message[:MESSAGE_CHARS_MAX], tuple(block.frames), relation)


def _headed(lines: list[str]) -> tuple[str, str]:
    """What follows the first place: ``message (Class)`` and more lines of the message, or the class alone."""
    first, rest = lines[0].rstrip(), _without_snippet(lines[1:])
    match = _TAIL.match(first)
    if match:
        return match["type"], "\n".join([match["message"], *rest])
    if first == "unhandled exception":
        return "RuntimeError", first
    match = _COLON.match(first)
    if match and match["message"] is None:
        return match["type"], "\n".join(rest)
    return "", "\n".join([first, *rest])


def _unheaded(lines: list[str]) -> tuple[str, str]:
    """The header above the frames; what a log printed before it is left out."""
    bare = [_LOGGED.sub("", line, count=1).rstrip() for line in lines]
    matches = [
        (i, m)
        for i, line in enumerate(bare)
        if (m := _COLON.match(line.strip()) or _BRACKETS.match(line.strip()))
    ]
    # Minitest writes `Error:` and the test's name above the header, RSpec `Failure/Error: code`.
    matches = [pair for pair in matches if pair[1]["type"] not in ("Error", "Failure")] or matches
    if not matches:
        return "", "\n".join(bare).strip()
    index, match = next((pair for pair in matches if _NAMED_ERROR.search(pair[1]["type"])), matches[0])
    rest = _without_snippet(bare[index + 1 :])
    said = match["message"] or ""
    if match.re is _BRACKETS:
        text = "\n".join([said, *rest])
        # `):` closes; what stands between it and the frames is the template's source, which Rails shows.
        return match["type"], text.partition("):")[0] if "):" in text else text.rstrip().removesuffix(")")
    if not said and rest:
        return match["type"], "\n".join(line.strip() for line in rest)  # RSpec
    return match["type"], "\n".join([said, *rest])


def _without_snippet(lines: list[str]) -> list[str]:
    """The lines of a message without the code that error_highlight shows, and without blank ends."""
    for index, line in enumerate(lines):
        if "^" in line and not line.strip(" ^~"):
            lines = lines[: max(index - 1, 0)]
            break
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    return lines
