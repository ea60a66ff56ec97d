"""Does attribution treat changes that AI made as it treats the others, of equal kind and size? Figures by origin."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from worlds.cases import Case

Stratum = tuple[str, ...]
Values = dict[Stratum, list[tuple[int, bool, float]]]
"""By stratum: of each case or change its company, whether AI made it, and the value."""


def report(cases: Sequence[Case], changes: Sequence[Mapping[str, Any]]) -> str:
    """Weight on true culprits, how often they are the heaviest, and weight on changes that are not to blame.

    Compared within strata: kind and size, and of culprits how they fail, which is drawn without regard to the
    origin. The 95 % interval is a jackknife over companies, as a company's cases stand and fall together.

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
            known = case.changes[case.truth] | {"seed": case.seed}
            weight = sum(s["weight"] for s in case.suspects if s["sha"] == case.truth)
            _add(held, known, weight, case.noun, case.mechanism)
            _add(right, known, float(case.is_right()), case.noun, case.mechanism)
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
    return defaultdict(list)


def _add(values: Values, traits: Mapping[str, Any], value: float, *of: str) -> None:
    kind = traits["kind"] if traits["kind"] in ("feature", "fix", "refactor", "config") else "other"
    values[kind, traits["band"], *of].append((traits["seed"], traits["is_ai"], value))


def _row(name: str, values: Values) -> str:
    seeds = sorted({seed for listed in values.values() for seed, _, _ in listed})
    at = {seed: i for i, seed in enumerate(seeds)}
    sums, counts = np.zeros((2, len(values), 2, len(seeds)))
    for stratum, listed in enumerate(values.values()):
        for seed, is_ai, value in listed:
            sums[stratum, int(is_ai), at[seed]] += value
            counts[stratum, int(is_ai), at[seed]] += 1
    others, ai = _standardized(sums.sum(axis=2), counts.sum(axis=2))
    if np.isnan(ai):
        return f"{name:<30}{'-':>9}{'-':>9}"
    without = [
        np.subtract.reduce(
            _standardized(sums.sum(axis=2) - sums[:, :, i], counts.sum(axis=2) - counts[:, :, i])
        )
        for i in range(len(seeds))
    ]
    known = np.array([gap for gap in without if not np.isnan(gap)])
    margin = 1.96 * np.sqrt((len(known) - 1) * known.var()) if len(known) > 1 else np.nan
    of_both = counts[(counts.sum(axis=2) > 0).all(axis=1)].sum(axis=(0, 2))
    return f"{name:<30}{ai:>9.3f}{others:>9.3f}{ai - others:>+12.3f}{margin:>8.3f}{of_both[1]:>7.0f}{of_both[0]:>10.0f}"


def _standardized(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Of (stratum, origin) sums and counts the means (others, AI), each stratum weighing what precision it has.

    The weight, n0 n1 / (n0 + n1), is Mantel and Haenszel's (1959): a stratum with one case of an origin says little.
    """
    weight = counts.prod(axis=1) / np.maximum(counts.sum(axis=1), 1)
    if not weight.sum():
        return np.full(2, np.nan)
    means = sums / np.maximum(counts, 1)
    return weight @ means / weight.sum()
