"""The fit of live evidence: it learns what speaks and what does not, and leaves alone what it has no case of."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.fitting.companies import Model, read


def rows(count: int = 60) -> list[str]:
    """Companies in which ``blamed_line`` finds the culprit and ``changed_matter`` is noise."""
    chance = np.random.default_rng(3)
    found = []
    for n in range(count):
        culprit = int(chance.integers(4))
        candidates = [
            {
                "sha": f"c{at}",
                "share": 1.0,
                "evidence": [
                    *([{"kind": "blamed_line", "log_lr": 1.0}] if at == culprit else []),
                    *([{"kind": "changed_matter", "log_lr": 1.0}] if chance.random() < 0.5 else []),
                ],
            }
            for at in range(4)
        ]
        weighed = {"candidates": candidates, "no_change": [], "no_change_prior": 0.3}
        found.append(json.dumps({"noun": "group", "seed": n, "truth": f"c{culprit}", "weighed": weighed}))
    return found


def test_what_finds_the_culprit_counts_more_and_noise_less(tmp_path: Path) -> None:
    (tmp_path / "cases.jsonl").write_text("\n".join(rows()))
    kinds, cases = read(tmp_path / "cases.jsonl")
    model = Model(kinds)
    fitted = dict(zip(kinds, model.fit(cases, 0.5), strict=False))
    assert fitted["blamed_line"] > 1.5
    assert fitted["changed_matter"] < 0.5


def test_a_strong_ridge_leaves_everything_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "cases.jsonl").write_text("\n".join(rows(10)))
    kinds, cases = read(tmp_path / "cases.jsonl")
    model = Model(kinds)
    assert model.fit(cases, 1e6) == pytest.approx(model.start, abs=1e-3)


def test_weights_of_a_case_sum_to_one(tmp_path: Path) -> None:
    (tmp_path / "cases.jsonl").write_text("\n".join(rows(5)))
    kinds, cases = read(tmp_path / "cases.jsonl")
    model = Model(kinds)
    for case in cases:
        assert np.exp(model.log_weights(model.start, case)).sum() == pytest.approx(1)
