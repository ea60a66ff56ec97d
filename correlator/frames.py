"""Stack trace text of any SDK -> exceptions and frames, innermost frame first, root cause last in the chain.

It knows which parser reads which language and how much text is worth reading; each grammar is a file of its own
(``frames_python.py``, ``frames_javascript.py``, ...). It never raises: text that no parser understands gives None.
Source of the formats: OpenTelemetry "exceptions on spans" (stacktrace representation) and the runtimes themselves.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from correlator import (
    frames_dart,
    frames_dotnet,
    frames_elixir,
    frames_go,
    frames_java,
    frames_javascript,
    frames_php,
    frames_python,
    frames_ruby,
    frames_rust,
    frames_swift,
)
from schemas.records import ParsedStack

TEXT_CHARS_MAX = 131_072
LINES_MAX = 2_048
LINE_CHARS_MAX = 8_192
"""What is read of a stack: of a longer one the first and the last half, where the exceptions stand; of a longer line
its beginning. With these three every grammar works on bounded text, so that its time is bounded too."""

Parser = Callable[[str], ParsedStack | None]

PARSERS: dict[str, Parser] = {
    "python": frames_python.parse,
    "rust": frames_rust.parse,
    "go": frames_go.parse,
    "elixir": frames_elixir.parse,
    "php": frames_php.parse,
    "dart": frames_dart.parse,
    "swift": frames_swift.parse,
    "ruby": frames_ruby.parse,
    "java": frames_java.parse,
    "dotnet": frames_dotnet.parse,
    "javascript": frames_javascript.parse,
}
"""Language -> parser. Of several that understand a text of unknown language the one that finds most frames is right,
of equal ones the first: what is more distinctive stands before what is less."""

SDK_LANGUAGES: Mapping[str, str] = {
    "nodejs": "javascript",
    "webjs": "javascript",
    "js": "javascript",
    "typescript": "javascript",
    "node": "javascript",
    "kotlin": "java",
    "scala": "java",
    "jvm": "java",
    "android": "java",
    "csharp": "dotnet",
    ".net": "dotnet",
    "erlang": "elixir",
    "beam": "elixir",
    "flutter": "dart",
}
"""``telemetry.sdk.language`` values that are not a parser's name themselves."""

# Android prints its log's columns before each line: `E/AndroidRuntime( 1234): `.
_LOGCAT = re.compile(
    r"^(?:\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} {1,4}\d{1,7} {1,4}\d{1,7} )?[VDIWEF][ /]\w{1,60} {0,8}(?:\( {0,6}\d{1,7}\))?: ",
    re.MULTILINE,
)
_SBT = re.compile(r"^\[error\] ?", re.MULTILINE)
_ANSI = re.compile(r"\x1b\[[0-9;]{0,16}m")


def parse(text: str, language: str | None = None) -> ParsedStack | None:
    """Understand one ``exception.stacktrace``.

    Args:
        text: As recorded; a JSON-quoted text and terminal colours are undone, the middle beyond
            :data:`TEXT_CHARS_MAX` is left out. Read in linear time.
        language: ``telemetry.sdk.language`` or a parser's name. Where it is absent, unknown or wrong (a bridged
            log), every parser is offered the text.

    Returns:
        The chain with at least one frame in it, or None when no parser finds a frame.
    """
    prepared, is_cut = prepare(text)
    named = (language or "").lower()
    stated = SDK_LANGUAGES.get(named, named)
    found = PARSERS[stated](prepared) if stated in PARSERS else None
    if found is None:
        others = [parser(prepared) for name, parser in PARSERS.items() if name != stated]
        found = max((other for other in others if other is not None), key=_frame_count, default=None)
    if found is None or not is_cut:
        return found
    return replace(found, is_truncated=True)


def _frame_count(stack: ParsedStack) -> int:
    return sum(len(link.frames) for link in stack.chain)


def prepare(text: str) -> tuple[str, bool]:
    """What the parsers are given of a text, within the bounds above, and whether something was left out."""
    is_cut = len(text) > TEXT_CHARS_MAX
    if is_cut:
        half = TEXT_CHARS_MAX // 2
        head, tail = text[:half], text[-half:]
        # Whole lines only: half a frame is not a frame.
        text = head[: head.rfind("\n") + 1 or half] + tail[tail.find("\n") + 1 :]
    bare = text.strip()
    if bare[:1] == '"' and bare[-1:] == '"':
        try:
            unquoted = json.loads(bare)
        except ValueError:
            unquoted = None
        if isinstance(unquoted, str):
            text = unquoted
    elif "\n" not in text and "\\n" in text:
        text = text.replace("\\r", "").replace("\\n", "\n").replace("\\t", "\t")
    if "\x1b" in text:
        text = _ANSI.sub("", text)
    if text.startswith("[error] "):
        text = _SBT.sub("", text)
    if _LOGCAT.match(text):
        text = _LOGCAT.sub("", text)
    lines = text.replace("\r\n", "\n").strip("\n").split("\n")
    if len(lines) > LINES_MAX:
        is_cut = True
        lines = lines[: LINES_MAX // 2] + lines[-(LINES_MAX // 2) :]
    margin = _margin(lines)
    return "\n".join(line[margin : margin + LINE_CHARS_MAX] for line in lines), is_cut


def _margin(lines: list[str]) -> int:
    """Columns of blanks that every line begins with: a stack quoted in a message or a log is moved as a whole."""
    margin = ""
    for index, line in enumerate(line for line in lines if line.strip()):
        blanks = line[: len(line) - len(line.lstrip(" \t"))]
        if not index:
            margin = blanks
        while not blanks.startswith(margin):
            margin = margin[:-1]
        if not margin:
            break
    return len(margin)
