"""Dart and Flutter stacks: the virtual machine's numbered frames and ``package:stack_trace``'s terse ones.

Grammar read: ``#1      Cart.total.<anonymous closure> (package:shop/cart.dart:12:7)``, places without a column or a
line, ``<asynchronous suspension>``, ``Unhandled exception:`` above the message, ``package:x/y.dart 12:7  f``.
Innermost frame first as printed. Source: Dart SDK ``runtime/vm/object.cc``; ``package:stack_trace``.
"""

import re

from correlator.libraries import guess_in_app
from schemas.records import ExceptionLink, Frame, ParsedStack

MESSAGE_CHARS_MAX = 8192

_NUMBERED = re.compile(r"#\d{1,6}\s{1,8}(?P<function>\S.{0,1000}?) \((?P<place>[^()\s]{1,1000})\)\Z")
_PLACE = re.compile(r"(?P<file>(?:[^:]|:(?!\d)){1,1000})(?::(?P<line>\d{1,9})(?::(?P<column>\d{1,9}))?)?\Z")
_TERSE = re.compile(
    r"(?P<file>(?:package:|dart:|file:|[\w./-]{1,300}\.dart)\S{0,500}) (?P<line>\d{1,9})(?::(?P<column>\d{1,9}))?\s{1,80}(?P<function>\S.{0,1000})\Z"
)
_HEADER = re.compile(
    r"(?P<type>_?[A-Z][\w$]{0,200})(?:<[\w<>, ?]{1,100}>)?(?: \([^)]{0,200}\))?(?:: ?(?P<message>.*)|)\Z"
)
_NAMED_ERROR = re.compile(r"(?:Error|Exception|Failure)\Z")
# What NoSuchMethodError adds: values of this call, which no other call shares.
_NOTE = re.compile(r"(?:Receiver|Tried calling|Found|Arguments): ")
_ABOVE = ("Unhandled exception:", "Unhandled Exception:", "Uncaught exception:")

_FOREIGN = re.compile(
    r"dart:|package:(?:flutter|flutter_test|test|test_api|async|http|dio|bloc|flutter_bloc|provider|riverpod|shelf"
    r"|stack_trace|sentry|sentry_flutter|get|rxdart|matcher|meta|collection)/"
)


def parse(text: str) -> ParsedStack | None:
    """The exception of a Dart stack, or None when no frame is found."""
    if "dart" not in text:
        return None
    frames: list[Frame] = []
    lines: list[str] = []
    for line in text.split("\n"):
        body = line.strip()
        frame = _frame(body)
        if frame is not None:
            if frames and body.startswith("#0 "):
                break  # A second stack.
            frames.append(frame)
        elif not frames:
            lines.append(line.rstrip())
    if not frames:
        return None
    type_, message = _header(lines)
    return ParsedStack("dart", (ExceptionLink(type_, message[:MESSAGE_CHARS_MAX], tuple(frames)),))


def _frame(body: str) -> Frame | None:
    match = _NUMBERED.match(body) if body.startswith("#") else _TERSE.match(body)
    if match is None:
        return None
    place = _PLACE.match(match["place"]) if match.re is _NUMBERED else match
    if place is None or ("dart" not in place["file"] and "package:" not in place["file"]):
        return None
    file, line, column = place["file"], place["line"], place["column"]
    in_app = False if _FOREIGN.match(file) else guess_in_app(file)
    return Frame(
        file, match["function"], int(line) if line else None, int(column) if column else None, in_app=in_app
    )


def _header(lines: list[str]) -> tuple[str, str]:
    """Type and message: the first line behind ``Unhandled exception:`` that names an error, else a message alone."""
    said = [line for line in lines if line.strip()]
    for index, line in enumerate(said):
        if line.rstrip().endswith(_ABOVE):
            said = said[index + 1 :]
            break
        if any(mark in line for mark in _ABOVE):
            said = [line.partition("xception: ")[2], *said[index + 1 :]]
            break
    if not said:
        return "", ""
    match = _HEADER.match(said[0])
    if (
        match
        and (match["message"] is not None or _NAMED_ERROR.search(match["type"]))
        and _NAMED_ERROR.search(match["type"])
    ):
        return match["type"], "\n".join(
            [match["message"] or "", *(x for x in said[1:] if not _NOTE.match(x))]
        )
    return "", "\n".join(said)
