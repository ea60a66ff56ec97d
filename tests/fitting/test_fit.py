"""The fit finds the coefficients that made the cases, and keeps signs."""

from typing import Any

import numpy as np
import pytest

from tests.fitting import fit

TRUE = {"blamed_line": 3.0, "changed_file": 1.0, "untouched": -1.0}


def drawn(n: int, seed: int, *, coefficients: dict[str, float] = TRUE) -> list[dict[str, Any]]:
    chance = np.random.default_rng(seed)
    lines = []
    for number in range(n):
        kinds = chance.choice([*coefficients], size=8, p=[0.1, 0.3, 0.6])
        scores = np.exp([coefficients[kind] for kind in kinds])
        culprit = chance.choice(8, p=scores / scores.sum())
        candidates = [
            {"sha": str(at), "is_culprit": bool(at == culprit), "prior": {}, "evidence": {str(kind): 1.0}}
            for at, kind in enumerate(kinds)
        ]
        lines.append(
            {"case": str(number), "group": f"g{number % 3}", "exhaustive": True, "candidates": candidates}
        )
    return lines


def test_the_coefficients_behind_the_cases_are_found() -> None:
    names, cases = fit.read(drawn(1500, 4))
    found = dict(zip(names, fit.fit(cases, names, 0.01), strict=True))
    # Only differences are determined where a culprit is always listed.
    assert found["blamed_line"] - found["changed_file"] == pytest.approx(2, abs=0.25)
    assert found["changed_file"] - found["untouched"] == pytest.approx(2, abs=0.25)


def test_evidence_against_a_change_never_counts_for_it() -> None:
    names, cases = fit.read(
        drawn(300, 5, coefficients={"blamed_line": 0.0, "changed_file": -2.0, "untouched": 2.0})
    )
    found = dict(zip(names, fit.fit(cases, names, 0.01), strict=True))
    assert found["untouched"] <= 0 <= found["changed_file"]


def test_weights_of_a_case_sum_to_one_and_the_reserve_is_kept_where_the_culprit_may_be_missing() -> None:
    lines = drawn(30, 6)
    for line in lines[::2]:
        line["exhaustive"] = False
    names, cases = fit.read(lines)
    coefficients = fit.fit(cases, names, 0.5)
    for case in cases:
        weight = fit.weights_of(case, coefficients)
        assert weight.sum() == pytest.approx(1)
        assert (weight[-1] == 0) == case.is_exhaustive


def test_a_group_is_tested_by_weights_that_never_saw_it() -> None:
    names, cases = fit.read(drawn(150, 7))
    found = fit.held_out(cases, names, 0.1)
    assert set(found) == {"g0", "g1", "g2"}
    assert sum(told["n"] for told in found.values()) == 150
    assert all(told["top1"] > 0.3 for told in found.values())
