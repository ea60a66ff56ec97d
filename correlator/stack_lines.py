"""How well a stack fits the source at a revision: what its lines say there, against what the stack says they say. Pure.

Line numbers drift with every commit, so that of several revisions which may have run most do not fit. Python prints the
text of each line; of every language the line of a caller names what it calls.
"""

import re
from collections.abc import Callable, Mapping, Sequence

from correlator import function_names
from schemas.records import Frame

Located = Sequence[tuple[Frame, str | None, str | None]]
"""(frame, its path in the repository or None, how it was mapped), innermost first."""

MISFIT = 0.25
"""Likelihood of a line that does not say what it should: calls go through variables, decorators and macros."""

LINES_MAX = 6
AROUND = 3
"""Lines asked for on each side: the same question as when people look at it."""

# The text stands deeper than the next frame, which a frame without text is followed by.
_PRINTED = re.compile(
    r'^\s*File "(?P<file>[^"\n]{1,500})", line (?P<line>\d{1,7}), in [^\n]*\n[ |]{4,60}(?P<text>[^\s\n][^\n]*)$',
    re.M,
)


def likelihood(located: Located, text: str | None, line_of: Callable[[str, int], str | None]) -> float:
    """How likely the stack is, were the source what ``line_of`` says: 1 when every line fits, at least a millionth.

    Args:
        text: the stack as sent, for the lines that it prints.
        line_of: (path, line) -> text of that line at the revision, None when there is none.
    """
    printed = {(m["file"], int(m["line"])): m["text"].strip() for m in _PRINTED.finditer(text or "")}
    found, looked_at, callee = 1.0, 0, None
    for frame, path, _ in located:
        if path is not None and frame.line is not None and looked_at < LINES_MAX:
            said = line_of(path, frame.line)
            fits = _fits(said, printed, frame, callee)
            looked_at += fits is not None
            found *= MISFIT if fits is False else 1.0
        callee = function_names.bare(frame.function or "") or None
    return max(found, 1e-6)


def _fits(
    said: str | None, printed: Mapping[tuple[str, int], str], frame: Frame, callee: str | None
) -> bool | None:
    """Whether one line says what it should; None when nothing tells what that is."""
    if said is None or not said.strip():
        return False
    shown = printed.get((frame.file or "", frame.line or 0))
    if shown is not None:
        return shown in said or said.strip() in shown
    if callee is None or not callee.isidentifier():
        return None
    return callee in said
