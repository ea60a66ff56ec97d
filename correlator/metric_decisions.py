"""What a comparison's rows allow to be said: higher, lower, no difference shown, or not enough data.

The sentence comes from the interval alone: equal data, equal words.
"""

from typing import Any

from correlator.metric_catalogue import RATIO_TO_TELL
from correlator.metric_queries import MetricRow
from correlator.ratios import TagErrors

COMPARISONS = ("ai_marked:not_ai_marked", "ai_marked:human")
CRUDE, ADJUSTED, CORRECTED = "armblind_crude", "armaware_mh", "armaware_mh_tagcorrected"
LAST, WEIGHTED = "last_deployment", "share_weighted"
ADJUSTED_METHODS = (ADJUSTED, CORRECTED)
NAIVE_METHODS = (LAST, WEIGHTED)


def meta_of(rows: list[MetricRow], errors: TagErrors) -> dict[str, Any]:
    """Assumptions, and what can be decided for the default comparison in the first cell, in one sentence."""
    return {
        "assumed": {
            "basis": errors.basis,
            "sensitivity": round(errors.sensitivity, 6),
            "specificity": round(errors.specificity, 6),
            "labelled_ai": errors.ai_labelled,
            "labelled_other": errors.other_labelled,
        },
        "strata": "repository x size_band x 4 weeks",
        "naive_methods": list(NAIVE_METHODS),
        "ratio_to_tell": RATIO_TO_TELL,
        **_decision(rows),
    }


def _decision(rows: list[MetricRow]) -> dict[str, Any]:
    """The verdict of the adjusted ratio; ``decidable`` is about telling the ratio from 1.

    Never of the crude one: where AI is used for easy work, a true 1.7 reads as 1.
    """
    main = [row for row in rows if row.groups["comparison"] == COMPARISONS[0]]
    row = next((r for r in main if r.groups["method"] == ADJUSTED), None)
    if row is None or row.status != "ok" or row.value is None or row.low is None:
        row = row or (main[0] if main else None)
        why = f" ({_WHY[row.suppressed]})" if row and row.suppressed in _WHY else ""
        return _said(False, "not_enough_data", f"Not enough data for a ratio{why}.{_more(row)}", row)
    interval = f"{row.low:.2f} to {'no bound' if row.high is None else f'{row.high:.2f}'}"
    said = f"{row.value:.2f} times the rate of changes not AI-marked ({interval}, {ADJUSTED})"
    if row.low > 1:
        return _said(True, "higher", f"AI-marked changes failed more often: {said}.", row)
    if row.high is not None and row.high < 1:
        return _said(True, "lower", f"AI-marked changes failed less often: {said}.", row)
    return _said(False, "no_difference_shown", f"No difference shown: {said}.{_more(row)}", row)


_WHY = {"low_overlap": "the arms work in different places"}


def _more(row: MetricRow | None) -> str:
    needed = row.extra.get("needed") if row else None
    if row is None or needed is None or row.suppressed in _WHY:
        return ""
    if needed == 0:
        return f" A ratio of {RATIO_TO_TELL} would be told from 1 with as many changes."
    by = row.extra.get("decidable_by")
    when = f", at the present pace by {by}" if by else ""
    return f" {needed:,} more mature changes per arm would tell a ratio of {RATIO_TO_TELL} from 1{when}."


def _said(decidable: bool, verdict: str, statement: str, row: MetricRow | None) -> dict[str, Any]:
    return {
        "decidable": decidable,
        "verdict": verdict,
        "statement": statement,
        "needed": row.extra.get("needed") if row else None,
        "decidable_by": row.extra.get("decidable_by") if row else None,
    }
