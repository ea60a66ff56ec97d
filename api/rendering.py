"""The one Jinja environment of pages and report: templates, the words and the drawings they may use."""

import hashlib
import re
from base64 import b64encode
from datetime import datetime, timedelta
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from api import charts, lexicon, sentences, wording

_BOLD = re.compile(r"\*\*(.+?)\*\*")


@cache
def environment() -> Environment:
    """Templates of ``api/templates``; undefined names are errors, HTML is escaped, Markdown is not."""
    made = Environment(
        loader=PackageLoader("api", "templates"),
        undefined=StrictUndefined,
        autoescape=select_autoescape(enabled_extensions=("html",), default=False),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.globals.update(
        axis=charts.axis,
        bar=_bar,
        day=wording.day,
        emphasised=emphasised,
        figure=wording.figure,
        interval=wording.interval,
        label=wording.label,
        level=level,
        cell=cell,
        last_day=last_day,
        log_odds=wording.log_odds,
        places=lexicon.PLACES,
        plain=plain,
        table_text=table_text,
        thin_board=sentences.thin_board,
        thin_categories=sentences.thin_categories,
        thin_rows=sentences.thin_rows,
        two_lines=two_lines,
        moment=wording.moment,
        duration=wording.duration,
        count=wording.count,
        plot=plot,
        plural=wording.plural,
        scale_of=scale_of,
        share=wording.share,
        short_sha=wording.short_sha,
        signed=charts.signed,
        masses=masses,
        minus=wording.MINUS,
        arms=lexicon.ARMS,
        bases=lexicon.BASES,
        categories=lexicon.CATEGORIES,
        candidates=lexicon.CANDIDATES,
        evidence_names=lexicon.EVIDENCE,
        kinds=lexicon.KINDS,
        merge_methods=lexicon.MERGE_METHODS,
        origins=lexicon.ORIGINS,
        outcomes=lexicon.OUTCOMES,
        roles=lexicon.ROLES,
        style_version=style_digest()[:12],
    )
    return made


def render(template: str, **values: Any) -> str:
    """Text of ``api/templates/TEMPLATE`` filled with ``values``."""
    return environment().get_template(template).render(**values)


@cache
def static_file(name: str) -> bytes:
    """Content of ``api/static/NAME``.

    Raises:
        FileNotFoundError: there is no such file.
    """
    return resources.files("api").joinpath("static", name).read_bytes()


def style() -> str:
    """The style sheet as text, to embed in a file that stands alone."""
    return static_file("style.css").decode()


def style_digest() -> str:
    """SHA-256 of the style sheet, hex."""
    return hashlib.sha256(static_file("style.css")).hexdigest()


def style_markup() -> Markup:
    """The style sheet for inside a ``style`` element; it is ours, and holds no ``</``."""
    return Markup(style())  # noqa: S704


def style_source() -> str:
    """The embedded style sheet as a CSP source: ``'sha256-...'`` of the text between the ``style`` tags."""
    return f"'sha256-{b64encode(hashlib.sha256(style().encode()).digest()).decode()}'"


def emphasised(text: str) -> Markup:
    """``**bold**`` of our own sentences as ``<strong>``; everything else is escaped."""
    return Markup(_BOLD.sub(r"<strong>\1</strong>", str(escape(text))))  # noqa: S704  escaped before


def plain(text: str) -> str:
    """The same sentence without its marks."""
    return _BOLD.sub(r"\1", text)


def two_lines(note: str) -> Markup:
    """``not enough data: 25 of 30 changes`` on two lines, for a narrow column."""
    head, _, rest = note.partition(": ")
    return Markup("{}<br>{}").format(head, rest) if rest else escape(note)


def cell(row: dict[str, Any], unit: str) -> str:
    """One cell of the scoreboard as text: ``6.8% (4.6–9.6%)``, or why there is none."""
    if not row["shown"]:
        return str(row["note"])
    span = wording.interval(row["low"], row["high"], unit)
    point = wording.figure(row["value"], unit)
    return point if span == wording.MISSING else f"{point} ({span})"


def last_day(end: object) -> datetime | None:
    """The last day of a span that ends, exclusively, at ``end``."""
    point = wording.at(end)
    return None if point is None else point - timedelta(days=1)


def table_text(value: object) -> str:
    """Text that stays in one cell of a Markdown table and cannot start markup of its own."""
    text = " ".join(str(value).split())
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", text)


def level(value: object) -> str:
    """``95%``."""
    return f"{float(str(value)) * 100:g}%"


def scale_of(block: dict[str, Any]) -> charts.Scale:
    """The axis that all rows of a block share."""
    ends = [row[end] for row in block["rows"] for end in ("low", "high")]
    points = [row["value"] for row in block["rows"] if row["shown"]]
    if block["unit"] == "ratio":
        return charts.ratio_scale([*ends, *points])
    return charts.rate_scale([*(row["high"] for row in block["rows"]), *points], block["unit"])


def plot(scale: charts.Scale, row: dict[str, Any]) -> Markup:
    """The drawing of one row, with the figure in words for who cannot see it."""
    words = wording.value_with_interval(row, scale.unit, row["level"])
    if not row["shown"]:
        words = f"{row['note']}, {words}"
    return charts.interval(
        scale,
        low=row["low"],
        value=row["value"],
        high=row["high"],
        tone=row["tone"],
        shown=row["shown"],
        label=f"{row['label']}: {words}",
    )


def masses(attribution: dict[str, Any], width: int = 1000) -> Markup:
    """The shares of one incident as a stacked bar: candidates, then no change, then unattributed."""
    listed = [
        ("first" if index == 0 else "other", candidate["weight"])
        for index, candidate in enumerate(attribution["candidates"])
    ]
    changes = sum(weight for _, weight in listed)
    flipped = sum(setting["weight"] for setting in attribution.get("settings", ()))
    if flipped:
        listed.append(("other", flipped))
    words = (
        f"changes {wording.share(changes)}, {f'flags and configuration {wording.share(flipped)}, ' if flipped else ''}no change {wording.share(attribution['no_change'])}, "
        f"unattributed {wording.share(attribution['unattributed'])}"
    )
    parts = [*listed, ("no_change", attribution["no_change"]), ("unattributed", attribution["unattributed"])]
    return charts.weights(parts, label=words, width=width)


def _bar(value: object, words: str, width: int = 120) -> Markup:
    return charts.bar(value, label=words, width=width)
