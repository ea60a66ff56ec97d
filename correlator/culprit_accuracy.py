"""How often the suspects of mended faults are right, beside plain ``git blame`` on the same rows. Pure.

Sets of commits are compared, counts summed over all rows (micro averages), as studies of fix-inducing commits do; the
difference of two methods gets an interval by drawing rows with replacement, both methods on the same draw.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from correlator import estimates

ANSWER_WEIGHT = 0.3
"""Suspects of at least this weight are the answer. For calibrated weights half of the F1 that is reached is best."""
DRAWS = 2_000
BINS = 10


@dataclass(frozen=True, slots=True)
class Judged:
    """One row: who did it, our suspects (sha, weight) heaviest first, the same at a flat prior, and plain blame's
    commits, the first answer first. Shas are changes of the window in range mode. ``is_any_touching``: a suspect touches
    the place or its names at all."""

    id: str
    repository: str
    truth: frozenset[str]
    suspects: Sequence[tuple[str, float]]
    flat: Sequence[tuple[str, float]]
    plain: Sequence[str]
    is_any_touching: bool = True


def location(rows: Sequence[Judged], *, seed: int) -> dict[str, Any]:
    """Precision, recall, F1 and top-1 of ``ours`` and ``plain``, and ``ours - plain``, for all and per repository.

    Returns:
        ``n``; ``ours``, ``plain``, ``flat``: shares 0..1, and the share of rows with no candidate; ``difference``: per
        figure ``{value, low, high}`` (95 %, paired bootstrap); ``repositories``: the same by name.
    """
    return _compared(rows, seed) | {
        "repositories": {
            name: _compared([row for row in rows if row.repository == name], seed)
            for name in sorted({row.repository for row in rows})
        }
    }


def ranges(rows: Sequence[Judged], *, seed: int) -> dict[str, Any]:
    """Top-1, top-3, calibration and the share of rows with no candidate, for all and per repository.

    Returns:
        ``ours``, ``flat``, ``plain``: ``top1``, ``top3``, ``none`` shares; ``ece`` and ``reliability`` of the heaviest
        suspect of each row: bins ``{low, high, n, weight, right}``; ``ece_all`` of every listed suspect.
    """
    return _ranged(rows, seed) | {
        "repositories": {
            name: _ranged([row for row in rows if row.repository == name], seed)
            for name in sorted({row.repository for row in rows})
        }
    }


def calibration(pairs: Sequence[tuple[float, bool]]) -> tuple[float, list[dict[str, Any]]]:
    """Expected calibration error, 0..1, and ten bins of equal width: mean weight against share that was right."""
    weight = np.array([w for w, _ in pairs], dtype=float)
    right = np.array([r for _, r in pairs], dtype=float)
    index = np.minimum((weight * BINS).astype(int), BINS - 1)
    table, error = [], 0.0
    for at in range(BINS):
        held = index == at
        n = int(held.sum())
        row: dict[str, Any] = {
            "low": at / BINS,
            "high": (at + 1) / BINS,
            "n": n,
            "weight": None,
            "right": None,
        }
        if n:
            row |= {"weight": float(weight[held].mean()), "right": float(right[held].mean())}
            error += n / len(pairs) * abs(row["weight"] - row["right"])
        table.append(row)
    return error, table


def _answer(suspects: Sequence[tuple[str, float]]) -> set[str]:
    return {sha for sha, weight in suspects if weight >= ANSWER_WEIGHT}


def _counts(
    rows: Sequence[Judged], answers: Sequence[set[str]], firsts: Sequence[str | None]
) -> NDArray[np.float64]:
    """Rows x (right, answered, true, first is right, no answer)."""
    return np.array(
        [
            (len(answer & row.truth), len(answer), len(row.truth), first in row.truth, not answer)
            for row, answer, first in zip(rows, answers, firsts, strict=True)
        ],
        dtype=float,
    ).reshape(-1, 5)


def _figures(sums: NDArray[np.float64], n: float) -> dict[str, NDArray[np.float64]]:
    """Figures of summed counts; the last axis of ``sums`` as in :func:`_counts`."""
    right, answered, true, first, none = np.moveaxis(sums, -1, 0)
    precision = right / np.maximum(answered, 1)
    recall = right / np.maximum(true, 1)
    f1 = 2 * right / np.maximum(answered + true, 1)
    return {"precision": precision, "recall": recall, "f1": f1, "top1": first / n, "no_answer": none / n}


def _draws(n: int, seed: int) -> NDArray[np.float64]:
    """How often each of n rows is drawn: draws x n."""
    chance = np.random.default_rng(seed)
    return chance.multinomial(n, np.full(n, 1 / n), size=DRAWS).astype(float)


def _compared(rows: Sequence[Judged], seed: int) -> dict[str, Any]:
    n = len(rows)
    told = {
        "ours": _counts(rows, [_answer(r.suspects) for r in rows], [_first(r.suspects) for r in rows]),
        "flat": _counts(rows, [_answer(r.flat) for r in rows], [_first(r.flat) for r in rows]),
        "plain": _counts(rows, [set(r.plain) for r in rows], [next(iter(r.plain), None) for r in rows]),
    }
    values = {name: {k: float(v) for k, v in _figures(c.sum(axis=0), n).items()} for name, c in told.items()}
    values["ours"]["no_candidate"] = sum(not row.is_any_touching for row in rows) / n
    values["plain"]["no_candidate"] = sum(not row.plain for row in rows) / n
    draws = _draws(n, seed)
    ours, plain = (_figures(draws @ told[name], n) for name in ("ours", "plain"))
    difference = {}
    for figure in ("precision", "recall", "f1", "top1"):
        low, high = np.quantile(ours[figure] - plain[figure], (0.025, 0.975))
        value = values["ours"][figure] - values["plain"][figure]
        difference[figure] = {"value": value, "low": float(low), "high": float(high)}
    return {"n": n, **values, "difference": difference}


def _first(suspects: Sequence[tuple[str, float]]) -> str | None:
    return suspects[0][0] if suspects else None


def _ranged(rows: Sequence[Judged], seed: int) -> dict[str, Any]:
    n = len(rows)
    ours = [[sha for sha, _ in row.suspects] for row in rows]
    flat = [[sha for sha, _ in row.flat] for row in rows]
    plain = [list(row.plain) for row in rows]
    heaviest = [(row.suspects[0][1], row.suspects[0][0] in row.truth) for row in rows if row.suspects]
    listed = [(weight, sha in row.truth) for row in rows for sha, weight in row.suspects]
    ece, table = calibration(heaviest)
    first = np.array(
        [
            [a[:1] != [] and a[0] in r.truth, p[:1] != [] and p[0] in r.truth]
            for a, p, r in zip(ours, plain, rows, strict=True)
        ],
        dtype=float,
    )
    drawn = _draws(n, seed) @ (first[:, 0] - first[:, 1]) / n
    low, high = np.quantile(drawn, (0.025, 0.975))
    top1_low, top1_high = estimates.wilson(first[:, :1].sum(axis=0), np.array([float(n)]))
    return {
        "n": n,
        "ours": _tops(rows, ours)
        | {"top1_low": float(top1_low[0]), "top1_high": float(top1_high[0])}
        | {"no_candidate": sum(not row.is_any_touching for row in rows) / n},
        "flat": _tops(rows, flat),
        "plain": _tops(rows, plain),
        "difference": {
            "top1": {
                "value": float((first[:, 0] - first[:, 1]).mean()),
                "low": float(low),
                "high": float(high),
            }
        },
        "ece": ece,
        "ece_all": calibration(listed)[0],
        "ece_flat": calibration([(r.flat[0][1], r.flat[0][0] in r.truth) for r in rows if r.flat])[0],
        "reliability": table,
    }


def _tops(rows: Sequence[Judged], found: Sequence[Sequence[str]]) -> dict[str, float]:
    n = len(rows)
    tops = {
        f"top{k}": sum(bool(set(shas[:k]) & row.truth) for row, shas in zip(rows, found, strict=True)) / n
        for k in (1, 3)
    }
    return tops | {"no_candidate": sum(not shas for shas in found) / n}
