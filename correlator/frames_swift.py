"""Swift stacks: swift-backtrace, the runtime's own backtracer, crash reports, ``Thread.callStackSymbols``.

Grammar read: ``0x1f, name at /path.swift:12``, ``3 [ra] 0x1f name + 12 in binary at /path.swift:12:5``,
``4   App   0x1f symbol + 12``, ``Fatal error: text: file F, line n`` and ``F:12: Fatal error: text``; places that the
compiler made up are none. Symbols are demangled elsewhere. Innermost frame first as printed.
Source: swift-server/swift-backtrace; swift ``docs/Backtracing.rst``; Foundation ``Thread.callStackSymbols``.
"""

import re

from correlator.libraries import guess_in_app
from schemas.records import ExceptionLink, Frame, ParsedStack

MESSAGE_CHARS_MAX = 8192

_PLACE = r" at (?:\S{0,300}<compiler-generated>(?::0)?\Z|(?P<file>/?[^\s:](?:[^:]|:(?!\d)){0,1000}):(?P<line>\d{1,9})(?::(?P<column>\d{1,9}))?)"
_SERVER = re.compile(rf"0x[0-9a-fA-F]{{1,16}}, (?P<function>\S.{{0,2000}}?)(?:{_PLACE})?\s*\Z")
_RUNTIME = re.compile(
    rf"\d{{1,5}} (?:\[(?:ra|async|inlined|system|thunk)\] ){{0,3}}(?:\[[\w, ]{{1,40}}\] )?(?:0x[0-9a-fA-F]{{1,16}} )?(?P<function>\S.{{0,2000}}?) (?:\+ \d{{1,9}} )?in (?P<binary>[\w.@+-]{{1,200}})(?:{_PLACE})?\s*\Z"
)
_SYMBOLS = re.compile(
    r"\d{1,5}\s{1,8}(?P<binary>\S[^\t]{0,100}?)\s{1,60}0x[0-9a-fA-F]{1,16} (?P<function>\S.{0,2000}?) \+ \d{1,12}(?: \((?P<file>[^():]{1,300}):(?P<line>\d{1,9})\))?\s*\Z"
)
_SIGNAL = re.compile(
    r"(?:Received (?P<signal>signal \d{1,3})\b|\*\*\* (?:Program crashed: )?(?P<crash>.{1,300}?) at 0x[0-9a-fA-F]{1,16} \*\*\*|.*(?P<kind>Crash|Trap|Bad pointer dereference|Illegal instruction|Aborted).{0,100} at 0x)"
)
_FATAL = re.compile(
    r"(?:.{0,300}?(?P<file>[^\s:]{1,300}\.swift):(?P<line>\d{1,9}): )?(?P<type>Fatal error|Precondition failed|Assertion failed)(?:: (?P<message>.*?))?(?:: file (?P<old>.{1,300}), line (?P<old_line>\d{1,9}))?\Z"
)
_NOT_SWIFT = ("libc.so", "libc++", "libpthread", "ld-linux", "libdyld", "UIKit", "CoreFoundation", "Foundation", "libsystem",
    "libdispatch", "libswift", "GraphicsServices", "QuartzCore", "SwiftUI", "XCTest", "libobjc")  # fmt: skip


def parse(text: str) -> ParsedStack | None:
    """The crash of a Swift program, or None when no frame is found."""
    if "0x" not in text and ".swift" not in text:
        return None
    frames: list[Frame] = []
    above: list[str] = []
    for line in text.split("\n"):
        frame = _frame(line.strip())
        if frame is not None:
            frames.append(frame)
        elif not frames:
            above.append(line.strip())
        elif line.startswith("Thread ") and not line.rstrip().endswith("crashed:"):
            break  # The other threads.
    type_, message, place = _header(above)
    if not frames:
        if place is None:
            return None
        frames = [place]
    return ParsedStack("swift", (ExceptionLink(type_, message[:MESSAGE_CHARS_MAX], tuple(frames)),))


def _frame(line: str) -> Frame | None:
    if line.startswith("0x"):
        match = _SERVER.match(line)
    elif line[:1].isdigit():
        match = _SYMBOLS.match(line) or _RUNTIME.match(line)
    else:
        return None
    # `3 errors in file`: without an address, an offset or a place it is prose.
    if match is None or not ("0x" in line or " + " in line or match["file"]):
        return None
    found = match.groupdict()
    file, number, column = found.get("file"), found.get("line"), found.get("column")
    is_foreign = (found.get("binary") or "").startswith(_NOT_SWIFT) or found["function"].startswith(
        ("Swift.", "static Swift.")
    )
    in_app = False if is_foreign else guess_in_app(file) if file else None
    module = found.get("binary")
    return Frame(
        file,
        found["function"],
        int(number) if number else None,
        int(column) if column else None,
        module,
        in_app,
    )


def _header(lines: list[str]) -> tuple[str, str, Frame | None]:
    """Type, message, and the place that a fatal error names itself."""
    for line in lines:
        match = _FATAL.match(line)
        if match:
            file, number = match["file"] or match["old"], match["line"] or match["old_line"]
            place = Frame(file, None, int(number), in_app=guess_in_app(file)) if file and number else None
            return match["type"], match["message"] or "", place
    for line in lines:
        match = _SIGNAL.match(line)
        if match:
            return match["signal"] or match["crash"] or match["kind"] or "", "", None
    return "", "", None
