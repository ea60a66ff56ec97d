"""Line rework of one repository by who wrote the changes: AI-marked against unknown, in the same period.

The same rates as ``line_rework_rate`` and ``share_of_changes_reworked`` of METRICS.md, for a repository that no
installation knows. Marks are self-declared: unknown is not human, and neither rate says why it is what it is.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from correlator import estimates, ratios
from correlator.metric_lines import BOOTSTRAP_BELOW, REWORKED_FROM
from correlator.rework import Fate, observed_days
from schemas.vocabulary import Origin

COHORTS = (Origin.AI, Origin.UNKNOWN)
LINES_CAP = 2_000
"""In the capped rate no change weighs more: one import of generated code moves the rate of a whole repository."""
COMPARED_FROM = 50
"""Changes a cohort needs for a ratio; below, the intervals are all that can be said."""
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its interval at :data:`LEVEL`."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Cohort:
    """Mature code changes of one origin; shares are 0..1, None where nothing was added."""

    origin: Origin
    changes: int
    lines: int
    reworked: Interval | None
    capped: float | None
    production: float | None
    test: float | None
    fixed: float | None
    same_author: float | None
    changes_reworked: Interval | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Cohorts in the order of :data:`COHORTS`. ``ratio``: rate of the first over that of the second at equal quarter
    and size class; None where a cohort is too small or nothing was reworked. ``others``: mature changes left out."""

    since: datetime | None
    cohorts: Sequence[Cohort]
    ratio: Interval | None
    others: int
    immature: int


def compare(fates: Iterable[Fate], as_of: datetime, *, days: float, seed: int = 1) -> Comparison:
    """Compare code changes that wrote lines, from the landing of the first AI-marked one on, observed until ``as_of``."""
    coded = [fate for fate in fates if fate.change["is_code"] and fate.lines_added > 0]
    since = min((f.change["landed_at"] for f in coded if f.change["origin"] == Origin.AI), default=None)
    in_time = [fate for fate in coded if since is not None and fate.change["landed_at"] >= since]
    mature = [fate for fate in in_time if observed_days(fate.change, as_of) >= days]
    rng = np.random.default_rng(seed)
    of = {origin: [fate for fate in mature if fate.change["origin"] == origin] for origin in COHORTS}
    return Comparison(
        since=since,
        cohorts=[_cohort(origin, found, days, rng) for origin, found in of.items()],
        ratio=_ratio(of[Origin.AI], of[Origin.UNKNOWN], days),
        others=len(mature) - sum(map(len, of.values())),
        immature=len(in_time) - len(mature),
    )


def _cohort(origin: Origin, fates: Sequence[Fate], days: float, rng: np.random.Generator) -> Cohort:
    dead = [fate.reworked(days) for fate in fates]
    added = np.array([fate.lines_added for fate in fates], dtype=np.float64)
    added_test = np.array([fate.lines_added_test for fate in fates], dtype=np.float64)
    reworked = np.minimum(np.array([found.lines for found in dead], dtype=np.float64), added)
    reworked_test = np.array([found.lines_test for found in dead], dtype=np.float64)
    weight = LINES_CAP / np.maximum(added, LINES_CAP)
    return Cohort(
        origin=origin,
        changes=len(fates),
        lines=int(added.sum()),
        reworked=_rate(reworked, added, rng),
        capped=_share((reworked * weight).sum(), (added * weight).sum()),
        production=_share((reworked - reworked_test).sum(), (added - added_test).sum()),
        test=_share(reworked_test.sum(), added_test.sum()),
        fixed=_share(sum(found.lines_fixed for found in dead), added.sum()),
        same_author=_share(sum(found.lines_same_author for found in dead), reworked.sum()),
        changes_reworked=_changes_reworked(reworked, added),
    )


def _rate(
    part: estimates.FloatArray, whole: estimates.FloatArray, rng: np.random.Generator
) -> Interval | None:
    if not whole.sum():
        return None
    found = estimates.ratio_of_sums(part, whole, np.zeros(part.size, np.int64), 1)
    if part.size < BOOTSTRAP_BELOW:
        low, high = estimates.bootstrap_t(part, whole, rng, LEVEL)
    else:
        lows, highs = estimates.ratio_logit_t(found, LEVEL)
        low, high = float(lows[0]), float(highs[0])
    return Interval(float(found.ratio[0]), low, high)


def _changes_reworked(part: estimates.FloatArray, whole: estimates.FloatArray) -> Interval | None:
    if not part.size:
        return None
    hit, n = float((part >= REWORKED_FROM * whole).sum()), float(part.size)
    low, high = estimates.wilson(np.array([hit]), np.array([n]), LEVEL)
    return Interval(hit / n, float(low[0]), float(high[0]))


def _ratio(marked: Sequence[Fate], other: Sequence[Fate], days: float) -> Interval | None:
    if min(len(marked), len(other)) < COMPARED_FROM:
        return None
    fates = [*marked, *other]
    whole = np.array([fate.lines_added for fate in fates], dtype=np.float64)
    part = np.minimum(np.array([fate.reworked(days).lines for fate in fates], dtype=np.float64), whole)
    arm = np.array([1] * len(marked) + [0] * len(other), dtype=np.int64)
    strata = {stratum: n for n, stratum in enumerate(sorted({_stratum(fate) for fate in fates}))}
    stratum = np.array([strata[_stratum(fate)] for fate in fates], dtype=np.int64)
    found = ratios.stratified_of_sums(part, whole, arm, stratum)
    return Interval(*found.interval(LEVEL)) if found else None


def _stratum(fate: Fate) -> tuple[str, int]:
    """Size class and quarter of landing."""
    landed = fate.change["landed_at"]
    return str(fate.change["size_band"]), landed.year * 4 + (landed.month - 1) // 3


def _share(part: float, whole: float) -> float | None:
    return float(part) / float(whole) if whole else None
