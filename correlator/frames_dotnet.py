"""Exceptions of .NET: ``Exception.ToString`` of .NET, .NET Framework and Mono, in any of the runtime's languages.

Grammar read: ``at M(args) in path:line n`` by its structure, since "at", "in" and "line" are localised; Mono's
``[0x00021] in path:9``; ``Outer ---> Inner`` headers, of which the inner one's frames come first and end with
``--- End of inner exception stack trace ---``; async rethrow lines; ``---> (Inner Exception #0) ... <---``.
Innermost frame first as printed. Functions are spelled as printed, without arguments and iterator suffixes.
Source: dotnet/runtime ``System.Exception.ToString``, ``System.Diagnostics.StackTrace.ToString``, AggregateException.
"""

import re
from dataclasses import dataclass, field

from correlator.libraries import guess_in_app
from schemas.records import ExceptionLink, Frame, ParsedStack

MESSAGE_CHARS_MAX = 8192
BESIDE_MAX = 32

# `at Acme.Cart.Total(IEnumerable`1 items) in /src/Cart.cs:line 12`, `bei A.B(C d) in C:\x.cs:Zeile 12.`
_FRAME = re.compile(
    r"(?P<at>\S{1,12}) (?P<function>[^\s()\"']{1,600}) ?\((?P<arguments>(?:[^()\"=:]|\(\)){0,2000})\)"
    r"(?:\+[\w.<>|`]{1,300}\([^()]{0,300}\))?(?P<rest>.{0,1500})\Z"
)
# ` [0x00021] in /src/Cart.cs:9 `, ` in D:\src\Cart.cs:line 12`, nothing without symbols
_PLACE = re.compile(
    r"(?: \[0x[0-9a-f]{1,8}\]| <0x[0-9a-f]{1,8} \+ 0x[0-9a-f]{1,8}>)?"
    r"(?: \S{1,12} (?P<file>.{1,1000}?):(?:[^\d:/\\]{1,20})?(?P<line>\d{1,9})[.\u3002]?)?[\s;\"]{0,4}(?:<---)?[\s,]{0,4}\Z"
)
_HEADER = re.compile(
    r"(?P<type>[A-Za-z_][\w.+`\[\],]{0,300})(?: \(0x[0-9A-Fa-f]{8}\)| \(\d{1,9}\))?(?::(?: (?P<message>.*)|())|)\Z"
)
_NAMED_ERROR = re.compile(r"(?:Exception|Error)(?:`\d)?\Z")
_ENDS_INNER = re.compile(r"--- .{1,200} ---\Z")
_MEMBER = re.compile(r"---> \([^)#]{1,40}#(\d{1,6})\) ?")
_UNCAUGHT = re.compile(
    r"(?:Unhandled exception\.|Unhandled Exception:|\[ERROR\] FATAL UNHANDLED EXCEPTION:)\s?"
)
_ANGLES = re.compile(r"<[0-9a-f]{8,64}>\Z|<filename unknown>\Z|<unknown>\Z")

_LIBRARY_PREFIXES = (
    "System.", "Microsoft.", "Mono.", "Windows.", "Internal.", "MS.Internal.", "Newtonsoft.Json.", "Npgsql.", "MySql.Data.",
    "MySqlConnector.", "StackExchange.Redis.", "Dapper.", "AutoMapper.", "MediatR.", "Serilog.", "NLog.", "Polly.", "Autofac.",
    "Castle.", "MassTransit.", "RabbitMQ.", "Confluent.Kafka.", "MongoDB.Driver.", "Azure.", "Amazon.", "Xunit.", "NUnit.",
    "Moq.", "FluentValidation.", "OpenTelemetry.", "Hangfire.", "Swashbuckle.", "Grpc.Core.", "Grpc.Net.", "lambda_method",
)  # fmt: skip
"""Runtime and widespread packages, by namespace; what is not listed stays open where no file is printed."""


# What stands before a call in source code, which is no word for "at" in any language of the runtime.
_STATEMENTS = frozenset(
    [
        "return",
        "await",
        "raise",
        "yield",
        "assert",
        "throw",
        "new",
        "if",
        "not",
        "else",
        "in",
        "=",
        "self.",
        "echo",
        "puts",
        "print",
    ]
)
_ONE_LINE = re.compile(r"\s{2,8}(?=at \S+ ?\(|--- End of )")


@dataclass(slots=True)
class _Link:
    lines: list[str]
    frames: list[Frame] = field(default_factory=list)
    number: int = 0  # of a group's member


