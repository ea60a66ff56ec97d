"""The same answer for a terminal: tables with intervals as text, incidents with their first candidate.

Returns rich renderables and prints nothing; without colours the text says the same.
"""

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from api import lexicon, rendering, wording

BARS = 10
"""Characters of a weight bar."""
INCIDENTS_MAX = 12


def summary(document: Mapping[str, Any]) -> RenderableType:
    """A weekly report (``report.document``) as far as a terminal goes: answer, rates, ratios, incidents."""
    head = Text(
        f"{document['week']}  {wording.day(document['from'])} – {_last(document['to'])}, UTC", style="dim"
    )
    return Group(head, answer(document["answer"]), Text(), incidents(document["incidents"]))


def answer(overview: Mapping[str, Any]) -> RenderableType:
    """An overview (``api/overview.py``): headline, five sentences, rates by arm, ratios."""
    return Group(
        Text(),
        Text(overview["headline"]["text"], style="bold"),
        Text(),
        *(Padding(_sentence(s["text"]), (0, 0, 0, 2)) for s in overview["sentences"]),
        Text(),
        rates(overview),
        Text(),
        ratios(overview["ratios"]),
        Text(),
        Text(overview["scope_text"], style="dim"),
    )


def rates(overview: Mapping[str, Any]) -> Table:
    """Every rate by arm: one row per arm, the interval beside it; withheld figures say what there is."""
    table = _table("", "Changes", "Count", "Rate", "95% interval")
    for block in overview["rates"]:
        for index, row in enumerate(block["rows"]):
            table.add_row(
                block["title"] if not index else "",
                row["label"],
                row["events"],
                _value(row, block["unit"]),
                wording.interval(row["low"], row["high"], block["unit"]),
                end_section=index == len(block["rows"]) - 1,
            )
    return table


def ratios(block: Mapping[str, Any]) -> Table:
    """The ratios by method, naive ones last and dim."""
    table = _table("AI-marked ÷ other changes", "Ratio", "95% interval")
    for row in block["rows"]:
        table.add_row(
            row["label"],
            _value(row, "ratio"),
            wording.interval(row["low"], row["high"], "ratio"),
            style="dim" if row["naive"] else None,
        )
    return table


def incidents(attributions: list[Mapping[str, Any]], *, most: int = INCIDENTS_MAX) -> RenderableType:
    """Incidents with their heaviest candidate; ``attributions`` as of ``queries.attributions``."""
    if not attributions:
        return Text("No incident was opened, and none was open.", style="dim")
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in ("Incident", "How it failed", "Strongest candidate", "Origin"):
        table.add_column(name, overflow="fold")
    table.add_column("Weight", no_wrap=True)
    for found in attributions[:most]:
        subject, origin, weight = _strongest(found)
        incident = found["incident"]
        title = Text(f"{incident['external_id']} ", style="bold") + Text(
            str(incident["title"]), style="not bold"
        )
        table.add_row(
            title,
            wording.label(lexicon.CATEGORIES, found["category"]),
            Text(subject),
            origin,
            _weight(weight),
        )
    rest = len(attributions) - most
    return (
        Group(table, Text(f"and {wording.plural(rest, 'more incident')}", style="dim")) if rest > 0 else table
    )


def _strongest(found: Mapping[str, Any]) -> tuple[str, str, float]:
    first = found["candidates"][0] if found["candidates"] else None
    rest = max(found["no_change"], found["unattributed"])
    setting = found["settings"][0] if found.get("settings") else None
    if setting is not None and setting["weight"] >= max(rest, first["weight"] if first else 0.0):
        return (
            f"{lexicon.CANDIDATES[setting['candidate']]}: {setting['setting']}",
            "",
            float(setting["weight"]),
        )
    if first is not None and first["weight"] >= rest:
        name = f"{first['subject']} ({wording.short_sha(first['change'])})"
        return name, wording.label(lexicon.ORIGINS, first["origin"]), float(first["weight"])
    code = "no_change" if found["no_change"] >= found["unattributed"] else "unattributed"
    return lexicon.CANDIDATES[code], "", float(rest)


def _table(first: str, *columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column(first, overflow="fold")
    for name in columns:
        table.add_column(name, justify="left" if name == "Changes" else "right", overflow="fold")
    return table


def _value(row: Mapping[str, Any], unit: str) -> Text:
    if row["shown"]:
        return Text(wording.figure(row["value"], unit), style="bold")
    return Text(str(row["note"]).removeprefix(f"{wording.NOT_ENOUGH}: "), style="dim")


def _weight(weight: float) -> Text:
    filled = round(weight * BARS)
    return Text("█" * filled + "░" * (BARS - filled) + f" {wording.share(weight):>4}")


def _sentence(text: str) -> Text:
    """``**bold**`` of a sentence as a rich style; its brackets are text, not markup."""
    made = Text("• ")
    for index, part in enumerate(text.split("**")):
        made.append(part, style="bold" if index % 2 else None)
    return made


def _last(end: object) -> str:
    return wording.day(rendering.last_day(end))
