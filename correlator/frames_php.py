"""PHP traces: ``Throwable::__toString``, uncaught errors, ``getTraceAsString`` below a header, Laravel and Symfony logs.

Grammar read: ``#k file(line): callee(arguments)``, ``[internal function]``, ``{main}``, ``Next X: ...`` (printed first
thrown first), the old ``exception 'X' with message 'm'``, ``[object] (X(code: 0): m at f:1)`` with ``[stacktrace]`` and
``[previous exception]``, an error that has no trace, and the Java-like text of the OpenTelemetry SDK. A line tells
what was *called* there: a frame's function is the callee of the line above it.
Source: php-src ``Zend/zend_exceptions.c``; Monolog's normalizer; OpenTelemetry PHP ``StackTraceFormatter``.
"""

import re
from dataclasses import dataclass, field

from correlator import frames_java
from correlator.libraries import guess_in_app
from schemas.records import ExceptionLink, Frame, ParsedStack

MESSAGE_CHARS_MAX = 8192

_ENTRY = re.compile(r"#\d{1,6} +(\S.{0,4000})\Z")
# `/srv/x.php(12): App\Cart->total(Array)`, `/srv/x.php(12) : eval()'d code(1): f()`, `/srv/x.php(12)`
_PLACE = re.compile(
    r"(?P<file>[^()]{1,1000}(?:\([^()]{0,100}\)[^()]{1,500}){0,5}?)\((?P<line>\d{1,9})\)(?P<rest>: .*| : .*|)\Z"
)
_THROWN = re.compile(r"  thrown in (?P<file>.{1,1000}) on line (?P<line>\d{1,9})\Z")
_TYPE = r"[A-Za-z_\\\x80-\U0010ffff][\w\\]{0,300}(?:@anonymous)?"
_LEVEL = (
    r"(?:Catchable |Recoverable |Core )?[Ff]atal error|Parse error|Warning|Notice|Deprecated|Strict Standards"
)
# `[27-Nov-2026 23:12:03 UTC] `, `production.ERROR: `, `PHP Fatal error:  Uncaught `
_LOG = re.compile(
    rf"(?:\[[^\]]{{1,100}}\] )?(?:[\w.-]{{1,60}}\.[A-Z]{{4,9}}: )?(?:PHP )?(?P<level>{_LEVEL})?(?(level):\s{{1,4}})"
)
_HEADER = re.compile(rf"(?P<type>{_TYPE})(?:: ?(?P<message>.*)|(?P<bare>(?= in |\Z)))", re.DOTALL)
_OLD = re.compile(rf"exception '(?P<type>{_TYPE})'(?: with message '(?P<message>.*)')?\Z", re.DOTALL)
_OBJECT = re.compile(rf"\[object\] \((?P<type>{_TYPE})\(code: [^)]{{1,20}}\): ")
_OBJECT_PLACE = re.compile(r"(?P<file>\S[^:]{0,1000}):(?P<line>\d{1,9})\)?")
_SYMFONY = re.compile(rf'Uncaught PHP Exception (?P<type>{_TYPE}): "')
_SYMFONY_PLACE = re.compile(r"(?P<file>\S[^\n]{0,1000}?) line (?P<line>\d{1,9})\b")


@dataclass(slots=True)
class _Block:
    """One printed exception: the lines of its header, then its entries as ``(file, line, callee)``."""

    lines: list[str] = field(default_factory=list)
    entries: list[tuple[str | None, int | None, str | None]] = field(default_factory=list)
    thrown: tuple[str, int] | None = None
    is_previous: bool = False  # Laravel prints causes below their effect, `Next` above it


def parse(text: str) -> ParsedStack | None:
    """The exceptions of a PHP trace, or None when no frame is found."""
    if (
        "#0 " not in text
        and " on line " not in text
        and "[object] (" not in text
        and "Uncaught PHP" not in text
    ):
        return _java_like(text)
    blocks = [_Block()]
    for line in text.split("\n"):
        block = blocks[-1]
        entry = _entry(line)
        if entry is not None:
            if block.entries and line.lstrip().startswith("#0 "):
                break  # The next trace of a log.
            block.entries.append(entry)
        elif match := _THROWN.match(line):
            block.thrown = match["file"], int(match["line"])
        elif line.startswith("Next ") and block.entries:
            blocks.append(_Block([line[5:]]))
        elif line.lstrip().startswith(("[previous exception]", "[object] (")) and block.entries:
            blocks.append(_Block([line], is_previous=True))
        elif not block.entries and line.strip() not in ("Stack trace:", "[stacktrace]", "PHP Stack trace:"):
            block.lines.append(line)
    links = [_link(block) for block in blocks if block.entries or block is blocks[0]]
    if not any(link.frames for link in links):
        return _java_like(text)
    if not any(block.is_previous for block in blocks):
        links.reverse()
    chain = [links[0], *(ExceptionLink(x.type, x.message, x.frames, "cause") for x in links[1:])]
    return ParsedStack("php", tuple(chain))


