"""Frames of generated JavaScript become frames of its sources, by the maps that were uploaded for the build.

It knows which maps there are and asks for one when a frame lies in its file. Without a map a frame stays as it is: it
maps to nothing in the tree, and so carries no evidence of a line.
Rule of names: at the place of a call a map names the function that is called, which is the function of the frame
inside; a name of one or two letters is a minifier's and is dropped where no map knows better.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from correlator.libraries import guess_in_app
from correlator.mappings import normalise
from correlator.source_maps import Original, SourceMap
from schemas.records import ExceptionLink, Frame, ParsedStack

Row = Mapping[str, Any]

UNMAPPED = "unmapped"
"""What ``group_frames.mapping`` says of a frame in generated code that no map was uploaded for."""

MAPS_MAX = 8
"""Decoded maps that memory holds."""
MINIFIED_COLUMN_MIN = 250
"""Nobody writes that far to the right: the code was joined into long lines."""

_GENERATED_NAME = re.compile(
    r"\.min\.[cm]?js\Z|[-._](?=[0-9a-f]{0,19}\d)[0-9a-f]{8,20}\.[cm]?js\Z|[-._](?:bundle|chunk)\.js\Z"
    r"|(?:^|/)(?:main|index(?:\.\w{3,8})?)\.(?:jsbundle|bundle|hbc)\Z|/_next/static/|/static/js/"
)
_MINIFIED_FUNCTION = re.compile(r"(?:[\w$]{1,2}|\?anon_.*|anonymous)\Z")

_decoded: OrderedDict[str, SourceMap] = OrderedDict()


def is_generated(frame: Frame) -> bool:
    """True for a frame in code that a bundler or a minifier wrote, as its file and its column tell."""
    file = (frame.file or "").partition("?")[0]
    if not file.endswith((".js", ".mjs", ".cjs", ".bundle", ".jsbundle", ".hbc")):
        return False
    return _GENERATED_NAME.search(file) is not None or (frame.column or 0) >= MINIFIED_COLUMN_MIN


class OriginalFrames:
    """Maps of all services.

    Args:
        known: rows of ``source_maps`` without their content.
        read: service, version, file -> the JSON of one of them.
    """

    def __init__(
        self, known: Iterable[Row] = (), read: Callable[[str, str, str], bytes] | None = None
    ) -> None:
        self._read = read
        self._known: dict[tuple[str, str], list[Row]] = {}
        for row in known:
            self._known.setdefault((row["service"], row["version"]), []).append(row)

    def of(self, stack: ParsedStack, service: str, versions: Sequence[str | None]) -> ParsedStack:
        """``stack`` with every frame that a map of one of ``versions`` knows at its place in the source."""
        if stack.language != "javascript":
            return stack
        known = next(
            (rows for version in versions if version and (rows := self._known.get((service, version)))), None
        )
        if known is None:
            return stack
        return replace(stack, chain=tuple(self._link(link, known) for link in stack.chain))

    def _link(self, link: ExceptionLink, known: Sequence[Row]) -> ExceptionLink:
        originals = [self._original(frame, known) for frame in link.frames]
        callers = [*originals[1:], None]
        pairs = zip(link.frames, originals, callers, strict=True)
        return replace(link, frames=tuple(_mapped(*pair) for pair in pairs))

    def _original(self, frame: Frame, known: Sequence[Row]) -> Original | None:
        if not frame.file or frame.line is None or frame.column is None:
            return None
        path = "/" + normalise(frame.file).lstrip("/")
        fitting = [row for row in known if path.endswith("/" + row["file"].lstrip("/"))]
        if not fitting:
            return None
        return self._map(max(fitting, key=lambda row: len(row["file"]))).original(frame.line, frame.column)

    def _map(self, row: Row) -> SourceMap:
        key = row["content_sha256"]
        if key not in _decoded:
            assert self._read is not None, "known maps can be read"
            _decoded[key] = SourceMap(self._read(row["service"], row["version"], row["file"]))
            while len(_decoded) > MAPS_MAX:
                _decoded.popitem(last=False)
        _decoded.move_to_end(key)
        return _decoded[key]


def _mapped(frame: Frame, original: Original | None, caller: Original | None) -> Frame:
    if original is None:
        return frame
    own = None if frame.function and _MINIFIED_FUNCTION.match(frame.function) else frame.function
    name = caller.name if caller is not None and caller.name else own
    in_app = False if original.is_ignored else guess_in_app(original.source)
    return Frame(original.source, name, original.line, original.column, frame.module, in_app)
