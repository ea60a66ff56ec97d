"""Line rework of several repositories as Markdown: AI-marked changes beside unknown ones, with intervals by change."""

from collections.abc import Iterable
from datetime import UTC, datetime

from api.line_rework import Measured
from correlator import rework_cohorts
from correlator.rework_cohorts import Cohort, Comparison, Interval
from schemas.vocabulary import Origin

_NAMES = {Origin.AI: "AI-marked", Origin.UNKNOWN: "unknown"}
_HEADINGS = (
    "repository",
    "at commit",
    "changes from",
    "cohort",
    "changes",
    "lines added",
    "reworked",
    "capped",
    "production",
    "tests",
    "by fix or revert",
    "by same author",
    "changes ≥ 25 % reworked",
)
_RATIO_HEADINGS = ("repository", "AI-marked ÷ unknown", "too young", "mixed, human, automation")


def markdown(found: Iterable[Measured], *, days: float) -> str:
    """Two tables: one line per repository and cohort, and one ratio per repository."""
    compared = [(measured, _compared(measured, days)) for measured in found]
    rates = [
        _rate_cells(measured, comparison, cohort)
        for measured, comparison in compared
        for cohort in comparison.cohorts
    ]
    ratios = [
        (
            measured.name,
            _interval(comparison.ratio, scale=1) or "too few",
            comparison.immature,
            comparison.others,
        )
        for measured, comparison in compared
    ]
    return "\n\n".join((_table(_HEADINGS, rates, text=4), _table(_RATIO_HEADINGS, ratios, text=1))) + "\n"


def _compared(measured: Measured, days: float) -> Comparison:
    until = measured.last_landed_at or datetime.min.replace(tzinfo=UTC)
    return rework_cohorts.compare(measured.fates, until, days=days)


def _rate_cells(measured: Measured, comparison: Comparison, cohort: Cohort) -> tuple[object, ...]:
    return (
        measured.name,
        f"`{measured.head[:12]}`",
        comparison.since.date().isoformat() if comparison.since else "no AI-marked change",
        _NAMES[cohort.origin],
        f"{cohort.changes:,}",
        f"{cohort.lines:,}",
        _interval(cohort.reworked) or "–",
        _percent(cohort.capped),
        _percent(cohort.production),
        _percent(cohort.test),
        _percent(cohort.fixed),
        _percent(cohort.same_author),
        _interval(cohort.changes_reworked) or "–",
    )


def _interval(found: Interval | None, *, scale: float = 100) -> str | None:
    if found is None:
        return None
    value, low, high = (
        f"{part * scale:.{1 if scale > 1 else 2}f}" for part in (found.value, found.low, found.high)
    )
    return f"{value} ({low} – {high})"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share * 100:.1f}"


def _table(headings: Iterable[str], rows: Iterable[Iterable[object]], *, text: int) -> str:
    """Columns after the first ``text`` ones are figures."""
    named = list(headings)
    rule = ["---" if index < text else "---:" for index in range(len(named))]
    lines = [named, rule, *([str(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
