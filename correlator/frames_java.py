"""Java and Kotlin stack traces: ``Throwable.printStackTrace`` and what logback, OpenTelemetry and Android make of it.

Grammar read: ``at [loader/][module@version/]pkg.Class.method(File.java:12) ~[jar:1.2]``, native and unknown sources,
``Caused by:``, ``Suppressed:``, ``... n more`` (frames that the enclosing exception shows), logback's root cause first
(``Wrapped by:``), messages of several lines that themselves start with ``at``. Innermost frame first as printed.
Source: ``java.lang.Throwable`` and ``StackTraceElement`` of the JDK; logback's throwable converters.
"""

import re
from dataclasses import dataclass, field

from schemas.records import ExceptionLink, Frame, ParsedStack

MESSAGE_CHARS_MAX = 8192
BESIDE_MAX = 32

# `app//`, `java.base@17.0.2/`, `app/my.module@1.0/`, then class and method, then the source in parentheses.
_FRAME = re.compile(
    r"at (?:[\w.$@+-]{0,200}/){0,3}(?:(?P<module>[^\s()/]{1,500})\.)?(?P<function>[^\s().]{1,300})\((?P<source>[^()]{0,300})\)(?P<tail>.{0,300})\Z"
)
# `Cart.java:12`, `Cart.kt`, `SourceFile:3`, `Native Method`, `r8-map-id-1f:12`; not the arguments of a .NET method.
_SOURCE = re.compile(r"(?:Native Method|Unknown Source|[^\s(),/]{1,250})(?::-?\d{1,9})?\Z")
_TYPE = r"(?:[\w$]{1,200}\.){0,30}[\w$]{1,200}"
_HEADER = re.compile(
    rf'(?:Exception in thread "[^"]{{0,300}}" )?(?P<type>{_TYPE})(?::(?: (?P<message>.*)|())|)\Z', re.DOTALL
)
_MORE = re.compile(r"\.\.\. \d{1,6} (?:more|common frames omitted)\Z")

_LIBRARY_PREFIXES = (
    "java.", "javax.", "_COROUTINE.", "jdk.", "sun.", "com.sun.", "jakarta.", "kotlin.", "kotlinx.", "scala.", "groovy.", "android.",
    "androidx.", "dalvik.", "com.android.internal.", "libcore.", "clojure.", "akka.", "org.springframework.",
    "org.apache.catalina.", "org.apache.coyote.", "org.apache.tomcat.", "org.hibernate.", "org.junit.", "junit.",
    "io.netty.", "reactor.", "io.reactivex.", "com.zaxxer.", "org.eclipse.jetty.", "org.mortbay.", "io.undertow.",
    "org.jboss.", "com.fasterxml.jackson.", "io.grpc.", "com.google.common.", "com.mysql.", "org.postgresql.",
    "org.gradle.", "org.apache.maven.", "org.apache.tools.ant.", "okhttp3.", "retrofit2.", "io.opentelemetry.",
    "org.mockito.", "org.testng.", "io.ktor.", "com.intellij.rt.", "worker.org.gradle.", "play.core.", "io.micronaut.",
    "io.quarkus.", "org.slf4j.", "ch.qos.logback.", "com.codahale.", "net.sf.cglib.", "lombok.",
)  # fmt: skip
"""Runtime and widespread frameworks, by package."""


@dataclass(slots=True)
class _Link:
    lines: list[str]
    relation: str | None = None
    frames: list[Frame] = field(default_factory=list)
    is_closed: bool = False  # `... n more` was read: the rest of its frames are those of the enclosing trace


