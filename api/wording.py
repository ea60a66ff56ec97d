"""Figures into words: numbers formatted once, sentences from templates, never from a language model.

Every text that a page, the report or the terminal shows about a figure is made here, so that equal figures give equal
bytes everywhere. Directions come from the interval and nothing else; no sentence says "caused", none names a person.
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from api import lexicon

Figure = Mapping[str, object]
"""A row of an answer: at least ``value, low, high, numerator, denominator, n, status, suppressed``."""

MISSING = "–"
MINUS = "\u2212"

RATIO_SHOWN_MAX = 100.0
"""An interval that reaches beyond is printed as open: such a bound says nothing."""

NOT_ENOUGH = "not enough data"
NO_DIFFERENCE = "no difference shown"


# --- numbers --------------------------------------------------------------------------------------


def count(value: object, digits: int = 0) -> str:
    """A count with a narrow no-break space between thousands and ``digits`` decimals: ``1 020``, ``28.4``."""
    number = _number(value)
    return MISSING if number is None else f"{number:,.{digits}f}".replace(",", "\u202f")


def figure(value: object, unit: str) -> str:
    """One value in its unit: ``6.8%``, ``12.3``, ``1.70×``; a missing one is an en dash, never 0."""
    number = _number(value)
    if number is None:
        return MISSING
    if math.isinf(number):
        return "∞"
    if unit == "percent":
        return f"{number * 100:.1f}%"
    if unit == "ratio":
        return f"{number:.2f}×" if number < 10 else f"{number:.0f}×"
    if unit == "hours":
        return duration(number * 3600)
    if unit == "minutes":
        return duration(number * 60)
    if unit == "days":
        return f"{number:.1f} d"
    if unit == "count":
        return count(number)
    return f"{number:.2f}" if unit in ("per_1000_lines", "per_day") else f"{number:.1f}"


def interval(low: object, high: object, unit: str) -> str:
    """``4.6–9.6%``; an open end reads ``at least`` or ``at most``; no interval is an en dash."""
    least, most = _number(low), _number(high)
    if most is not None and (math.isinf(most) or (unit == "ratio" and most > RATIO_SHOWN_MAX)):
        most = None
    if least is None and most is None:
        return MISSING
    if most is None:
        return f"at least {figure(least, unit)}"
    if least is None:
        return f"at most {figure(most, unit)}"
    left, right = figure(least, unit), figure(most, unit)
    suffix = {"percent": "%", "ratio": "×"}.get(unit, "")
    return f"{left.removesuffix(suffix)}–{right}" if suffix else f"{left}–{right}"


def share(value: object) -> str:
    """A share or a weight in [0, 1] as whole percent: ``81%``; below one half percent ``<1%``, never 0 or 100 by rounding."""
    number = _number(value)
    if number is None:
        return MISSING
    if 0 < number < 0.005:
        return "<1%"
    if 0.995 <= number < 1:
        return ">99%"
    return f"{number * 100:.0f}%"


def rough(value: float) -> int:
    """A number to two significant digits: 1 020 changes are "about 1 000"."""
    return int(float(f"{value:.2g}"))


def log_odds(value: object) -> str:
    """``+3.4`` or ``−0.3``, with a true minus; evidence for or against, in natural log units."""
    number = _number(value)
    if number is None:
        return MISSING
    text = f"{abs(number):.1f}"
    return text if text == "0.0" else f"{MINUS if number < 0 else '+'}{text}"


def duration(seconds: object) -> str:
    """``45 s``, ``12 min``, ``2 h 13 min``, ``3 d 4 h``; negative spans keep their sign."""
    number = _number(seconds)
    if number is None:
        return MISSING
    sign, total = (MINUS if number < 0 else ""), round(abs(number))
    days, rest = divmod(total, 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    if days:
        text = f"{days} d {hours} h" if hours else f"{days} d"
    elif hours:
        text = f"{hours} h {minutes} min" if minutes else f"{hours} h"
    elif minutes:
        text = f"{minutes} min"
    else:
        text = f"{rest} s"
    return sign + text


def moment(value: object) -> str:
    """``22 Nov 2026, 14:03 UTC`` of an aware time or an RFC 3339 text; anything else is an en dash."""
    point = at(value)
    return MISSING if point is None else f"{point.day} {point:%b %Y, %H:%M} UTC"


def day(value: object) -> str:
    """``22 Nov 2026``."""
    point = at(value)
    return MISSING if point is None else f"{point.day} {point:%b %Y}"


def at(value: object) -> datetime | None:
    """An aware UTC time of a time (naive ones are UTC) or an RFC 3339 text; None for anything else."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def rfc3339(value: object) -> str | None:
    """``2026-11-22T14:03:00Z``, to the second; None stays None."""
    point = at(value)
    return None if point is None else f"{point:%Y-%m-%dT%H:%M:%SZ}"


def short_sha(value: object) -> str:
    """The first ten digits of a sha, for people."""
    return str(value)[:10] if value else MISSING


