"""Intervals as inline SVG: one small drawing per table row on a scale that all rows of the table share.

Pure: numbers in, SVG text out. Only presentation attributes are used (no ``style``, no class, no script), so that the
drawings survive a strict content security policy, mail clients and PDF printers whose page CSS does not reach inline
SVG. Lines and labels are ``currentColor``; the two tones reach 3:1 against the light and the dark page alike, and
arms differ by shape as well. An end that leaves the axis is drawn as an arrow, never clipped silently.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from api import wording

WIDTH = 320
HEIGHT = 28
MARGIN = 14
"""Drawing units on both sides of the axis: room for an arrow and for half a tick label."""

TONES: dict[str, str] = {
    "ai_marked": "#2f7ebc",
    "not_ai_marked": "#7b8087",
    "plain": "#7b8087",
    "ours": "#2f7ebc",
}
"""Colour of a mark by arm. Neither is red or green: a tone must not say which arm is worse."""

LINEAR_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
SMALLEST_AXIS = 1e-4
LOG_TICKS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Scale:
    """A horizontal axis from ``low`` to ``high`` in the unit of the figure; ``reference`` is drawn as a stronger line."""

    low: float
    high: float
    ticks: tuple[float, ...]
    unit: str
    is_log: bool = False
    reference: float | None = None

    def x(self, value: float) -> float:
        """Position of ``value`` in drawing units, beyond the margins when it is beyond the axis."""
        if self.is_log:
            if value <= 0:
                return -math.inf
            share = (math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        else:
            share = (value - self.low) / (self.high - self.low)
        return MARGIN + share * (WIDTH - 2 * MARGIN)


def rate_scale(values: Iterable[object], unit: str) -> Scale:
    """A linear axis from zero that holds the points and, as far as they are not extreme, the intervals.

    The axis ends at the largest finite value, but at no more than 3 times the median of the upper ends, so that one
    wide interval of a tiny group cannot flatten the others (it gets an arrow). Proportions never pass 100 %.
    """
    finite = sorted(v for v in (_finite(value) for value in values) if v is not None and v > 0)
    top = finite[-1] if finite else 1.0
    if finite:
        top = min(top, 3 * finite[len(finite) // 2] if len(finite) > 2 else top)
    if unit == "percent":
        top = min(top, 1.0)
    step = _step(max(top, SMALLEST_AXIS) / 4)
    last = max(1, math.ceil(top / step - 1e-9))
    ticks = tuple(round(step * i, 10) for i in range(last + 1))
    return Scale(0.0, ticks[-1], ticks, unit)


def ratio_scale(values: Iterable[object]) -> Scale:
    """A logarithmic axis around 1, symmetric, from 0.5-2 to at most 0.1-10."""
    finite = [v for v in (_finite(value) for value in values) if v is not None and v > 0]
    reach = max((max(v, 1 / v) for v in finite), default=2.0)
    bound = next((b for b in (2.0, 5.0, 10.0) if reach <= b), 10.0)
    ticks = tuple(t for t in LOG_TICKS if 1 / bound - 1e-9 <= t <= bound + 1e-9)
    return Scale(1 / bound * 0.9, bound / 0.9, ticks, "ratio", is_log=True, reference=1.0)


def axis(scale: Scale) -> Markup:
    """The axis as a drawing for the head or foot of the column; its labels are decoration (each row says its numbers)."""
    labels = []
    for tick in scale.ticks:
        x = scale.x(tick)
        labels.append(
            f'<line x1="{_c(x)}" y1="16" x2="{_c(x)}" y2="20" stroke="currentColor" stroke-opacity="0.5"/>'
            f'<text x="{_c(x)}" y="11" font-size="10.5" text-anchor="middle" fill="currentColor">{escape(_tick(tick, scale.unit))}</text>'
        )
    first, last = _c(scale.x(scale.low)), _c(scale.x(scale.high))
    line = f'<line x1="{first}" y1="16" x2="{last}" y2="16" stroke="currentColor" stroke-opacity="0.35"/>'
    return _svg(20, line + "".join(labels), label=None)


def interval(
    scale: Scale,
    *,
    low: object,
    value: object,
    high: object,
    tone: str = "plain",
    label: str = "",
    shown: bool = True,
) -> Markup:
    """One row: gridlines, the interval as a bar, the point as a dot (``ai_marked``, ``ours``) or a diamond.

    Args:
        low, value, high: in the unit of ``scale``; None or infinite ends are open and drawn as arrows.
        tone: key of :data:`TONES`.
        label: what a screen reader says; the figure in words.
        shown: False leaves the point out and dashes the bar: the figure is withheld, its interval is not.
    """
    colour = TONES.get(tone, TONES["plain"])
    parts = [_grid(scale, HEIGHT)]
    least, most, point = _finite(low), _finite(high), _finite(value)
    if least is not None or most is not None:
        parts.append(_bar(scale, least, most, colour, dashed=not shown))
    if point is not None and shown:
        x = scale.x(point)
        if MARGIN - 1 <= x <= WIDTH - MARGIN + 1:
            parts.append(_mark(x, HEIGHT / 2, colour, is_dot=tone in ("ai_marked", "ours")))
    if least is None and most is None and point is None:
        parts.append(
            f'<text x="{_c(WIDTH / 2)}" y="18" font-size="11" text-anchor="middle" fill="currentColor" fill-opacity="0.7">no data</text>'
        )
    return _svg(HEIGHT, "".join(parts), label=label)


def weights(parts: Sequence[tuple[str, float]], *, label: str, width: int = WIDTH) -> Markup:
    """A stacked bar of shares that sum to at most one; ``parts``: (tone, share) from left to right.

    Tones: ``first`` the heaviest candidate, ``other`` further candidates, ``no_change``, ``unattributed``.
    """
    height, x = 14, 0.0
    drawn = []
    for tone, weight in parts:
        span = max(0.0, min(float(weight), 1.0)) * width
        if span < 0.05:
            continue
        attributes = _WEIGHT_TONES.get(tone, _WEIGHT_TONES["unattributed"])
        drawn.append(
            f'<rect x="{_c(x)}" y="1" width="{_c(max(span - 1.5, 0.5))}" height="12" rx="2" {attributes}/>'
        )
        x += span
    return _svg(height, "".join(drawn), label=label, width=width)


def bar(value: object, *, label: str, width: int = 120) -> Markup:
    """A share in [0, 1] as a bar on a track."""
    number = _finite(value)
    filled = 0.0 if number is None else max(0.0, min(number, 1.0)) * width
    track = f'<rect x="0" y="3" width="{width}" height="6" rx="3" fill="currentColor" fill-opacity="0.12"/>'
    fill = (
        f'<rect x="0" y="3" width="{_c(filled)}" height="6" rx="3" fill="{TONES["ours"]}"/>' if filled else ""
    )
    return _svg(12, track + fill, label=label, width=width)


def signed(value: object, *, reach: float, label: str, width: int = 120) -> Markup:
    """Evidence for (right) or against (left) as a bar from the middle; ``reach`` is the value at either edge."""
    number = _finite(value) or 0.0
    middle, height = width / 2, 12
    length = min(abs(number) / reach, 1.0) * (middle - 2) if reach > 0 else 0.0
    start = middle if number >= 0 else middle - length
    colour = TONES["ours"] if number >= 0 else TONES["plain"]
    axis_line = f'<line x1="{_c(middle)}" y1="0" x2="{_c(middle)}" y2="{height}" stroke="currentColor" stroke-opacity="0.4"/>'
    fill = f'<rect x="{_c(start)}" y="3" width="{_c(length)}" height="6" rx="2" fill="{colour}"/>'
    return _svg(height, axis_line + fill, label=label, width=width)


_WEIGHT_TONES = {
    "first": 'fill="#2f7ebc"',
    "other": 'fill="#2f7ebc" fill-opacity="0.45"',
    "no_change": 'fill="#7b8087"',
    "unattributed": 'fill="#7b8087" fill-opacity="0.18" stroke="#7b8087" stroke-dasharray="3 2"',
}


def _svg(height: float, body: str, *, label: str | None, width: int = WIDTH) -> Markup:
    described = f'role="img" aria-label="{escape(label)}"' if label else 'aria-hidden="true"'
    return Markup(  # noqa: S704  every text inside is escaped, every number is formatted by _c
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_c(height)}" width="{width}" '
        f'height="{_c(height)}" font-family="system-ui, sans-serif" {described}>{body}</svg>'
    )


def _grid(scale: Scale, height: float) -> str:
    lines = []
    for tick in scale.ticks:
        is_reference = scale.reference is not None and tick == scale.reference
        opacity = "0.55" if is_reference else "0.13"
        x = _c(scale.x(tick))
        lines.append(
            f'<line x1="{x}" y1="0" x2="{x}" y2="{_c(height)}" stroke="currentColor" stroke-opacity="{opacity}"/>'
        )
    return "".join(lines)


def _bar(scale: Scale, low: float | None, high: float | None, colour: str, *, dashed: bool) -> str:
    left, right, y = float(MARGIN), float(WIDTH - MARGIN), HEIGHT / 2
    start = scale.x(low) if low is not None else -math.inf
    end = scale.x(high) if high is not None else math.inf
    drawn_start, drawn_end = min(max(start, left), right), max(min(end, right), left)
    dash = ' stroke-dasharray="4 3"' if dashed else ""
    parts = [
        f'<line x1="{_c(drawn_start)}" y1="{_c(y)}" x2="{_c(drawn_end)}" y2="{_c(y)}" stroke="{colour}" stroke-width="2.5"{dash}/>'
    ]
    # An end beyond the axis gets an arrow at the edge it crosses, pointing outwards; an end on the axis a short cap.
    if start < left - 0.5:
        parts.append(_arrow(left, y, -1, colour))
    elif start > right + 0.5:
        parts.append(_arrow(right, y, 1, colour))
    else:
        parts.append(_cap(start, y, colour))
    if end > right + 0.5:
        parts.append(_arrow(right, y, 1, colour))
    elif end < left - 0.5:
        parts.append(_arrow(left, y, -1, colour))
    else:
        parts.append(_cap(end, y, colour))
    return "".join(parts)


def _arrow(x: float, y: float, direction: int, colour: str) -> str:
    tip, base = x + direction * 9, x + direction * 1
    return f'<path d="M{_c(tip)} {_c(y)}L{_c(base)} {_c(y - 5)}L{_c(base)} {_c(y + 5)}Z" fill="{colour}"/>'


def _cap(x: float, y: float, colour: str) -> str:
    return f'<line x1="{_c(x)}" y1="{_c(y - 4)}" x2="{_c(x)}" y2="{_c(y + 4)}" stroke="{colour}" stroke-width="1.5"/>'


def _mark(x: float, y: float, colour: str, *, is_dot: bool) -> str:
    if is_dot:
        return f'<circle cx="{_c(x)}" cy="{_c(y)}" r="5" fill="{colour}"/>'
    d = 5.5
    return f'<path d="M{_c(x - d)} {_c(y)}L{_c(x)} {_c(y - d)}L{_c(x + d)} {_c(y)}L{_c(x)} {_c(y + d)}Z" fill="{colour}"/>'


def _step(raw: float) -> float:
    """The smallest round number at or above ``raw``: 1, 2, 2.5 or 5 times a power of ten."""
    power = 10 ** math.floor(math.log10(raw)) if raw > 0 else 1.0
    return next(s * power for s in LINEAR_STEPS if s * power >= raw - 1e-12)


def _tick(value: float, unit: str) -> str:
    if unit == "percent":
        return f"{value * 100:g}%"
    if unit == "ratio":
        return f"{value:g}×"
    return wording.count(value) if value == int(value) else f"{value:g}"


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _c(value: float) -> str:
    """A coordinate to one tenth of a unit, the same text on every machine."""
    text = f"{value:.1f}"
    return text.removesuffix(".0") if text != "-0.0" else "0"
