"""Fit the weights of evidence: a conditional logit with a ridge, coefficients of the right sign, tested on left-out groups.

    python -m tests.fitting.fit CASES... [--ridge 0.5]

Each file holds cases as ``tests/fitting/cases.py`` tells. A culprit that is not listed has a reserve of its own in cases
that are not exhaustive. Printed: coefficients with their ratios, of all groups and with each left out, and for the groups
left out: log likelihood, top-1, and what the weights say of themselves (mean weight against share right).
"""

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

Array = NDArray[np.float64]
AGAINST = frozenset({"untouched", "age", "same_day", "spread"})
"""These can only speak against a change; all others can only speak for it."""
FREE = frozenset({"size"})
RESERVE = "unattributed"


@dataclass(frozen=True, slots=True)
class Case:
    """``prior`` and ``evidence``: candidates x coefficients; ``right``: of each, and of the reserve last; sums to one."""

    group: str
    is_exhaustive: bool
    prior: Array
    evidence: Array
    right: Array


def read(lines: Iterable[Mapping[str, Any]]) -> tuple[list[str], list[Case]]:
    """Names of the coefficients, the reserve last, and the cases that have a candidate and a culprit to learn from."""
    rows = [row for row in lines if row["candidates"]]
    names = [
        *sorted({n for row in rows for c in row["candidates"] for n in (*c["prior"], *c["evidence"])}),
        RESERVE,
    ]
    index = {name: at for at, name in enumerate(names)}
    cases = []
    for row in rows:
        parts = {}
        for part in ("prior", "evidence"):
            parts[part] = np.zeros((len(row["candidates"]), len(names)))
            for at, candidate in enumerate(row["candidates"]):
                for name, value in candidate[part].items():
                    parts[part][at, index[name]] = value
        right = np.array([float(c["is_culprit"]) for c in row["candidates"]] + [0.0])
        if not right.sum():
            if row["exhaustive"]:
                continue
            right[-1] = 1.0
        cases.append(
            Case(row["group"], row["exhaustive"], parts["prior"], parts["evidence"], right / right.sum())
        )
    return names, cases


def weights_of(case: Case, coefficients: Array) -> Array:
    """Weight of each candidate, and of the reserve last."""
    return _weights(case, coefficients)[0]


def _weights(case: Case, w: Array) -> tuple[Array, Array]:
    """Weights, and the gradient of each score: candidates + 1 x coefficients."""
    prior = case.prior @ w
    shares = np.exp(prior - prior.max())
    shares /= shares.sum()
    gradient = np.vstack([case.prior - shares @ case.prior + case.evidence, np.zeros((1, len(w)))])
    score = np.append(np.log(np.maximum(shares, 1e-300)) + case.evidence @ w, -np.inf)
    if not case.is_exhaustive:
        # The reserve is a log odds against all candidates together.
        score[-1] = w[-1]
        gradient[-1, -1] = 1.0
    weight = np.exp(score - score.max())
    return weight / weight.sum(), gradient


def fit(cases: Sequence[Case], names: Sequence[str], ridge: float) -> Array:
    """Coefficients of the greatest penalised likelihood; the reserve is not penalised."""
    penalty = np.full(len(names), ridge)
    penalty[-1] = 0.0

    def loss(w: Array) -> tuple[float, Array]:
        total, slope = float((penalty * w * w).sum()), 2 * penalty * w
        for case in cases:
            weight, gradient = _weights(case, w)
            total -= float(case.right @ np.log(np.maximum(weight, 1e-12)))
            slope = slope + (weight - case.right) @ gradient
        return total, slope

    bounds = [
        (None, None) if n in FREE or n == RESERVE else (None, 0.0) if n in AGAINST else (0.0, None)
        for n in names
    ]
    found = minimize(
        loss, np.zeros(len(names)), jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 300}
    )
    return np.asarray(found.x)


def held_out(cases: Sequence[Case], names: Sequence[str], ridge: float) -> dict[str, dict[str, Any]]:
    """Per group: what weights that never saw it make of it."""
    found = {}
    for group in sorted({case.group for case in cases}):
        w = fit([case for case in cases if case.group != group], names, ridge)
        tested = [case for case in cases if case.group == group]
        weights = [weights_of(case, w) for case in tested]
        heaviest = [int(np.argmax(weight[:-1])) for weight in weights]
        found[group] = {
            "n": len(tested),
            "log_likelihood": float(
                sum(c.right @ np.log(np.maximum(p, 1e-12)) for c, p in zip(tested, weights, strict=True))
            ),
            "top1": float(np.mean([c.right[at] > 0 for c, at in zip(tested, heaviest, strict=True)])),
            "mean_weight": float(np.mean([p[at] for p, at in zip(weights, heaviest, strict=True)])),
            "coefficients": dict(zip(names, map(float, w), strict=True)),
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--ridge", type=float, default=0.5)
    asked = parser.parse_args()
    lines = [
        json.loads(line) for file in asked.files for line in file.read_text(encoding="utf-8").splitlines()
    ]
    names, cases = read(lines)
    whole = fit(cases, names, asked.ridge)
    without = held_out(cases, names, asked.ridge) if len({case.group for case in cases}) > 1 else {}
    print(f"{len(cases)} cases; coefficient, ratio, and the coefficient without each of {', '.join(without)}")
    for at, name in enumerate(names):
        others = " ".join(f"{told['coefficients'][name]:7.2f}" for told in without.values())
        print(f"{name:24}{whole[at]:7.2f}{np.exp(whole[at]):10.2f}   {others}")
    for group, told in without.items():
        figures = " ".join(f"{name} {told[name]:.3f}" for name in ("log_likelihood", "top1", "mean_weight"))
        print(f"left out {group}: n {told['n']} {figures}")


if __name__ == "__main__":
    main()
