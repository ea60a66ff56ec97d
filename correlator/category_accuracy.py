"""How often the categories are right on labelled failures: exact, with plausible answers, and class by class. Pure.

Confusion per class with 95 % Wilson intervals (``estimates.wilson``): a class of a few rows says little, and shows so.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from correlator import estimates
from schemas.records import RankedCategory
from schemas.vocabulary import FailureCategory


@dataclass(frozen=True, slots=True)
class Labelled:
    """One labelled failure and its ranking. ``also_plausible``: other answers that the labeller would accept."""

    id: str
    kind: str
    category: str
    also_plausible: tuple[str, ...]
    ranked: tuple[RankedCategory, ...]

    @property
    def predicted(self) -> str:
        return str(self.ranked[0].category)

    @property
    def is_exact(self) -> bool:
        return self.predicted == self.category

    @property
    def is_plausible(self) -> bool:
        return self.is_exact or self.predicted in self.also_plausible


def measure(rows: Sequence[Labelled]) -> dict[str, Any]:
    """Accuracy of the first answers.

    Returns:
        ``exact`` and ``plausible``: ``{value, low, high, numerator, denominator}``; ``by_kind``: the same two per kind;
        ``classes``: one ``{category, recall, precision}`` per category that occurs; ``confusion``: labelled category ->
        predicted category -> rows; ``wrong``: the rows that are not exact, with the reason that decided.
    """
    confusion: dict[str, Counter[str]] = {}
    for row in rows:
        confusion.setdefault(row.category, Counter())[row.predicted] += 1
    order = [str(category) for category in FailureCategory]
    predicted = Counter(row.predicted for row in rows)
    return {
        **_both(rows),
        "by_kind": {
            kind: _both([row for row in rows if row.kind == kind])
            for kind in sorted({row.kind for row in rows})
        },
        "classes": [
            {
                "category": name,
                "recall": _share(
                    confusion.get(name, Counter())[name], confusion.get(name, Counter()).total()
                ),
                "precision": _share(confusion.get(name, Counter())[name], predicted[name]),
            }
            for name in order
            if name in confusion or name in predicted
        ],
        "confusion": {
            name: {other: confusion[name][other] for other in order if confusion[name][other]}
            for name in order
            if name in confusion
        },
        "wrong": [
            {
                "id": row.id,
                "category": row.category,
                "predicted": row.predicted,
                "is_plausible": row.is_plausible,
                "reason": row.ranked[0].reason,
            }
            for row in rows
            if not row.is_exact
        ],
    }


def _both(rows: Sequence[Labelled]) -> dict[str, Any]:
    return {
        "exact": _share(sum(row.is_exact for row in rows), len(rows)),
        "plausible": _share(sum(row.is_plausible for row in rows), len(rows)),
    }


def _share(numerator: int, denominator: int) -> dict[str, Any]:
    low, high = estimates.wilson(np.array([float(numerator)]), np.array([float(denominator)]))
    is_known = denominator > 0
    return {
        "value": round(numerator / denominator, 4) if is_known else None,
        "low": round(float(low[0]), 4) if is_known else None,
        "high": round(float(high[0]), 4) if is_known else None,
        "numerator": numerator,
        "denominator": denominator,
    }
