"""Metric answers into blocks: one block is one table of figures on one axis, ready for page, report and terminal.

Pure. A block is JSON: ``{id, metric, title, definition, unit, keyed, heading, events_heading, value_heading, level,
followup_days, rows, note, needed}``. A row adds to the figures of the answer what a reader needs: ``key, label, sub,
tone, events, shown, note, needed, level, separate``. What was withheld stays, with its interval and the reason.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api import lexicon, wording

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Measure:
    """One metric as the pages show it. ``events``: what its numerator counts; ``of``: what ``n`` counts.

    ``definition`` may name ``{days}``, the follow-up of the answer.
    """

    id: str
    metric: str
    title: str
    definition: str
    unit: str
    events: str
    of: str = "changes"


def block(
    measure: Measure,
    rows: Sequence[Mapping[str, Any]],
    meta: Mapping[str, Any],
    *,
    group: str,
    names: Mapping[str, str],
    heading: str,
    keyed: bool = False,
) -> Row:
    """The block of one answer grouped by one column.

    Args:
        rows: rows of the answer that carry ``group``.
        meta: ``meta`` of the answer: ``level`` and ``window`` are read.
        group: the column that names a row.
        names: code -> name, in the order to show; codes it does not name come after, in their own order.
        keyed: whether each row shows the key of its tone.
    """
    order = {code: index for index, code in enumerate(names)}
    listed = sorted(rows, key=lambda row: (order.get(str(row[group]), len(order)), str(row[group])))
    days = meta["window"]["followup_days"]
    return {
        "id": measure.id,
        "metric": measure.metric,
        "title": measure.title,
        "definition": measure.definition.format(days=days),
        "unit": measure.unit,
        "heading": heading,
        "events_heading": measure.events,
        "value_heading": {"percent": "Share", "ratio": "Ratio"}.get(measure.unit, "Rate"),
        "keyed": keyed,
        "grouped": False,
        "level": meta["level"],
        "followup_days": days,
        "note": None,
        "rows": [
            row_of(
                row,
                key=str(row[group]),
                label=wording.label(names, row[group]),
                meta=meta,
                measure=measure,
                digits=digits_of(listed),
            )
            for row in listed
        ],
    }


def row_of(
    row: Mapping[str, Any],
    *,
    key: str,
    label: str,
    meta: Mapping[str, Any],
    measure: Measure,
    tone: str | None = None,
    sub: str | None = None,
    digits: int = 1,
) -> Row:
    """One row of a block from one row of an answer."""
    needed = _needed(row)
    shown = wording.is_shown(row)
    return {
        "key": key,
        "label": label,
        "sub": sub,
        "tone": tone or (key if key in ("ai_marked", "not_ai_marked") else "plain"),
        "value": row.get("value") if shown else None,
        "low": wording.finite(row.get("low")),
        "high": wording.finite(row.get("high")),
        "numerator": row.get("numerator"),
        "denominator": row.get("denominator"),
        "n": row.get("n"),
        "status": row.get("status"),
        "suppressed": row.get("suppressed"),
        "shown": shown,
        "needed": needed,
        "note": None if shown else withheld(row, needed, measure.of),
        "events": events(row, measure, digits),
        "level": meta["level"],
        "separate": False,
        "group": None,
        "group_size": 1,
    }


def events(row: Mapping[str, Any], measure: Measure, digits: int) -> str:
    """``28.4 of 412``: the expected events, and the changes or lines they are counted over."""
    of = row.get("n") if measure.unit == "per_100" else row.get("denominator")
    if row.get("numerator") is None or of is None:
        return ""
    return f"{wording.count(row['numerator'], digits)} of {wording.count(of)}"


def digits_of(rows: Sequence[Mapping[str, Any]]) -> int:
    """Decimals of the numerators of one table: 1 as soon as one of them is a sum of weights, so that they align."""
    return int(any(not float(row.get("numerator") or 0).is_integer() for row in rows))


def withheld(row: Mapping[str, Any], needed: object, noun: str) -> str:
    """Why a figure is not shown: ``not enough data: 23 of 30 changes``, or the words of its reason code."""
    reason = row.get("suppressed")
    if reason == "small_n" and needed is not None:
        return wording.not_enough(row.get("n"), needed, noun)
    if reason:
        return wording.label(lexicon.REASONS, reason)
    return f"no {noun} yet" if not row.get("n") else "nothing to divide by"


def _needed(row: Mapping[str, Any]) -> int | None:
    """How many changes would be enough for this figure in all; None when it is shown or nobody can say."""
    more, n = row.get("needed"), row.get("n")
    if wording.is_shown(row) or not more:
        return None
    return int(more) + int(n or 0)