def parse(text: str) -> ParsedStack | None:
    """The exceptions of a .NET stack, or None when no frame is found."""
    if "(" not in text or "." not in text:
        return None
    if text.count("\n") < 2 and "  at " in text:
        text = _ONE_LINE.sub("\n   ", text)
    links = [_Link([])]
    # Headers come outermost first, frames innermost first: these links still wait for theirs.
    waiting = [links[0]]
    has_frames = False
    beside: list[_Link] = []
    for raw in text.split("\n"):
        line = raw.strip()
        member = _MEMBER.match(line) if has_frames else None
        if member is not None or beside:
            # An AggregateException prints those that failed beside its first member last.
            _read_member(line, member, beside)
            continue
        frame = _frame(line) if raw[:1].isspace() or line.startswith("at ") else None
        if frame is not None:
            has_frames = True
            waiting[-1].frames.append(frame)
        elif line.startswith("--- ") and _ENDS_INNER.match(line):
            if len(waiting) > 1 and _ends_inner(raw):
                waiting.pop()
                has_frames = True
        elif not has_frames:
            _read_header(raw, links, waiting)
        elif line and not raw[:1].isspace() and _is_header(line):
            break  # The next exception of a log.
    if not any(link.frames for link in links):
        return None
    chain = tuple(_exception(link, "cause" if index else None) for index, link in enumerate(links))
    # Before .NET 5 the chain's own inner exception is printed again, as member 0.
    members = tuple(_exception(link, "group") for link in beside[:BESIDE_MAX] if link.number)
    return ParsedStack("dotnet", chain, beside=members)


def _read_member(line: str, opened: re.Match[str] | None, beside: list[_Link]) -> None:
    """A line of ``---> (Inner Exception #1) Type: message ... <---``; its own inner exceptions are passed over."""
    if opened is not None:
        said = line[opened.end() :].partition(" ---> ")[0].removesuffix("<---")
        beside.append(_Link([said], number=int(opened[1])))
        return
    frame = _frame(line)
    if frame is not None:
        beside[-1].frames.append(frame)
    elif line and not beside[-1].frames and not _ENDS_INNER.match(line):
        beside[-1].lines.append(line.removesuffix("<---"))


def _read_header(raw: str, links: list[_Link], waiting: list[_Link]) -> None:
    """A line above the frames: it goes on with a message, or opens inner exceptions behind ``--->``."""
    first, *inner = f" {raw}".split(" ---> ")
    if first.strip() or not inner:
        links[-1].lines.append(first[1:])
    for part in inner:
        if _is_header(part):
            links.append(_Link([part]))
            waiting.append(links[-1])
        else:
            links[-1].lines[-1:] = [" ---> ".join([*links[-1].lines[-1:], part])]


def _is_header(line: str) -> bool:
    match = _HEADER.match(line.strip())
    return match is not None and ("." in match["type"] or _NAMED_ERROR.search(match["type"]) is not None)


def _ends_inner(raw: str) -> bool:
    """``--- End of inner ... ---`` ends the inner exception's frames; a rethrow's line only parts them."""
    if "previous location" in raw:
        return False
    return " inner " in raw or raw[:1].isspace()


def _frame(line: str) -> Frame | None:
    match = _FRAME.match(line)
    if match is None or match["at"] in _STATEMENTS or match["at"][-1] in "),;={":
        return None
    function, arguments = match["function"], match["arguments"]
    if "." not in function and not function.startswith("lambda_method"):
        return None
    # Each argument is a type and a name: not `Cart.java`, `index 0`, `x`.
    if arguments and not all(" " in part for part in arguments.split(", ")):
        return None
    if arguments in ("Native Method", "Unknown Source") or arguments.startswith("<"):
        return None
    place = _PLACE.match(match["rest"])
    if place is None:
        return None
    file, number = place["file"], place["line"]
    if file is None or _ANGLES.match(file):
        file = number = None
    is_foreign = function.startswith(_LIBRARY_PREFIXES)
    in_app = False if is_foreign else guess_in_app(file) if file else None
    return Frame(file, function, int(number) if number else None, in_app=in_app)


def _exception(link: _Link, relation: str | None) -> ExceptionLink:
    lines = link.lines
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    matches = []
    for position, line in enumerate(lines):
        match = _HEADER.match(_UNCAUGHT.sub("", line.strip(), count=1))
        if match:
            matches.append((position, match))
    if not matches:
        return ExceptionLink("", "\n".join(lines).strip()[:MESSAGE_CHARS_MAX], tuple(link.frames), relation)
    position, found = next((m for m in matches if _NAMED_ERROR.search(m[1]["type"])), matches[0])
    text = "\n".join([found["message"] or "", *lines[position + 1 :]])
    return ExceptionLink(found["type"], text[:MESSAGE_CHARS_MAX], tuple(link.frames), relation)
