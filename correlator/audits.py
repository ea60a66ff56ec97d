"""An audit of provenance tags: which changes people are asked about, and what their labels say of the tags.

The sample is stratified by what the tags say, because the rare answers (an unmarked change that was AI's) decide
sensitivity, and systematic within a stratum over repository and time, so that it spreads over both. Each drawn change
stands for ``stratum_size / stratum_labelled`` changes. Source: Horvitz and Thompson 1952; Kish 1965 (effective sample
size); Jeffreys prior for the two shares.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from correlator.estimates import FloatArray
from correlator.ratios import TagErrors
from schemas.errors import MalformedInput
from schemas.vocabulary import AuditLabel, Origin

Row = Mapping[str, Any]

MARKED = (Origin.AI, Origin.MIXED)
LABELLED_MIN = 10
"""Labelled changes with a mark, and as many without, before the rates take an audit for their word."""
STRATUM_MIN = 5
DRAWS = 20_000
_SEED = 20_260_101


@dataclass(frozen=True, slots=True)
class AuditFigures:
    """What labels say of the tags. Shares with 95 % intervals; None where nothing was labelled.

    ``sensitivity``: share of AI-written changes that carry a mark; ``specificity``: share of the others that carry
    none; both weighted to all changes that were drawn from. ``errors``: the same as Beta counts for the rates, None
    until :data:`LABELLED_MIN` changes of either kind are labelled.
    """

    drawn: int
    labelled: int
    unsure: int
    marked_labelled: int
    unmarked_labelled: int
    sensitivity: tuple[float, float, float] | None
    specificity: tuple[float, float, float] | None
    prevalence: tuple[float, float, float] | None
    errors: TagErrors | None


def draw(changes: Sequence[Row], *, sample: int, seed: int) -> list[dict[str, Any]]:
    """Draw changes to label.

    Args:
        changes: Rows with ``repository, sha, origin, confidence, landed_at``; automation is left out, as in the rates.
        sample: How many, > 0; fewer come where there are fewer.
        seed: Equal changes and seed, equal sample.

    Returns:
        ``position, repository, sha, stratum, stratum_size, stratum_drawn``, in an order that tells nothing of the strata.

    Raises:
        MalformedInput: there is no change to draw from, or ``sample`` is none.
    """
    strata: dict[str, list[Row]] = {}
    for row in changes:
        if row["origin"] != Origin.AUTOMATION:
            strata.setdefault(_stratum(row), []).append(row)
    if sample <= 0 or not strata:
        raise MalformedInput("there is no change to draw", hint="correlate first, and ask for one or more")
    counts = _allocation({name: len(rows) for name, rows in strata.items()}, sample)
    chance = np.random.default_rng(seed)
    drawn = [
        {
            "repository": row["repository"],
            "sha": row["sha"],
            "stratum": name,
            "stratum_size": len(strata[name]),
            "stratum_drawn": counts[name],
        }
        for name in sorted(strata)
        for row in _systematic(strata[name], counts[name], float(chance.random()))
    ]
    order = chance.permutation(len(drawn))
    return [{"position": position} | drawn[int(index)] for position, index in enumerate(order)]


def figures(rows: Sequence[Row]) -> AuditFigures:
    """What the labels of one audit say of the tags as they are now.

    Args:
        rows: Every drawn change: ``stratum, stratum_size, origin`` (None: gone) and ``label`` (None: not labelled yet).
    """
    told = [row for row in rows if row["label"] in (AuditLabel.AI, AuditLabel.OTHER) and row["origin"]]
    labelled = Counter(row["stratum"] for row in told)
    marked = _class(told, labelled, is_marked=True)
    unmarked = _class(told, labelled, is_marked=False)
    sensitivity = specificity = prevalence = errors = None
    if told:
        # A fixed seed: equal labels, equal digits.
        generator = np.random.default_rng(_SEED)
        of_marked, of_unmarked = marked.draws(generator), unmarked.draws(generator)
        found, missed = marked.size * of_marked, unmarked.size * of_unmarked
        passed, false = unmarked.size * (1 - of_unmarked), marked.size * (1 - of_marked)
        sensitivity = _interval(
            _ratio(marked.size * marked.share, unmarked.size * unmarked.share), found / (found + missed)
        )
        specificity = _interval(
            _ratio(unmarked.size * (1 - unmarked.share), marked.size * (1 - marked.share)),
            passed / (passed + false),
        )
        total = marked.size + unmarked.size
        prevalence = _interval(
            (marked.size * marked.share + unmarked.size * unmarked.share) / total, (found + missed) / total
        )
        if min(marked.count, unmarked.count) >= LABELLED_MIN:
            errors = TagErrors(*_beta(found / (found + missed)), *_beta(passed / (passed + false)), "audit")
    return AuditFigures(
        drawn=len(rows),
        labelled=len(told),
        unsure=sum(row["label"] == AuditLabel.UNSURE for row in rows),
        marked_labelled=marked.count,
        unmarked_labelled=unmarked.count,
        sensitivity=sensitivity,
        specificity=specificity,
        prevalence=prevalence,
        errors=errors,
    )


@dataclass(frozen=True, slots=True)
class _Class:
    """Changes with a mark, or without: how many they stand for, and the share that people call AI's.

    ``effective``: the size of a simple sample that would tell as much (Kish).
    """

    count: int
    size: float
    share: float
    effective: float

    def draws(self, generator: np.random.Generator) -> FloatArray:
        """Posterior draws of the share."""
        hits = self.effective * self.share
        return generator.beta(hits + 0.5, self.effective - hits + 0.5, DRAWS)


def _class(told: Sequence[Row], labelled: Mapping[str, int], *, is_marked: bool) -> _Class:
    rows = [row for row in told if (row["origin"] in MARKED) is is_marked]
    weights = np.array([row["stratum_size"] / labelled[row["stratum"]] for row in rows])
    hits = np.array([row["label"] == AuditLabel.AI for row in rows], dtype=float)
    if not rows:
        return _Class(0, 0.0, 0.0, 0.0)
    total = float(weights.sum())
    return _Class(
        count=len(rows),
        size=total,
        share=float(weights @ hits) / total,
        effective=total**2 / float(weights @ weights),
    )


def _stratum(row: Row) -> str:
    return f"ai-{row['confidence'] or 'B'}" if row["origin"] == Origin.AI else str(row["origin"])


def _allocation(sizes: Mapping[str, int], sample: int) -> dict[str, int]:
    """Half to the marked strata, half to the others, by size; each gets :data:`STRATUM_MIN` where it has as many."""
    marked = {name: n for name, n in sizes.items() if name.startswith("ai-") or name == Origin.MIXED}
    others = {name: n for name, n in sizes.items() if name not in marked}
    half = min(sum(marked.values()), sample // 2)
    rest = min(sum(others.values()), sample - half)
    half = min(sum(marked.values()), sample - rest)
    return _proportional(marked, half) | _proportional(others, rest)


def _proportional(sizes: Mapping[str, int], count: int) -> dict[str, int]:
    """``count`` over strata by size, largest remainder first, none beyond its size, small ones first served."""
    given = dict.fromkeys(sizes, 0)
    for name in sorted(sizes, key=lambda n: (sizes[n], n)):
        given[name] = min(STRATUM_MIN, sizes[name], count - sum(given.values()))
    while (left := count - sum(given.values())) > 0:
        open_ = {name: sizes[name] - given[name] for name in sizes if sizes[name] > given[name]}
        total = sum(open_.values())
        shares = {name: left * room / total for name, room in open_.items()}
        for name, share in shares.items():
            given[name] += min(int(share), open_[name])
        if count - sum(given.values()) == left or left < len(open_):
            for name in sorted(open_, key=lambda n: (int(shares[n]) - shares[n], n))[
                : count - sum(given.values())
            ]:
                given[name] += given[name] < sizes[name]
    return given


def _systematic(rows: Sequence[Row], count: int, start: float) -> list[Row]:
    """``count`` of ``rows``, evenly spread over repository and landing."""
    ordered = sorted(rows, key=lambda row: (row["repository"], row["landed_at"], row["sha"]))
    step = len(ordered) / count if count else 0.0
    return [ordered[int((start + n) * step)] for n in range(count)]


def _ratio(part: float, rest: float) -> float | None:
    return part / (part + rest) if part + rest else None


def _interval(value: float | None, draws: FloatArray) -> tuple[float, float, float]:
    """(value, low, high); the mean of the draws where nothing was seen that would give a value."""
    low, high = np.quantile(draws, [0.025, 0.975])
    seen = float(draws.mean()) if value is None else value
    return round(seen, 6), round(min(float(low), seen), 6), round(max(float(high), seen), 6)


def _beta(draws: FloatArray) -> tuple[float, float]:
    """(hits, trials) whose Jeffreys posterior has the mean and variance of ``draws``."""
    mean, variance = float(draws.mean()), max(float(draws.var()), 1e-12)
    total = max(mean * (1 - mean) / variance - 1, 1.0)
    hits = max(mean * total - 0.5, 0.0)
    return round(hits, 6), round(max(total - 1, hits, 1e-6), 6)
