"""How a ratio becomes a row: when it is hidden, what stands beside it, by when it could be decided, what qualifies it."""

import math
from dataclasses import dataclass
from typing import Any

from correlator import power
from correlator.adjusted_ratios import Strata
from correlator.metric_catalogue import (
    ADJUSTED_EVENTS_MIN,
    COHORT_MIN,
    OVERLAP_MIN,
    RATIO_EVENTS_MIN,
    RATIO_TO_TELL,
)
from correlator.metric_data import DAY_US
from correlator.metric_decisions import ADJUSTED, ADJUSTED_METHODS, COMPARISONS, CORRECTED, NAIVE_METHODS
from correlator.metric_figures import Asked, number
from correlator.metric_queries import MetricRow, aware, unix_us
from correlator.metric_sides import Sides
from correlator.ratios import Ratio
from schemas.vocabulary import Caveat

DECIDABLE_WITHIN_US = 3650 * DAY_US
WIDER_MAX = 1.3
"""An interval so many times as wide as with known culprits and authors carries a caveat."""
CONFOUNDED_MAX = 1.15
"""The crude ratio carries a caveat where unlike places alone would move it by so much."""


@dataclass(frozen=True, slots=True)
class Estimated:
    """One method's ratio with the events behind it and what it takes to decide.

    ``error``: standard error of the log ratio, all doubt in it; ``known_error``: if culprits and authors were known.
    ``confounded``: what the crude ratio owes to places that are unlike, as a factor.
    """

    ratio: Ratio
    events_1: float
    events_0: float
    detectable: float | None
    needed_per_arm: int | None
    error: float | None = None
    known_error: float | None = None
    confounded: float | None = None

    @property
    def wider(self) -> float | None:
        """How many times as wide the interval is as one with known culprits and authors; None: unbounded, or unknown."""
        return self.error / self.known_error if self.error and self.known_error else None


def row_of(
    asked: Asked,
    time: Any,
    groups: dict[str, str],
    sides: Sides,
    strata: Strata,
    estimated: Estimated | None,
) -> MetricRow:
    """A ratio under the rules of suppression: both arms, enough events, for adjusted ones enough overlap."""
    method, n1, n0 = groups["method"], sides.n1, sides.n0
    hidden = _hidden(asked, method, n1, n0, strata.overlap, estimated)
    blank = hidden == "cohort_below_5"
    shown = None if blank else estimated
    ratio = shown.ratio if shown else None
    needed = shown.needed_per_arm if shown else None
    value = ratio.value if ratio else None
    is_significant = (
        ratio is not None
        and value is not None
        and ratio.low is not None
        and (ratio.low > 1 or (ratio.high is not None and ratio.high < 1))
    )
    nearest = None
    if ratio is not None and is_significant and ratio.low is not None:
        nearest = ratio.low if ratio.low > 1 else ratio.high
    show = hidden is None
    share = n1 / (n1 + n0) if n1 + n0 else 0.0
    sensitivity = asked.data.tag_errors.sensitivity
    extra = {
        "n_ai_marked": None if blank else n1,
        "n_compared": None if blank else n0,
        "events_ai_marked": number(shown.events_1, 6) if shown else None,
        "events_compared": number(shown.events_0, 6) if shown else None,
        "risk_difference_per_100": number(ratio.difference) if ratio and show else None,
        "risk_difference_low": number(ratio.difference_low) if ratio else None,
        "risk_difference_high": number(ratio.difference_high) if ratio else None,
        "overlap_share": None if blank else number(strata.overlap),
        "strata_used": None if blank else strata.used,
        "min_detectable_ratio": number(shown.detectable) if shown else None,
        "e_value": number(power.e_value(value)) if show and value else None,
        "e_value_nearest": number(power.e_value(nearest))
        if show and nearest
        else (1.0 if show and value else None),
        "needed_per_arm": needed,
        "needed": None if needed is None else max(0, needed - min(n1, n0)),
        "decidable_by": None if blank or is_significant else _decidable_by(asked, method, min(n1, n0), shown),
        "width_over_known": number(shown.wider) if shown else None,
        "places_ratio": number(shown.confounded) if shown else None,
        "tipping_sensitivity": number(power.tipping_sensitivity(nearest, share, sensitivity))
        if show and nearest and method in ADJUSTED_METHODS
        else None,
        "is_naive": method in NAIVE_METHODS,
    }
    is_undefined = hidden is None and value is None
    return MetricRow(
        time,
        groups,
        number(value) if show else None,
        number(ratio.low) if ratio else None,
        number(ratio.high) if ratio else None,
        number(ratio.rate_1) if ratio else None,
        number(ratio.rate_0) if ratio else None,
        None if blank else n1 + n0,
        "undefined" if is_undefined else ("ok" if show else "insufficient"),
        hidden,
        extra,
    )


