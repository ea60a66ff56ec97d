"""From a place in generated JavaScript to the place in its source: source map revision 3, read in columns.

It knows the format, not where maps come from. Base64 VLQ is decoded for a whole map at once in numpy (a bundle's map
holds millions of numbers); a map that is no map is an error of who uploaded it. Lines and columns are as stacks have
them, 1-based. Source: "Source map", ECMA-426, sections "Mappings structure" and "Index source map".
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from schemas.errors import MalformedInput

DIGITS_MAX = 7
"""Base64 digits of one number: 32 bits and a sign."""
SECTIONS_MAX = 10_000

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_VALUES = np.full(256, -1, np.int64)
_VALUES[np.frombuffer(_ALPHABET, np.uint8)] = np.arange(64)

Ints = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, slots=True)
class Original:
    """A place in a source. ``name``: of the identifier that stands there, where the map has it."""

    source: str
    line: int
    column: int
    name: str | None
    is_ignored: bool


class SourceMap:
    """One map, decoded. ``content`` is its JSON.

    Raises:
        MalformedInput: no source map of revision 3.
    """

    def __init__(self, content: str | bytes) -> None:
        try:
            document = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise _malformed("it is no JSON") from error
        if not isinstance(document, dict) or document.get("version") != 3:
            raise _malformed("its version is not 3")
        sections = document.get("sections")
        if sections is None:
            self._sections = [((0, 0), _Section(document))]
            return
        if not isinstance(sections, list) or len(sections) > SECTIONS_MAX:
            raise _malformed("its sections are no list, or too many")
        self._sections = sorted((_offset(s), _Section(s.get("map"))) for s in map(_object, sections))

    def original(self, line: int, column: int) -> Original | None:
        """What stands at a 1-based place of the generated file; None where nothing was mapped."""
        place = (line - 1, column - 1)
        for offset, section in reversed(self._sections):
            if place >= offset:
                column_offset = offset[1] if place[0] == offset[0] else 0
                return section.original(place[0] - offset[0], place[1] - column_offset)
        return None


class _Section:
    def __init__(self, document: Any) -> None:
        document = _object(document)
        root = document.get("sourceRoot") or ""
        sources = _texts(document, "sources")
        self._sources = [f"{root.rstrip('/')}/{source}" if root else source for source in sources]
        self._names = _texts(document, "names")
        ignored = document.get("ignoreList") or document.get("x_google_ignoreList") or []
        self._ignored = frozenset(ignored) if isinstance(ignored, list) else frozenset()
        mappings = document.get("mappings")
        if not isinstance(mappings, str) or not mappings.isascii():
            raise _malformed("its mappings are no text")
        self._segments = _decoded(mappings)

    def __lt__(self, _: object) -> bool:
        return False

    def original(self, line: int, column: int) -> Original | None:
        found = self._segments
        start, end = np.searchsorted(found.lines, [line, line + 1])
        index = start + int(np.searchsorted(found.columns[start:end], column, side="right")) - 1
        if index < start or found.sources[index] < 0:
            return None
        source, name = int(found.sources[index]), int(found.names[index])
        if source >= len(self._sources):
            return None
        return Original(
            source=self._sources[source],
            line=int(found.source_lines[index]) + 1,
            column=int(found.source_columns[index]) + 1,
            name=self._names[name] if 0 <= name < len(self._names) else None,
            is_ignored=source in self._ignored,
        )


@dataclass(frozen=True, slots=True)
class _Segments:
    """Equally long columns, ordered by line and column; -1 where a segment has no source, or no name."""

    lines: Ints
    columns: Ints
    sources: Ints
    source_lines: Ints
    source_columns: Ints
    names: Ints


def _decoded(mappings: str) -> _Segments:
    text = np.frombuffer(mappings.encode(), np.uint8)
    is_line_end = text == ord(";")
    is_separator = is_line_end | (text == ord(","))
    digits = _VALUES[text]
    if bool(((digits < 0) & ~is_separator).any()):
        raise _malformed("its mappings hold what is no digit")
    segment_of = np.cumsum(is_separator)
    is_digit = ~is_separator
    digits, segments = digits[is_digit], segment_of[is_digit]
    numbers, owners = _numbers(digits, segments)
    segment_count = int(segment_of[-1]) + 1 if len(text) else 0
    line_of = np.concatenate([[0], np.cumsum(is_line_end[is_separator])]) if segment_count else np.zeros(0)
    widths = np.bincount(owners, minlength=segment_count) if segment_count else np.zeros(0, np.int64)
    if not set(np.unique(widths).tolist()) <= {0, 1, 4, 5}:
        raise _malformed("a segment has neither one, four nor five numbers")
    kept = np.flatnonzero(widths)
    firsts = np.concatenate([[0], np.cumsum(widths)[:-1]]).astype(np.int64)[kept] if len(kept) else kept
    width, lines = widths[kept], line_of[kept].astype(np.int64)
    columns = _within(numbers[firsts] if len(kept) else numbers[:0], lines)
    has_source, has_name = width >= 4, width == 5

    def running(position: int, is_there: np.ndarray[Any, np.dtype[np.bool_]]) -> Ints:
        # What a segment leaves out does not move what the next one counts from.
        steps = np.where(is_there, numbers[np.minimum(firsts + position, len(numbers) - 1)], 0)
        total: Ints = np.where(is_there, np.cumsum(steps), -1)
        return total

    found = [running(1, has_source), running(2, has_source), running(3, has_source), running(4, has_name)]
    order = np.lexsort((columns, lines))
    return _Segments(lines[order], columns[order], *(column[order] for column in found))


def _numbers(digits: Ints, segments: Ints) -> tuple[Ints, Ints]:
    """The signed numbers that base64 digits spell, and the segment of each."""
    if not len(digits):
        return digits, segments
    is_last = digits < 32
    starts = np.concatenate([[0], np.flatnonzero(is_last)[:-1] + 1]).astype(np.int64)
    lengths = np.diff(np.concatenate([starts, [len(digits)]]))
    is_torn = segments[starts] != segments[starts + lengths - 1]
    if not is_last[-1] or int(lengths.max()) > DIGITS_MAX or bool(is_torn.any()):
        raise _malformed("a number does not end, or is too long")
    places = np.arange(len(digits)) - np.repeat(starts, lengths)
    values = np.add.reduceat((digits & 31) << (5 * places), starts)
    return np.where(values & 1, -(values >> 1), values >> 1), segments[starts]


def _within(steps: Ints, lines: Ints) -> Ints:
    """Running sums that begin anew with each line."""
    if not len(steps):
        return steps
    total = np.cumsum(steps)
    is_first = np.concatenate([[True], lines[1:] != lines[:-1]])
    before = np.where(is_first, total - steps, 0)
    start = np.maximum.accumulate(np.where(is_first, np.arange(len(steps)), 0))
    found: Ints = total - before[start]
    return found


def _offset(section: Mapping[str, Any]) -> tuple[int, int]:
    offset = _object(section.get("offset"))
    line, column = offset.get("line"), offset.get("column")
    if not isinstance(line, int) or not isinstance(column, int):
        raise _malformed("a section has no offset")
    return line, column


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _malformed("a part of it is no object")
    return value


def _texts(document: Mapping[str, Any], key: str) -> Sequence[str]:
    found = document.get(key, [])
    if not isinstance(found, list):
        raise _malformed(f"its {key} are no list")
    return [text if isinstance(text, str) else "" for text in found]


def _malformed(why: str) -> MalformedInput:
    return MalformedInput(f"this is no source map: {why}", hint="upload the .map file that the build wrote")
