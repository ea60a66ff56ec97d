"""Rust panics and backtraces: the default hook's text, ``RUST_BACKTRACE``, and reports of anyhow and eyre.

Grammar read: ``panicked at 'm', file:1:2`` and, since 1.73, ``panicked at file:1:2:`` with the message below;
numbered frames with ``at file:1:2`` on the next line, addresses of the full form, hashes behind a name; ``Caused by:``
lists. Without a backtrace the place of the panic is the only frame. Innermost frame first as printed.
Source: rust-lang/rust ``std/src/panicking.rs``, backtrace-rs ``print.rs``; anyhow and eyre report formats.
"""

import re

from correlator.libraries import guess_in_app
from schemas.records import ExceptionLink, Frame, ParsedStack

MESSAGE_CHARS_MAX = 8192
CAUSES_MAX = 32
MESSAGE_LINES_MAX = 50

_LOCATION = r"(?P<file>[^\s:'](?:[^:]|:(?!\d)){0,1000}):(?P<line>\d{1,9})(?::(?P<column>\d{1,9}))?"
_PANIC = re.compile(r"(?:.{0,300}?\b)?panicked at (?P<rest>.*)\Z")
_NEW = re.compile(rf"{_LOCATION}:?\s*\Z")
_NUMBERED = re.compile(
    r"\s{0,10}(?P<number>\d{1,5}):\s{1,8}(?:0x[0-9a-f]{1,16} - )?(?P<function>\S.{0,3000})\Z"
)
_AT = re.compile(rf"\s{{1,60}}at {_LOCATION}\s*\Z")
_HASH = re.compile(r"::h[0-9a-f]{16}\Z")
_CRATE = re.compile(r"\[[0-9a-f]{16}\]")
_NOTE = re.compile(r"note: (?:run with|Some details)")

_LIBRARY_PREFIXES = ("std::", "core::", "alloc::", "__rust", "rust_begin_unwind", "rust_panic", "backtrace::", "tokio::",
    "<std::", "<core::", "<alloc::", "<tokio::", "<&dyn core::", "hyper::", "<hyper::", "futures_", "<futures_", "anyhow::",
    "<anyhow::", "eyre::", "tower::", "<tower::", "axum::", "<axum::", "tracing::", "<tracing::", "test::", "__libc_start", "_start",
    "rayon", "<rayon", "actix_", "<actix_", "sqlx_", "<sqlx_", "start_thread", "clone", "__rustc::", "clone3")  # fmt: skip
"""What runs and unwinds a program, by crate; paths tell where a frame has one."""


def parse(text: str) -> ParsedStack | None:
    """The panic, or the reported error with its causes; None when there is no frame and no place of a panic."""
    is_panic = "panicked at" in text
    if not is_panic and "\n" not in text:
        return None
    lines = text.split("\n")
    panics = ((index, match) for index, line in enumerate(lines) if (match := _PANIC.match(line)))
    start, panic = next(panics, (0, None)) if is_panic else (0, None)
    if panic is None:
        frames = _backtrace(lines, 0)
        if not any(frame.line is not None or "::" in (frame.function or "") for frame in frames):
            return None
        return ParsedStack("rust", tuple(_report(lines, frames)))
    message, place = _said(panic["rest"], lines[start + 1 :])
    frames = _backtrace(lines, start + 1) or ([place] if place else [])
    if not frames:
        return None
    return ParsedStack("rust", (ExceptionLink("panic", message[:MESSAGE_CHARS_MAX], tuple(frames)),))


def _said(rest: str, below: list[str]) -> tuple[str, Frame | None]:
    """The message's first line and the place of the panic."""
    if rest.startswith("'"):
        # The message may hold lines of its own before the quote that ends it.
        for index, line in enumerate([rest[1:], *below[:MESSAGE_LINES_MAX]]):
            said, quote, place = line.rpartition("', ")
            match = _NEW.match(place) if quote else None
            if match:
                return rest[1:] if index else said, _placed(match)
        return rest[1:], None
    match = _NEW.match(rest)
    if match:
        first = (
            below[0].rstrip("\r") if below and not _NOTE.match(below[0]) and not _is_start(below[0]) else ""
        )
        return first, _placed(match)
    return rest, None


def _is_start(line: str) -> bool:
    return line.strip() in ("stack backtrace:", "")


def _placed(match: re.Match[str]) -> Frame:
    file, column = match["file"], match["column"]
    return Frame(file, None, int(match["line"]), int(column) if column else None, in_app=guess_in_app(file))


def _backtrace(lines: list[str], start: int) -> list[Frame]:
    """The first run of numbered frames from ``start`` on; each may have its place on the next line."""
    frames: list[Frame] = []
    expected = -1
    index = start
    while index < len(lines):
        match = _NUMBERED.match(lines[index])
        at = _AT.match(lines[index + 1]) if index + 1 < len(lines) else None
        if match is None or (expected < 0 and not _opens(match, at)):
            if frames and _PANIC.match(lines[index]):
                break
            index += 1
            continue
        if int(match["number"]) < expected:
            break  # A second backtrace.
        expected = int(match["number"])
        index += 2 if at else 1
        name = _HASH.sub("", match["function"].rstrip())
        if name == "<unknown>" and at is None:
            continue
        frames.append(_framed(name, at))
        # A frame that was inlined has the number of the one that holds it and a place of its own.
        while index < len(lines) and (at := _AT.match(lines[index])):
            index += 1
    return frames


def _opens(match: re.Match[str], at: re.Match[str] | None) -> bool:
    """A backtrace begins with a function; `1: file not found` in a list of causes is none."""
    name = match["function"]
    return at is not None or "::" in name.partition(" ")[0] or "0x" in match[0][:30] or name == "<unknown>"


def _framed(name: str, at: re.Match[str] | None) -> Frame:
    bare = _CRATE.sub("", name)
    is_foreign = bare.startswith(_LIBRARY_PREFIXES)
    if at is None:
        return Frame(None, name, None, in_app=False if is_foreign else None)
    file, column = at["file"], at["column"]
    in_app = False if is_foreign else guess_in_app(file)
    return Frame(file, name, int(at["line"]), int(column) if column else None, in_app=in_app)


def _report(lines: list[str], frames: list[Frame]) -> list[ExceptionLink]:
    """``Error: message``, ``Caused by:`` with one cause or a numbered list; the frames are the outermost's."""
    head: list[str] = []
    causes: list[str] = []
    in_causes = False
    for line in lines:
        stripped = line.strip()
        if stripped in ("Stack backtrace:", "stack backtrace:", "BACKTRACE") or _AT.match(line):
            break
        if stripped == "Caused by:":
            in_causes = True
        elif in_causes and stripped:
            match = _NUMBERED.match(line)
            if match and "::" in match["function"].partition(" ")[0]:
                break
            causes.append(match["function"] if match else stripped)
        elif stripped and not in_causes and not _NUMBERED.match(line):
            head.append(stripped)
    message = head[0].removeprefix("Error: ") if head else ""
    chain = [ExceptionLink("", message[:MESSAGE_CHARS_MAX], tuple(frames))]
    chain += [ExceptionLink("", cause[:MESSAGE_CHARS_MAX], (), "cause") for cause in causes[:CAUSES_MAX]]
    return chain
