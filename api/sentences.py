"""The answer in five sentences, made from figures by templates.

Each sentence carries its number, its interval and, where there is one, what the figure was before. The direction word
comes from the interval of a ratio; a withheld figure says how much data there is and how much would be enough. ``**``
marks what is set in bold: HTML, Markdown and the terminal share the text. No sentence says "caused".
"""

from collections.abc import Mapping, Sequence
from typing import Any

from api import lexicon, wording

Row = Mapping[str, Any]

QUESTION = "Do AI-marked changes fail more often in production?"


def headline(ratios: Row) -> dict[str, str]:
    """The one line above everything: ``{text, verdict}``; verdict as :func:`wording.direction` of the adjusted ratio."""
    row = deciding(ratios)
    if row is None:
        return {"text": "Nothing to compare yet", "verdict": wording.NOT_ENOUGH}
    verdict = wording.direction(row)
    if verdict == "higher":
        text = f"AI-marked changes are associated with more failures: {_ratio(row)}"
    elif verdict == "lower":
        text = f"AI-marked changes are associated with fewer failures: {_ratio(row)}"
    elif verdict == wording.NO_DIFFERENCE:
        text = "No difference shown between AI-marked and other changes"
    elif row.get("suppressed") == "low_overlap":
        text = "AI-marked and other changes are too unlike to compare"
    elif row.get("suppressed"):
        text = f"Too early to say{_so_far(row)}"
    else:
        text = "Nothing to compare yet"
    return {"text": text, "verdict": verdict}


def answer(
    *,
    rates: Sequence[Row],
    ratios: Row,
    rework_ratio: Row | None,
    categories: Row,
    masses: Row,
    coverage: Sequence[Row],
    before: Mapping[str, Sequence[Row]] | None = None,
) -> list[dict[str, str]]:
    """The five sentences, always five: failures, ratio, rework, how changes fail, what is not known.

    Args:
        rates: blocks by arm with ids ``failures`` and ``rework`` (see ``api/overview.py``).
        ratios: block of ratio rows.
        rework_ratio: the deciding row of the line rework ratio, None when there is none.
        categories: block with ``totals``, category -> expected failures.
        masses: ``outcomes, attributed_mass, no_change_mass, unattributed_mass`` of incidents.
        coverage: items ``{id, value, have, of}``.
        before: block id -> rows of an earlier window, for "a week earlier ..."; None leaves it out.
    """
    by_id = {block["id"]: block for block in rates}
    earlier = before or {}
    return [
        _sentence(
            "failures", _failures(by_id["failures"], earlier.get("failures")), "rates", "See the rates"
        ),
        _sentence("ratio", _compared(ratios), "ratio", "See the ratios"),
        _sentence(
            "rework", _rework(by_id["rework"], rework_ratio, earlier.get("rework")), "rates", "See the rates"
        ),
        _sentence("categories", _categories(categories), "categories", "See the categories"),
        _sentence("coverage", _coverage(masses, coverage), "coverage", "See the coverage"),
    ]


def deciding(ratios: Row) -> Row | None:
    """The ratio that a headline may rest on: adjusted, never crude, never naive."""
    return next((row for row in ratios["rows"] if row.get("decides")), None)


def _sentence(key: str, text: str, section: str, link_text: str) -> dict[str, str]:
    return {"id": key, "text": text, "link": f"#{section}", "link_text": link_text}


def _failures(block: Row, before: Sequence[Row] | None) -> str:
    ai, other = _arms(block)
    days = block["followup_days"]
    if not (ai.get("n") or other.get("n")):
        return f"No change has been in production for {days} days yet: there is **nothing to count**."
    if not wording.is_shown(ai) and not wording.is_shown(other):
        return (
            f"**{wording.plural(ai.get('n') or 0, 'AI-marked change')}** and **{wording.count(other.get('n') or 0)} "
            f"others** have been in production for {days} days: **not enough data** for a failure rate"
            f"{_need(ai, other)}{_allowed(ai, other, block['unit'])}."
        )
    said = (
        f"{_part(ai, block['unit'], 'AI-marked changes')} were followed by a failure within {days} days of "
        f"deployment; {_part(other, block['unit'], 'others')}{_earlier(block, before)}."
    )
    return said[:1].upper() + said[1:]


