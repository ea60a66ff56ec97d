"""Fit how much each kind of evidence of live failures counts, on generated companies; prints factors and held-out figures.

    make worlds ARGS="--seeds 24 --first 101 --cases cases.jsonl"
    python -m tests.fitting.companies cases.jsonl [--ridge 2]        # some minutes

A factor multiplies the log-likelihood ratio that the product gave: 1 leaves it, 0 drops it. A ridge pulls each toward 1,
since the companies are made up and few cases of a kind say little. Fitted beside: the log odds of ``no_change`` and of a
culprit that is not listed, and an exponent on the prior's shares. Four folds by company are held out in turn.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from correlator import suspects, weights

Array = NDArray[np.float64]
FOLDS = 4
LISTED_MIN = 0.03
"""Lighter weights are folded away and claim nothing."""


@dataclass(frozen=True, slots=True)
class Case:
    """Candidates, then ``no_change``, then whoever is not listed; ``right`` is the place of the truth among them.

    ``ratios``: places x kinds, log-likelihood ratios as given; ``shares``: logs of the candidates' prior shares.
    """

    company: int
    right: int
    ratios: Array
    shares: Array
    mass: float
    no_change: float


def read(path: Path) -> tuple[list[str], list[Case]]:
    """Kinds of evidence and the cases with a known truth: failure groups that were weighed; flags are left out."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows = [r for r in rows if r["noun"] == "group" and r.get("weighed") and not r.get("flag")]
    told = [[*(c["evidence"] for c in r["weighed"]["candidates"]), r["weighed"]["no_change"]] for r in rows]
    kinds = sorted({piece["kind"] for found in told for pieces in found for piece in pieces})
    return kinds, [_case(row, found, kinds) for row, found in zip(rows, told, strict=True)]


def _case(row: dict[str, Any], told: list[list[dict[str, Any]]], kinds: list[str]) -> Case:
    candidates = row["weighed"]["candidates"]
    shas = [c["sha"] for c in candidates]
    missing = len(shas) + 1
    right = len(shas) if not row["truth"] else shas.index(row["truth"]) if row["truth"] in shas else missing
    ratios = np.zeros((len(shas) + 2, len(kinds)))
    for at, pieces in enumerate(told):
        for piece in sorted(pieces, key=lambda piece: abs(piece["log_lr"])):
            ratios[at, kinds.index(piece["kind"])] = piece["log_lr"]
    shares = np.array([c["share"] for c in candidates])
    mass = min(float(shares.sum()), 1.0)
    return Case(
        row["seed"], right, ratios, np.log(np.maximum(shares, 1e-12)), mass, row["weighed"]["no_change_prior"]
    )


class Model:
    """Scores of a case under factors of the kinds, then (log odds of no change, of nobody listed, exponent of shares)."""

    def __init__(self, kinds: list[str]) -> None:
        self.kinds = kinds
        self.start = np.array([1.0] * len(kinds) + [0.0, 0.0, 1.0])
        self._families = [
            [at for at, kind in enumerate(kinds) if kind in family] for family in suspects.FAMILIES
        ]
        grouped = {at for family in self._families for at in family}
        self._rest = [at for at in range(len(kinds)) if at not in grouped]
        self._reserve = weights.load().prior["unattributed"]

    def log_weights(self, w: Array, case: Case) -> Array:
        """Log of the weight of each place; of a family of kinds the strongest counts."""
        *_, no_change, nobody, exponent = w
        scaled = case.ratios * w[: len(self.kinds)]
        total = scaled[:, self._rest].sum(1)
        for family in self._families:
            given = case.ratios[:, family] != 0
            strongest = np.where(given, scaled[:, family], -np.inf).max(1, initial=-np.inf)
            total = total + np.where(given.any(1), strongest, 0)
        score = np.full(len(total), -np.inf)
        score[-2] = np.log(case.no_change) + no_change + total[-2]
        score[-1] = nobody + np.log(
            self._reserve if len(case.shares) else max(1 - case.no_change, self._reserve)
        )
        if len(case.shares):
            prior = exponent * case.shares
            mass = max(1 - case.no_change - self._reserve, 1e-6) * case.mass
            score[:-2] = np.log(mass) + prior - np.logaddexp.reduce(prior) + total[:-2]
        found: Array = score - np.logaddexp.reduce(score)
        return found

    def fit(self, cases: list[Case], ridge: float) -> Array:
        """The factors under which the truths are likeliest, less what the ridge takes for each that leaves its start."""
        pull = np.array([1.0] * len(self.kinds) + [0.3, 0.3, 1.0]) * ridge

        def loss(w: Array) -> float:
            told = sum(self.log_weights(w, case)[case.right] for case in cases)
            return float((pull * (w - self.start) ** 2).sum() - told)

        bounds = [(0.0, 2.5)] * len(self.kinds) + [(-2, 3), (-3, 2), (0.1, 1.5)]
        return np.array(
            minimize(loss, self.start, method="L-BFGS-B", bounds=bounds, options={"maxiter": 60}).x
        )

    def figures(self, w: Array, cases: list[Case]) -> dict[str, float]:
        """How well the weights do on ``cases``."""
        told = [(self.log_weights(w, case), case) for case in cases]
        first = [(int(found.argmax()), len(case.shares), case.right) for found, case in told]
        claims = np.concatenate([np.exp(found[:-1]) for found, _ in told])
        true = np.concatenate([np.arange(len(found) - 1) == case.right for found, case in told])
        claims, true = claims[claims > LISTED_MIN], true[claims > LISTED_MIN]
        bins = np.minimum((claims * 10).astype(int), 9)
        gaps = [abs((claims[bins == b] - true[bins == b]).sum()) for b in range(10)]
        none_said, none_true = (
            [at == n for at, n, _ in first],
            [right == n for _, n, right in first],
        )
        both = sum(a and b for a, b in zip(none_said, none_true, strict=True))
        return {
            "cases": len(cases),
            "log_likelihood": float(np.mean([found[case.right] for found, case in told])),
            "top_1": float(np.mean([at == right for at, _, right in first])),
            "no_change_precision": both / max(sum(none_said), 1),
            "no_change_recall": both / max(sum(none_true), 1),
            "ece": sum(gaps) / len(claims),
        }


def main() -> None:
    """Fit, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("cases", type=Path)
    parser.add_argument("--ridge", type=float, default=2.0)
    asked = parser.parse_args()
    kinds, cases = read(asked.cases)
    model = Model(kinds)
    print("as shipped", _line(model.figures(model.start, cases)))
    for fold in np.array_split(np.array(sorted({case.company for case in cases})), FOLDS):
        held = [case for case in cases if case.company in fold]
        fitted = model.fit([case for case in cases if case.company not in fold], asked.ridge)
        print("held out  ", _line(model.figures(fitted, held)))
    fitted = model.fit(cases, asked.ridge)
    for name, factor in sorted(
        zip([*kinds, "(no change)", "(nobody listed)", "(shares)"], fitted, strict=True),
        key=lambda told: -told[1],
    ):
        print(f"{name:28s}{factor:6.2f}")


def _line(figures: dict[str, float]) -> str:
    return "  ".join(
        f"{name} {value:.3f}" if name != "cases" else f"{value} cases" for name, value in figures.items()
    )


if __name__ == "__main__":
    main()
