"""Does attribution treat changes that AI made as it treats the others, of equal kind and size? Figures by origin."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

from worlds.cases import Case

Stratum = tuple[str, str]
Values = dict[Stratum, dict[bool, list[float]]]


def report(cases: Sequence[Case], changes: Sequence[Mapping[str, Any]]) -> str:
    """Weight on true culprits, how often they are the heaviest, and weight on changes that are not to blame.

    Each standardized to the kinds and sizes of all changes: only strata that hold both origins count.

    Args:
        changes: every change of the worlds: ``seed``, ``sha`` and what ``cases.traits`` says of it.
    """
    held, right, blamed = _values(), _values(), _values()
    false: dict[tuple[int, str], float] = defaultdict(float)
    guilty = {(c.seed, c.truth) for c in cases if c.truth}
    for case in cases:
        for suspect in case.suspects:
            if suspect["sha"] and suspect["sha"] != case.truth:
                false[case.seed, suspect["sha"]] += suspect["weight"]
        if case.truth:
            known = case.changes[case.truth]
            weight = sum(s["weight"] for s in case.suspects if s["sha"] == case.truth)
            _add(held, known, weight)
            _add(right, known, float(case.is_right()))
    for change in changes:
        if (change["seed"], change["sha"]) not in guilty:
            _add(blamed, change, false[change["seed"], change["sha"]])
    rows = (("weight on the culprit", held), ("culprit@1", right), ("false weight per change", blamed))
    lines = [
        f"{'parity at equal kind and size':<30}{'AI':>9}{'others':>9}{'difference':>12}{'+-':>8}{'n AI':>7}{'n others':>10}"
    ]
    lines.append("-" * len(lines[0]))
    for name, values in rows:
        lines.append(_row(name, values))
    return "\n".join(lines)


def _values() -> Values:
    return defaultdict(lambda: {True: [], False: []})


def _add(values: Values, traits: Mapping[str, Any], value: float) -> None:
    kind = traits["kind"] if traits["kind"] in ("feature", "fix", "refactor", "config") else "other"
    values[kind, traits["band"]][traits["is_ai"]].append(value)


def _row(name: str, values: Values) -> str:
    both = {k: v for k, v in values.items() if v[True] and v[False]}
    total = sum(len(v[True]) + len(v[False]) for v in both.values())
    if not total:
        return f"{name:<30}{'-':>9}{'-':>9}"
    means, variance = {True: 0.0, False: 0.0}, 0.0
    for found in both.values():
        share = (len(found[True]) + len(found[False])) / total
        for origin, listed in found.items():
            mean = sum(listed) / len(listed)
            means[origin] += share * mean
            spread = sum((v - mean) ** 2 for v in listed) / max(len(listed) - 1, 1)
            variance += share**2 * spread / len(listed)
    counts = [sum(len(v[o]) for v in both.values()) for o in (True, False)]
    gap, margin = means[True] - means[False], 1.96 * sqrt(variance)
    return f"{name:<30}{means[True]:>9.3f}{means[False]:>9.3f}{gap:>+12.3f}{margin:>8.3f}{counts[0]:>7}{counts[1]:>10}"