def _part(row: Row, unit: str, noun: str) -> str:
    """``**6.8%** of 412 AI-marked changes (95% interval 4.6–9.6%)``; withheld, what is missing."""
    if not row.get("n"):
        return f"**no figure** for {noun}: none is old enough"
    of = f"{wording.count(row['n'])} {noun}"
    span = wording.interval(row.get("low"), row.get("high"), unit)
    if wording.is_shown(row):
        return f"**{wording.figure(row.get('value'), unit)}** of {of} ({wording.interval_name(row)} {span})"
    return f"**too few** of {of} to give a figure ({row['note']})"


def _compared(ratios: Row) -> str:
    row = deciding(ratios)
    naive = [r for r in ratios["rows"] if r.get("naive") and wording.is_shown(r)]
    aside = ""
    if naive:
        said = " and ".join(f"{wording.figure(r['value'], 'ratio')} ({r['short']})" for r in naive)
        aside = f" Common rules would read {said} from the same failures."
    if row is None:
        return f"**Nothing to compare**: one of the arms has no change yet.{aside}"
    verdict = wording.direction(row)
    if verdict == wording.NOT_ENOUGH:
        return f"The ratio of AI-marked to other changes is withheld: **{row['reason']}**.{_enough(ratios, row)}{aside}"
    floor = ""
    if verdict == wording.NO_DIFFERENCE and row.get("min_detectable_ratio"):
        floor = f" This much data would show a ratio of {wording.figure(row['min_detectable_ratio'], 'ratio')} or more."
    return (
        f"{lexicon.METHODS[lexicon.DECIDING_METHOD]}, AI-marked changes fail **{_ratio(row)}** as often as others: "
        f"**{verdict}**.{floor}{aside}"
    )


def _enough(ratios: Row, row: Row) -> str:
    """How much would be enough to tell the ratio that surveys claim from none."""
    if not row.get("needed_per_arm") or not ratios.get("ratio_to_tell"):
        return ""
    return (
        f" Telling {ratios['ratio_to_tell']:g}× from no difference takes about "
        f"**{wording.count(wording.rough(row['needed_per_arm']))} changes** on each side."
    )


def _rework(block: Row, ratio: Row | None, before: Sequence[Row] | None) -> str:
    ai, other = _arms(block)
    days, unit = block["followup_days"], block["unit"]
    if not (ai.get("n") or other.get("n")):
        return f"No change is {days} days old yet: **line rework** cannot be told."
    if not wording.is_shown(ai) or not wording.is_shown(other):
        return f"How much is rewritten within {days} days: **not enough data**{_need(ai, other)}."
    verdict = wording.direction(ratio) if ratio else wording.NOT_ENOUGH
    said = ": " + (
        f"**{verdict}**" if verdict != wording.NOT_ENOUGH else "**not enough data** for a comparison"
    )
    return (
        f"**{wording.figure(ai['value'], unit)}** of the lines that AI-marked changes add are rewritten within {days} days "
        f"({wording.interval(ai['low'], ai['high'], unit)}), **{wording.figure(other['value'], unit)}** of the others "
        f"({wording.interval(other['low'], other['high'], unit)}){said}{_earlier(block, before)}."
    )


def _categories(block: Row) -> str:
    totals: Mapping[str, float] = block["totals"]
    if not totals:
        return "No new failure carries weight on a change: **how changes fail** cannot be told yet."
    whole = sum(sorted(totals.values()))
    ranked = sorted(totals.items(), key=lambda item: (-item[1], item[0]))[:3]
    names = [
        f"{wording.label(lexicon.CATEGORIES, c).lower()} ({wording.share(v / whole)})" for c, v in ranked
    ]
    rest = f", then {' and '.join(names[1:])}" if len(names) > 1 else ""
    return f"Where a change is behind a failure, it is most often **{names[0]}**{rest}."


def _coverage(masses: Row, coverage: Sequence[Row]) -> str:
    total = int(masses.get("outcomes") or 0)
    known = next((item for item in coverage if item["id"] == "tagged_share"), {})
    origin = ""
    if known.get("value") is not None:
        origin = f" The origin of **{wording.share(known['value'])}** of the changes is known."
    if not total:
        return f"**No incident** was opened in this window.{origin}"
    return (
        f"Of the weight of **{wording.plural(total, 'incident')}**, {wording.share(masses['attributed_mass'])} falls on "
        f"changes, {wording.share(masses['no_change_mass'])} on **no change**, and "
        f"{wording.share(masses['unattributed_mass'])} could not be placed.{origin}"
    )


