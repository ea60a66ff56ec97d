"""Stack trace text of any SDK -> exceptions and frames, innermost frame first, root cause last in the chain.

It knows which parser reads which language and how much text is worth reading; each grammar is a file of its own
(``frames_python.py``, ``frames_javascript.py``, ...). It never raises: text that no parser understands gives None.
Source of the formats: OpenTelemetry "exceptions on spans" (stacktrace representation) and the runtimes themselves.
"""

import json
import re
from collections.abc import Callable, Mapping

from correlator import frames_go, frames_java, frames_javascript, frames_python
from schemas.records import ParsedStack

TEXT_CHARS_MAX = 131_072
"""Characters of a stack that are read; of a longer one the first and the last half, where the exceptions stand."""

Parser = Callable[[str], ParsedStack | None]

PARSERS: dict[str, Parser] = {
    "python": frames_python.parse,
    "java": frames_java.parse,
    "go": frames_go.parse,
    "javascript": frames_javascript.parse,
}
"""Language -> parser, in the order in which text of an unknown language is offered to them."""

SDK_LANGUAGES: Mapping[str, str] = {
    "nodejs": "javascript",
    "webjs": "javascript",
    "js": "javascript",
    "typescript": "javascript",
    "node": "javascript",
    "kotlin": "java",
    "scala": "java",
}
"""``telemetry.sdk.language`` values that are not a parser's name themselves."""

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
    prepared, is_cut = _prepare(text)
    stated = SDK_LANGUAGES.get((language or "").lower(), (language or "").lower())
    order = [stated] if stated in PARSERS else []
    order += [name for name in PARSERS if name != stated]
    for name in order:
        found = PARSERS[name](prepared)
        if found is not None:
            return ParsedStack(found.language, found.chain, is_truncated=True) if is_cut else found
    return None


def _prepare(text: str) -> tuple[str, bool]:
    is_cut = len(text) > TEXT_CHARS_MAX
    if is_cut:
        half = TEXT_CHARS_MAX // 2
        head, tail = text[:half], text[-half:]
        # Whole lines only: half a frame is not a frame.
        text = head[: head.rfind("\n") + 1 or half] + tail[tail.find("\n") + 1 :]
    if text[:1] == '"' and text.rstrip()[-1:] == '"' and "\\n" in text:
        try:
            unquoted = json.loads(text)
        except ValueError:
            unquoted = None
        if isinstance(unquoted, str):
            text = unquoted
    elif "\n" not in text and "\\n" in text:
        text = text.replace("\\r", "").replace("\\n", "\n").replace("\\t", "\t")
    if "\x1b" in text:
        text = _ANSI.sub("", text)
    return text.replace("\r\n", "\n"), is_cut
