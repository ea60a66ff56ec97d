"""The figures of a backtest: how often the truth was first, how much mass it had, and whether weights mean what they say.

Cases of one cause are no independent witnesses: intervals of shares (Wilson, 95 %) count causes, those of masses and of
the calibration error (bootstrap, 95 %) draw causes. Pure.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from math import fsum
from typing import Any

import numpy as np

from correlator import estimates
from correlator.backtest import Case

BINS = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 1.000001)
"""Edges of the reliability table."""

DRAWS = 1000
SEED = 20
TOP = 3

CAVEATS = (
    "Changes that were reverted, fixed with a reference or named are the ones that somebody found: the easy ones. What "
    "nobody explained is not counted here, and we are likely worse there.",
    "A label is what the team said, not what was proven: people revert on suspicion.",
)


def figures(cases: Sequence[Case], counts: Mapping[str, int]) -> dict[str, Any]:
    """Everything that is counted over the cases, as one JSON object.

    Returns:
        ``failures``: {groups, incidents, groups_labelled, incidents_labelled, told_before, cases, causes}.
        ``exact``: of cases whose change is known: {n, causes, top_1, top_3 (shares), mass {value, low, high},
        peers {rule: {top_1, answered}}}. ``range``: the same of rollbacks of several changes. ``no_change``: {recall,
        precision} (shares). ``calibration``: {ece {value, low, high}, n, bins [{from, to, n, said, right (share)}]}.
        ``by_subject``, ``by_service``, ``by_label``, ``by_evidence``: rows {key, n, right (share), mass}. A share is {value,
        low, high, numerator, denominator}.
    """
    exact = [c for c in cases if c.label.changes and not c.label.is_range]
    ranged = [c for c in cases if c.label.is_range]
    none = [c for c in cases if not c.label.changes]
    said_none = [c for c in cases if c.top == ""]
    return {
        "failures": {**counts, "cases": len(cases), "causes": len({c.cluster for c in cases})},
        "exact": _ranked(exact) | {"peers": _peers(exact)},
        "range": _ranked(ranged),
        "no_change": {
            "recall": share(none, lambda c: c.top == ""),
            "precision": share(said_none, lambda c: not c.label.changes),
        },
        "calibration": _calibration([c for c in cases if c.top is not None]),
        "by_subject": _by(cases, lambda c: c.row["subject"]),
        "by_service": _by(cases, lambda c: c.row["service"] or "(none named)"),
        "by_label": _by(cases, lambda c: c.row["label"]["kind"]),
        "by_evidence": _by(cases, lambda c: c.row["led_by"]),
        "caveats": list(CAVEATS),
    }


def share(cases: Sequence[Case], holds: Callable[[Case], bool]) -> dict[str, Any]:
    """Share of ``cases`` that hold, with a Wilson interval (95 %) of as many trials as there are causes."""
    total, count = len(cases), sum(1 for c in cases if holds(c))
    if not total:
        return {"value": None, "low": None, "high": None, "numerator": 0, "denominator": 0}
    causes = len({c.cluster for c in cases})
    low, high = estimates.wilson(np.array([count / total * causes]), np.array([float(causes)]))
    return {
        "value": round(count / total, 4),
        "low": round(float(low[0]), 4),
        "high": round(float(high[0]), 4),
        "numerator": count,
        "denominator": total,
    }


def _ranked(cases: Sequence[Case]) -> dict[str, Any]:
    return {
        "n": len(cases),
        "causes": len({c.cluster for c in cases}),
        "top_1": share(cases, lambda c: c.is_right),
        "top_3": share(cases, lambda c: c.rank is not None and c.rank <= TOP),
        "mass": _bootstrapped(cases, lambda drawn: fsum(c.mass for c in drawn) / len(drawn)),
    }


def _peers(cases: Sequence[Case]) -> dict[str, Any]:
    found = {}
    for rule in ("newest_deployed", "blamed_at_head"):
        found[rule] = {
            "top_1": share(cases, lambda c, rule=rule: c.row["peers"][rule] in c.label.changes),  # type: ignore[misc]
            "answered": sum(1 for c in cases if c.row["peers"][rule] is not None),
        }
    return found


def _calibration(cases: Sequence[Case]) -> dict[str, Any]:
    """Of cases in which somebody, or no change, was named: how much the heaviest weighed, and how often it was right."""
    bins = []
    for low, high in pairwise(BINS):
        inside = [c for c in cases if low <= c.confidence < high]
        said = fsum(c.confidence for c in inside) / len(inside) if inside else None
        bins.append(
            {
                "from": low,
                "to": min(high, 1.0),
                "n": len(inside),
                "said": round(said, 4) if said is not None else None,
                "right": share(inside, lambda c: c.is_right),
            }
        )
    return {"ece": _bootstrapped(cases, expected_error), "n": len(cases), "bins": bins}


def expected_error(cases: Sequence[Case]) -> float:
    """Expected calibration error: mean distance, over :data:`BINS`, of what was said from how often it was right."""
    grouped: dict[int, list[Case]] = defaultdict(list)
    for case in cases:
        grouped[int(np.searchsorted(BINS, case.confidence, side="right"))].append(case)
    return fsum(
        abs(fsum(c.confidence - c.is_right for c in inside)) for _, inside in sorted(grouped.items())
    ) / len(cases)


def _by(cases: Sequence[Case], key: Callable[[Case], str]) -> list[dict[str, Any]]:
    counted = Counter(key(c) for c in cases)
    rows = []
    for name in sorted(counted, key=lambda n: (-counted[n], n)):
        inside = [c for c in cases if key(c) == name]
        mass = round(fsum(c.mass for c in inside) / len(inside), 4)
        rows.append(
            {"key": name, "n": len(inside), "right": share(inside, lambda c: c.is_right), "mass": mass}
        )
    return rows


def _bootstrapped(cases: Sequence[Case], of: Callable[[Sequence[Case]], float]) -> dict[str, Any]:
    """``of`` with its percentile interval (95 %) over causes drawn with replacement; none below two causes."""
    if not cases:
        return {"value": None, "low": None, "high": None}
    groups: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        groups[case.cluster].append(case)
    ordered = [groups[name] for name in sorted(groups)]
    value = round(of(cases), 4)
    if len(ordered) < 2:
        return {"value": value, "low": None, "high": None}
    rng = np.random.default_rng(SEED)
    drawn = [
        of(_joined(ordered[i] for i in rng.integers(len(ordered), size=len(ordered)))) for _ in range(DRAWS)
    ]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return {"value": value, "low": round(float(low), 4), "high": round(float(high), 4)}


def _joined(parts: Iterable[Sequence[Case]]) -> list[Case]:
    return [case for part in parts for case in part]