def thin_board(board: Row) -> str:
    """One measure without any figure, in a sentence: how many changes there are, and what they allow."""
    parts = []
    for row in board["rows"]:
        cell = row["cells"][-1]
        span = wording.interval(cell["low"], cell["high"], board["unit"])
        have = f"{row['label']}, {cell['note']}"
        if cell["needed"] and cell["n"] is not None:
            have = f"{wording.count(cell['n'])} of {wording.count(cell['needed'])} {lexicon.ARM_PHRASES[row['key']]}"
        parts.append(have if span == wording.MISSING else f"{have} (so far {span} fits)")
    return f"Not enough data in any period; over {board['periods'][-1]}: {' and '.join(parts)}."


def thin_categories(block: Row) -> str:
    """What a table of counts without rates rests on, and what a rate would need."""
    first = {row["key"]: row for row in reversed(block["rows"])}
    have = [
        f"{wording.count(row['n'])} of {wording.count(row['needed'])} {lexicon.ARM_PHRASES[key]}"
        for key, row in first.items()
        if row["needed"] and row["n"] is not None
    ]
    lacking = f" Rates are withheld: {' and '.join(sorted(have))}." if have else " Rates are withheld."
    return f"New failure groups by the weight that the evidence puts on changes.{lacking}"


def thin_rows(board: Row) -> str:
    """Origins that have no figure in any column: ``Too few changes for a figure: Mixed (12), Human, declared (5).``"""
    named = [
        row["label"] if row["n"] is None else f"{row['label']} ({wording.count(row['n'])})"
        for row in board["thin"]
    ]
    return f"Too few changes for a figure: {', '.join(named)}."


# --- parts ----------------------------------------------------------------------------------------


def _ratio(row: Row) -> str:
    return f"{wording.figure(row['value'], 'ratio')} ({wording.interval(row['low'], row['high'], 'ratio')})"


def _so_far(row: Row) -> str:
    """What there is of what a ratio needs, for both sides: ``: 25 AI-marked and 21 other changes, 100 of each needed``."""
    n = (row.get("n_ai_marked"), row.get("n_compared"))
    events = (row.get("events_ai_marked"), row.get("events_compared"))
    if row["suppressed"] == "small_n" and None not in n:
        return (
            f": {wording.count(n[0])} AI-marked and {wording.count(n[1])} other changes, "
            f"{wording.count(row['n_min'])} of each needed"
        )
    if row["suppressed"] == "few_events" and None not in events:
        return (
            f": {wording.count(events[0], 1)} and {wording.count(events[1], 1)} failures, "
            f"{wording.count(row['events_min'])} on each side needed"
        )
    return ""


def _arms(block: Row) -> tuple[Row, Row]:
    found = {row["key"]: row for row in block["rows"]}
    return found.get("ai_marked", {}), found.get("not_ai_marked", {})


def _need(*rows: Row) -> str:
    """`` (23 of 30 AI-marked changes, 12 of 30 others)``; empty when nobody can say."""
    parts = [
        f"{wording.count(row['n'])} of {wording.count(row['needed'])} {lexicon.ARM_PHRASES[row['key']]}"
        for row in rows
        if row.get("needed") and row.get("n") is not None
    ]
    return f" ({', '.join(parts)})" if parts else ""


def _allowed(ai: Row, other: Row, unit: str) -> str:
    """What little there is: ``; it allows 1.2–26.6% and 0.0–15.4%``."""
    spans = [wording.interval(row.get("low"), row.get("high"), unit) for row in (ai, other)]
    return "" if wording.MISSING in spans else f"; so far anything in {spans[0]} and in {spans[1]} fits"


def _earlier(block: Row, rows: Sequence[Row] | None) -> str:
    if not rows or not any(wording.is_shown(row) for row in rows):
        return ""
    said = [
        wording.figure(row["value"], block["unit"]) if wording.is_shown(row) else "no figure" for row in rows
    ]
    return f" (a week earlier {' and '.join(said)})"
