"""Which names of environments mean the same place. Pure; knows no service and no time."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]

PRODUCTION_NAMES = frozenset({"production", "prod", "prd", "live"})
"""Spellings of one environment: a pager says ``production`` where a manifest says ``prod``."""

TRIAL_NAMES = frozenset(
    {
        "staging",
        "stage",
        "stg",
        "dev",
        "development",
        "test",
        "testing",
        "qa",
        "uat",
        "ci",
        "preview",
        "local",
    }
)
"""Environments that nobody means who names none."""


def unnamed(told: Iterable[Row], seen: Iterable[Row]) -> dict[str, str]:
    """service -> the environment that rows without one mean, where deployments and spans together name only one.

    Deployments that say ``production`` and spans that say nothing are one timeline: as two, each deployment counts twice.
    """
    named: dict[str, set[str]] = defaultdict(set)
    for row in (*told, *seen):
        if row["environment"] and row["environment"].lower() not in TRIAL_NAMES:
            named[row["service"]].add(row["environment"])
    return {service: next(iter(found)) for service, found in named.items() if len(found) == 1}


def fitting(name: str, known: Sequence[str]) -> str | None:
    """The one of ``known`` that ``name`` means; '' is the environment that was not named. None when none fits, or several."""
    if name in known:
        return name
    lowered = name.lower()
    named = [other for other in known if other]
    if not name:
        found = [other for other in named if other.lower() not in TRIAL_NAMES]
    elif lowered in PRODUCTION_NAMES:
        found = [other for other in named if other.lower() in PRODUCTION_NAMES] or [""]
    else:
        found = [other for other in named if other.lower() == lowered]
        found = found or ([] if lowered in TRIAL_NAMES else [""])
    return found[0] if len(found) == 1 and found[0] in known else None


def is_same(one: str | None, other: str | None) -> bool:
    """True when both name one environment, or either names none."""
    if not one or not other:
        return True
    return fitting(one, [other]) is not None