def parse(text: str) -> ParsedStack | None:
    """The exceptions of a Java or Kotlin stack, or None when no frame is found."""
    if "at " not in text:
        return None
    links = [_Link([])]
    link = links[0]
    suppressed: list[_Link] = []
    suppressed_indent: int | None = None
    is_root_first = False
    for raw in text.split("\n"):
        line = raw.strip()
        indent = len(raw) - len(raw.lstrip())
        if suppressed_indent is not None and line:
            # A suppressed exception stands deeper than its enclosing one, and so do its own causes.
            is_deeper = indent >= suppressed_indent > 0
            if is_deeper or line.startswith("Suppressed: ") or _frame(line) is not None or _MORE.match(line):
                _suppress(suppressed, line, raw)
                continue
            suppressed_indent = None
        frame = _frame(line)
        if frame is not None:
            link.frames.append(frame)
        elif line.startswith("Suppressed: "):
            suppressed_indent = indent
            _suppress(suppressed, line, raw)
        elif line.startswith("Caused by: ") and (link.frames or link.is_closed or link.lines):
            link = _Link([line[11:]], "cause")
            links.append(link)
        elif line.startswith("Wrapped by: "):
            is_root_first = True
            link = _Link([line[12:]])
            links.append(link)
        elif _MORE.match(line):
            link.is_closed = True
        elif not link.frames:
            link.lines.append(raw if link.lines else line)
        elif line and not raw[:1].isspace() and _HEADER.match(line):
            break  # The next exception of a log.
    if not any(link.frames for link in links):
        return None
    if is_root_first:
        links.reverse()
        for inner in links[1:]:
            inner.relation = "cause"
        links[0].relation = None
    beside = tuple(_exception(link) for link in suppressed[:BESIDE_MAX])
    return ParsedStack(_language(links), tuple(_exception(link) for link in links), beside=beside)


def _suppress(suppressed: list[_Link], line: str, raw: str) -> None:
    """One line of a suppressed exception; its causes are passed over."""
    if line.startswith("Suppressed: "):
        suppressed.append(_Link([line[12:]], "suppressed"))
    elif suppressed and not suppressed[-1].is_closed:
        frame = _frame(line)
        if frame is not None:
            suppressed[-1].frames.append(frame)
        elif line.startswith("Caused by: ") or _MORE.match(line):
            suppressed[-1].is_closed = True
        elif not suppressed[-1].frames:
            suppressed[-1].lines.append(raw)


def _language(links: list[_Link]) -> str:
    """By the files: OpenTelemetry's PHP writes its stacks like Java's."""
    files = [frame.file or "" for link in links for frame in link.frames]
    if any(file.endswith(".kt") for file in files):
        return "kotlin"
    return "php" if any(file.endswith(".php") for file in files) else "java"


def _frame(line: str) -> Frame | None:
    if not line.startswith("at "):
        return None
    match = _FRAME.match(line)
    if match is None:
        return None
    if not _SOURCE.match(match["source"]):
        return None
    file, line_number = _source(match["source"])
    module = match["module"]
    if module is None and match["function"] != "{main}":
        return None
    return Frame(file, match["function"], line_number, module=module, in_app=_guess_in_app(module or ""))


def _source(text: str) -> tuple[str | None, int | None]:
    """``Cart.java:12``, ``Cart.java``, ``Native Method``, ``Unknown Source`` -> file and line."""
    file, colon, number = text.rpartition(":")
    if colon and number.isascii() and number.isdigit() and len(number) < 10:
        return (None if file == "Unknown Source" else file or None), int(number)
    return (None if text in ("Native Method", "Unknown Source", "") else text), None


def _guess_in_app(module: str) -> bool | None:
    if module.startswith(_LIBRARY_PREFIXES):
        return False
    # A class without a package may be anything.
    return True if "." in module else None


def _exception(link: _Link) -> ExceptionLink:
    lines = link.lines
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    # Log lines may stand before the exception: the first line that is `Type` or `Type: message` with a package or
    # an exception's name opens it.
    for index, line in enumerate(lines):
        match = _HEADER.match(line.strip())
        if match and ("." in match["type"] or match["type"].endswith(("Exception", "Error", "Throwable"))):
            text = "\n".join([match["message"] or "", *lines[index + 1 :]])
            return ExceptionLink(match["type"], text[:MESSAGE_CHARS_MAX], tuple(link.frames), link.relation)
    match = _HEADER.match(lines[0].strip()) if lines else None
    if match:
        text = "\n".join([match["message"] or "", *lines[1:]])
        return ExceptionLink(match["type"], text[:MESSAGE_CHARS_MAX], tuple(link.frames), link.relation)
    return ExceptionLink("", "\n".join(lines)[:MESSAGE_CHARS_MAX], tuple(link.frames), link.relation)