def _decidable_by(asked: Asked, method: str, n: int, estimated: Estimated | None) -> str | None:
    """The day on which the interval has most likely left 1 out, if the truth is the ratio to tell and the pace holds.

    None: for other than the deciding method, in rows by time, and where it would take more than ten years.
    """
    if method != ADJUSTED or estimated is None or asked.query.interval is not None:
        return None
    start, followup = unix_us(asked.query.from_), asked.window_days * DAY_US
    span = min(unix_us(asked.query.to), asked.as_of_us - followup) - start
    ratio, needed = estimated.ratio, estimated.needed_per_arm
    if estimated.events_1 + estimated.events_0 >= ADJUSTED_EVENTS_MIN and ratio.value and estimated.error:
        factor = power.decided_at(
            math.log(ratio.value), estimated.error, RATIO_TO_TELL, level=asked.query.level
        )
    else:
        factor = max(1.0, needed / n) if needed and n else None
    if factor is None or span <= 0 or factor * span > DECIDABLE_WITHIN_US:
        return None
    return aware(int(start + factor * span + followup)).date().isoformat()


def _hidden(
    asked: Asked, method: str, n1: int, n0: int, overlap: float, estimated: Estimated | None
) -> str | None:
    if not n1 or not n0:
        return None
    if min(n1, n0) < COHORT_MIN:
        return "cohort_below_5"
    if min(n1, n0) < asked.min_n:
        return "small_n"
    if method in ADJUSTED_METHODS and overlap < OVERLAP_MIN:
        return "low_overlap"
    if estimated is None:
        return "few_events"
    if min(estimated.events_1, estimated.events_0) < RATIO_EVENTS_MIN:
        return "few_events"
    if method in ADJUSTED_METHODS and estimated.events_1 + estimated.events_0 < ADJUSTED_EVENTS_MIN:
        return "few_events"
    return None


def caveats_of(rows: list[MetricRow]) -> list[str]:
    found: list[str] = []
    if any(row.suppressed == "low_overlap" for row in rows):
        found.append(Caveat.LOW_OVERLAP)
    if any(row.status == "ok" and row.high is None for row in rows):
        found.append(Caveat.OPEN_UPPER)
    main = [row for row in rows if row.groups["comparison"] == COMPARISONS[0] and row.status == "ok"]
    wide = {row.groups["method"] for row in main if (row.extra["width_over_known"] or 0.0) > WIDER_MAX}
    if ADJUSTED in wide:
        found.append(Caveat.DIFFUSE_ATTRIBUTION)
    if CORRECTED in wide or any(row.groups["method"] == CORRECTED and row.high is None for row in main):
        found.append(Caveat.UNCERTAIN_TAGS)
    unlike = [row.extra["places_ratio"] for row in main if row.extra["places_ratio"]]
    if any(max(ratio, 1 / ratio) > CONFOUNDED_MAX for ratio in unlike):
        found.append(Caveat.CONFOUNDED_CRUDE)
    events = [row.extra.get(k) for row in rows for k in ("events_ai_marked", "events_compared")]
    if any(e == 0 for e in events):
        found.append(Caveat.ZERO_CELL)
    return found