def label(names: Mapping[str, str], code: object) -> str:
    """The name of ``code`` in ``names``; a code that has none is shown as words."""
    text = str(code or "")
    return names.get(text) or (text.replace("_", " ").capitalize() if text else MISSING)


def plural(number: object, noun: str, nouns: str | None = None) -> str:
    """``1 change``, ``23 changes``."""
    return f"{count(number)} {noun if number == 1 else (nouns or noun + 's')}"


# --- judgements -----------------------------------------------------------------------------------


def direction(ratio: Figure) -> str:
    """``higher``, ``lower`` or ``no difference shown``: what the interval of a ratio says, ``not enough data`` when it is withheld."""
    if ratio.get("suppressed") or str(ratio.get("status", "ok")) != "ok":
        return NOT_ENOUGH
    low, high = _number(ratio.get("low")), _number(ratio.get("high"))
    if low is not None and low > 1:
        return "higher"
    if high is not None and high < 1:
        return "lower"
    return NO_DIFFERENCE


def is_shown(row: Figure) -> bool:
    """Whether the point of a figure may be printed."""
    return row.get("value") is not None and not row.get("suppressed")


def not_enough(have: object, need: object, noun: str = "changes") -> str:
    """``not enough data: 23 of 30 changes``."""
    if need is None:
        return "not enough data"
    return f"not enough data: {count(have)} of {count(need)} {noun}"


def value_with_interval(row: Figure, unit: str, level: float = 0.95) -> str:
    """``6.8% (95% interval 4.6–9.6%)``; with the point withheld only the interval, named so."""
    span = interval(row.get("low"), row.get("high"), unit)
    name = f"{level * 100:.0f}% interval"
    if is_shown(row):
        point = figure(row.get("value"), unit)
        return point if span == MISSING else f"{point} ({name} {span})"
    return "no figure" if span == MISSING else f"{name} {span}"


def scope(
    since: datetime, until: datetime, as_of: datetime, repository: str | None, service: str | None
) -> str:
    """What an answer is about: ``Changes of 23 Aug 2026 – 22 Nov 2026 in all repositories and services, as of ...``."""
    if repository and service:
        where = f"of {service} in {repository}"
    elif repository or service:
        where = f"of {repository or service}"
    else:
        where = "in all repositories and services"
    return f"Changes of {day(since)} – {day(until)} {where}, as of {moment(as_of)}."


def method_note(method: str, assumed: Mapping[str, Any] | None) -> str | None:
    """What a method assumes, in a few words; ``assumed``: sensitivity and basis of the marks."""
    if method == "armaware_mh_tagcorrected" and assumed:
        basis = "by audit" if assumed["basis"] == "audit" else "assuming that"
        return f"{basis} {share(assumed['sensitivity'])} of AI work carries a mark"
    return lexicon.METHOD_NOTES.get(method)


def lasted(incident: Figure, as_of: datetime) -> str:
    """``2 h 13 min``, or ``open for 3 d`` until ``as_of``."""
    opened, resolved = at(incident.get("opened_at")), at(incident.get("resolved_at"))
    if opened is None:
        return MISSING
    if resolved is None:
        return f"open for {duration(max(0.0, (as_of - opened).total_seconds()))}"
    return duration((resolved - opened).total_seconds())


def attribution(answer: Mapping[str, Any]) -> str:
    """Where the evidence of one incident points, in one or two sentences that blame nobody."""
    candidates, none, rest = answer["candidates"], answer["no_change"], answer["unattributed"]
    if answer["incident"].get("is_false_alarm"):
        return "Reported as a false alarm: it counts against no change."
    first = candidates[0] if candidates else None
    setting = answer["settings"][0] if answer.get("settings") else None
    heaviest = max(none, rest, first["weight"] if first else 0.0, setting["weight"] if setting else 0.0)
    if setting is not None and setting["weight"] == heaviest:
        start = "" if heaviest > 0.5 else "No clear answer: "
        what = "a feature flag" if setting["candidate"] == "flag" else "configuration"
        return f"{start}{share(heaviest)} of the weight falls on {what} that changed without a commit: {setting['setting']}."
    if first is not None and first["weight"] == heaviest:
        start = "" if heaviest > 0.5 else "No clear answer: "
        others = len(candidates) - 1
        beside = (
            f" {plural(others, 'other change')} {'is' if others == 1 else 'are'} listed." if others else ""
        )
        return f"{start}{share(heaviest)} of the weight falls on one change, which is {lexicon.ORIGIN_PHRASES[first['origin']]}.{beside}"
    if none == heaviest:
        start = "Most likely" if heaviest > 0.5 else "No clear answer; first of all,"
        return f"{start} no change is to blame: {share(none)} of the weight."
    return f"Too little connects this incident to any change: {share(rest)} of the weight stays unattributed."


def finite(value: object) -> float | None:
    """A finite number or None: an open end of an interval has no number in JSON."""
    number = _number(value)
    return None if number is None or math.isinf(number) else number


def interval_name(row: Figure) -> str:
    """``95% interval``."""
    level = _number(row.get("level"))
    return f"{(0.95 if level is None else level) * 100:g}% interval"


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return None if math.isnan(value) else float(value)