def _java_like(text: str) -> ParsedStack | None:
    if ".php" not in text or "at " not in text:
        return None
    found = frames_java.parse(text)
    return found if found is not None and found.language == "php" else None


def _entry(line: str) -> tuple[str | None, int | None, str | None] | None:
    """``#k ...`` -> ``(file, line, callee)``; None for another line."""
    match = _ENTRY.match(line.strip())
    if match is None:
        return None
    body = match[1]
    if body == "{main}":
        return None, None, body
    if body.startswith("[internal function]"):
        return None, None, _callee(body[19:].removeprefix(": "))
    place = _PLACE.match(body)
    if place is None:
        return None
    rest = place["rest"]
    if rest.startswith(" : "):  # What was evaluated has no line of its own in the repository.
        rest = rest.partition("): ")[2] or rest.rpartition("code: ")[2]
        return place["file"], int(place["line"]), _callee(rest)
    return place["file"], int(place["line"]), _callee(rest[2:])


def _callee(text: str) -> str | None:
    """``App\\Cart->total(Array)`` -> ``App\\Cart->total``; a closure's name may hold brackets since PHP 8.4."""
    start = text.find("{closure:")
    at = text.find("}(", start) + 1 if start >= 0 else text.find("(")
    return (text[:at] if at > 0 else text).strip() or None


def _link(block: _Block) -> ExceptionLink:
    header = "\n".join(block.lines).strip()
    type_, message, thrown = _read_header(header)
    thrown = thrown or block.thrown
    frames: list[Frame] = []
    file, line = thrown or (None, None)
    for place, number, callee in block.entries:
        if callee is not None or file is not None:
            frames.append(_frame(file, callee, line))
        file, line = place, number
    if file is not None:
        # A trace that was cut before `{main}`, or an error that has none.
        frames.append(_frame(file, None, line))
    return ExceptionLink(type_, message[:MESSAGE_CHARS_MAX], tuple(frames))


def _read_header(text: str) -> tuple[str, str, tuple[str, int] | None]:
    """Type, message and the place of the throw."""
    logged = _OBJECT.search(text)
    if logged:
        message, _, place = text[logged.end() :].rpartition(" at ")
        where = _OBJECT_PLACE.match(place)
        if where:
            file, type_ = where["file"].replace("\\\\", "\\"), logged["type"].replace("\\\\", "\\")
            return type_, message, (file, int(where["line"]))
    symfony = _SYMFONY.search(text)
    if symfony:
        message, _, place = text[symfony.end() :].partition('" at ')
        where = _SYMFONY_PLACE.match(place)
        if where:
            return symfony["type"], message, (where["file"], int(where["line"]))
    prefix = _LOG.match(text)
    level = prefix["level"] if prefix else None
    body = text[prefix.end() :] if prefix else text
    is_uncaught = body.startswith("Uncaught ")
    body, thrown = _without_place(body.removeprefix("Uncaught "), is_level=level is not None)
    old = _OLD.match(body)
    if old:
        return old["type"], old["message"] or "", thrown
    if level and not is_uncaught:
        return level, body, thrown
    match = _HEADER.match(body)
    if match is None:
        return "", body, thrown
    return match["type"], (match["message"] or "").strip("\n"), thrown


def _without_place(text: str, *, is_level: bool) -> tuple[str, tuple[str, int] | None]:
    """``message in file:12`` -> message and place. The last " in " counts: a message may hold one of its own."""
    front, found, place = text.rpartition(" in ")
    if not found:
        return text, None
    evaluated = _PLACE.match(place.partition(" : ")[0]) if " : " in place else None
    if evaluated:
        return front, (evaluated["file"], int(evaluated["line"]))
    file, colon, number = place.rpartition(":")
    if not colon and is_level:
        file, colon, number = place.rpartition(" on line ")
    if colon and number.isascii() and number.isdigit() and len(number) < 10 and "\n" not in file:
        return front, (file, int(number))
    return text, None


def _frame(file: str | None, function: str | None, line: int | None) -> Frame:
    # Composer's folder holds packages, whoever wrote them.
    is_foreign = file is not None and "/vendor/" in file.replace("\\", "/")
    return Frame(file, function, line, in_app=False if is_foreign else guess_in_app(file))
