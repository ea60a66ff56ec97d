"""Plain SVG for pages that are read as images: own colours and a white ground, for an image inherits no page's ink."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 720, 340
LEFT, RIGHT, TOP, BOTTOM = 64, 200, 54, 52
INK, FAINT = "#24292f", "#d0d7de"
TONES = ("#2f7ebc", "#b35900", "#7b8087", "#6f42c1")
"""Blue for ours, orange and grey for what misleads. Marks differ by shape too."""


@dataclass(frozen=True, slots=True)
class Axis:
    """From ``low`` to ``high`` with labelled ``ticks``; a logarithmic one is even in ratios."""

    label: str
    low: float
    high: float
    ticks: Sequence[tuple[float, str]]
    is_log: bool = False

    def share(self, value: float) -> float:
        turn: Callable[[float], float] = math.log if self.is_log else float
        return (turn(min(max(value, self.low), self.high)) - turn(self.low)) / (
            turn(self.high) - turn(self.low)
        )


@dataclass(slots=True)
class Picture:
    """One chart: a title that says what it shows, two axes, a legend at the right."""

    title: str
    x: Axis
    y: Axis
    _parts: list[str] = field(default_factory=list)
    _legend: list[tuple[str, int]] = field(default_factory=list)

    def at(self, x: float, y: float) -> tuple[float, float]:
        across = LEFT + self.x.share(x) * (WIDTH - LEFT - RIGHT)
        return round(across, 1), round(HEIGHT - BOTTOM - self.y.share(y) * (HEIGHT - TOP - BOTTOM), 1)

    def line(
        self, points: Sequence[tuple[float, float]], tone: int, name: str, *, has_marks: bool = True
    ) -> None:
        path = " ".join(f"{x},{y}" for x, y in (self.at(*point) for point in points))
        dash = ' stroke-dasharray="6 4"' if tone == 1 else ""
        self._parts.append(
            f'<polyline points="{path}" fill="none" stroke="{TONES[tone]}" stroke-width="2.5"{dash}/>'
        )
        if has_marks:
            for point in points:
                self.mark(*point, tone)
        self._legend.append((name, tone))

    def mark(self, x: float, y: float, tone: int) -> None:
        across, up = self.at(x, y)
        colour = TONES[tone]
        if tone == 0:
            self._parts.append(f'<circle cx="{across}" cy="{up}" r="4.5" fill="{colour}"/>')
        elif tone == 1:
            self._parts.append(f'<rect x="{across - 4}" y="{up - 4}" width="8" height="8" fill="{colour}"/>')
        else:
            points = f"{across},{up - 5} {across + 5},{up + 4} {across - 5},{up + 4}"
            self._parts.append(f'<polygon points="{points}" fill="{colour}"/>')

    def interval(self, x: float, value: float, low: float, high: float | None, tone: int) -> None:
        """A mark with its whisker; an end beyond the axis, or unbounded, is drawn as an arrow."""
        top = self.y.high if high is None else high
        across, end = self.at(x, top)
        start = self.at(x, low)[1]
        self._parts.append(
            f'<line x1="{across}" y1="{start}" x2="{across}" y2="{end}" stroke="{TONES[tone]}" stroke-width="2"/>'
        )
        if high is None or high > self.y.high:
            points = f"{across - 5},{end + 7} {across + 5},{end + 7} {across},{end - 2}"
            self._parts.append(f'<polygon points="{points}" fill="{TONES[tone]}"/>')
        if low < self.y.low:
            points = f"{across - 5},{start - 7} {across + 5},{start - 7} {across},{start + 2}"
            self._parts.append(f'<polygon points="{points}" fill="{TONES[tone]}"/>')
        self.mark(x, value, tone)

    def rule(self, y: float, text: str) -> None:
        """A reference line across, with its name."""
        across, up = self.at(self.x.low, y)
        self._parts.append(
            f'<line x1="{across}" y1="{up}" x2="{WIDTH - RIGHT}" y2="{up}" stroke="{INK}" stroke-width="1"/>'
            f'<text x="{WIDTH - RIGHT + 6}" y="{up + 4}" font-size="12">{escape(text)}</text>'
        )

    def label(self, name: str, tone: int) -> None:
        """An entry of the legend for marks that no line joins."""
        self._legend.append((name, tone))

    def svg(self) -> str:
        grid = []
        for value, text in self.y.ticks:
            across, up = self.at(self.x.low, value)
            grid.append(
                f'<line x1="{across}" y1="{up}" x2="{WIDTH - RIGHT}" y2="{up}" stroke="{FAINT}"/>'
                f'<text x="{LEFT - 8}" y="{up + 4}" text-anchor="end" font-size="12">{escape(text)}</text>'
            )
        for value, text in self.x.ticks:
            across = self.at(value, self.y.low)[0]
            grid.append(
                f'<text x="{across}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle" font-size="12">{escape(text)}</text>'
            )
        legend = []
        for k, (name, tone) in enumerate(self._legend):
            up = TOP + 8 + 20 * k
            shape = Picture(self.title, Axis("", 0, 1, ()), Axis("", 0, 1, ()))
            shape.mark(0, 0, tone)
            moved = f"translate({WIDTH - RIGHT + 14 - LEFT} {up - HEIGHT + BOTTOM})"
            legend.append(f'<g transform="{moved}">{shape._parts[0]}</g>')
            legend.append(f'<text x="{WIDTH - RIGHT + 26}" y="{up + 4}" font-size="12">{escape(name)}</text>')
        middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
                f'height="{HEIGHT}" font-family="sans-serif" fill="{INK}" role="img">',
                f"<title>{escape(self.title)}</title>",
                f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
                f'<text x="16" y="26" font-size="15" font-weight="bold">{escape(self.title)}</text>',
                f'<text x="16" y="44" font-size="12">{escape(self.y.label)}</text>',
                *grid,
                *self._parts,
                *legend,
                f'<text x="{middle}" y="{HEIGHT - 12}" text-anchor="middle" font-size="12">{escape(self.x.label)}</text>',
                "</svg>\n",
            ]
        )
