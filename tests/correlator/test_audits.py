"""Audits of tags: the sample, and what labels say. Truth is made, so that the figures can be held to it."""

import random
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from builders import START
from hypothesis import given, settings
from hypothesis import strategies as st

from correlator import adjusted_ratios, audits, ratios
from schemas.errors import MalformedInput

Row = dict[str, Any]


def population(
    count: int, seed: int, *, prevalence: float, sensitivity: float, specificity: float
) -> list[Row]:
    """Changes with a hidden truth and tags that err at the given rates."""
    chance = random.Random(seed)
    rows = []
    for number in range(count):
        is_ai = chance.random() < prevalence
        is_marked = chance.random() < (sensitivity if is_ai else 1 - specificity)
        origin = "ai" if is_marked else chance.choice(["unknown", "unknown", "human"])
        rows.append(
            {
                "repository": f"acme/{number % 3}",
                "sha": f"{number:040x}",
                "origin": origin,
                "confidence": chance.choice("AB") if is_marked else None,
                "landed_at": START + timedelta(hours=number),
                "truth": "ai" if is_ai else "other",
            }
        )
    return rows


def labelled(rows: list[Row], *, sample: int, seed: int) -> list[Row]:
    by_sha = {row["sha"]: row for row in rows}
    return [
        drawn | {"origin": by_sha[drawn["sha"]]["origin"], "label": by_sha[drawn["sha"]]["truth"]}
        for drawn in audits.draw(rows, sample=sample, seed=seed)
    ]


def test_intervals_hold_the_truth_most_of_the_time() -> None:
    truths = {"prevalence": 0.3, "sensitivity": 0.75, "specificity": 0.97}
    held = dict.fromkeys(truths, 0)
    for seed in range(40):
        found = audits.figures(labelled(population(2000, seed, **truths), sample=200, seed=seed))
        for name, truth in truths.items():
            value, low, high = getattr(found, name)
            assert low <= value <= high
            held[name] += low <= truth <= high
    assert min(held.values()) >= 34, held


def test_the_figures_are_weighted_to_all_changes() -> None:
    """Half of the sample is marked though a tenth of the changes is: the naive share would say 0.94."""
    rows = population(4000, 1, prevalence=0.15, sensitivity=0.6, specificity=0.999)
    found = audits.figures(labelled(rows, sample=400, seed=1))
    assert found.sensitivity is not None
    assert abs(found.sensitivity[0] - 0.6) < 0.12
    assert found.prevalence is not None
    assert abs(found.prevalence[0] - 0.15) < 0.05


def test_the_errors_for_the_rates_have_the_mean_and_spread_of_the_audit() -> None:
    found = audits.figures(
        labelled(population(3000, 2, prevalence=0.4, sensitivity=0.8, specificity=0.98), sample=300, seed=2)
    )
    assert found.errors is not None
    assert found.errors.basis == "audit"
    assert found.sensitivity is not None
    assert abs(found.errors.sensitivity - found.sensitivity[0]) < 0.02
    hits, trials = found.errors.found + 0.5, found.errors.ai_labelled + 1
    spread = (hits * (trials - hits) / trials**2 / (trials + 1)) ** 0.5
    assert abs(4 * spread - (found.sensitivity[2] - found.sensitivity[1])) < 0.03


def test_few_labels_leave_the_assumption_of_the_rates() -> None:
    rows = labelled(population(500, 3, prevalence=0.4, sensitivity=0.8, specificity=0.98), sample=100, seed=3)
    for row in rows[12:]:
        row["label"] = None
    found = audits.figures(rows)
    assert found.errors is None
    assert found.labelled == 12
    assert audits.figures([row | {"label": None} for row in rows]).sensitivity is None
    unsure = audits.figures([row | {"label": "unsure"} for row in rows])
    assert (unsure.unsure, unsure.labelled, unsure.errors) == (100, 0, None)


def test_a_tag_that_changed_since_the_draw_counts_as_it_is_now() -> None:
    rows = labelled(population(500, 4, prevalence=0.4, sensitivity=0.5, specificity=1.0), sample=120, seed=4)
    before = audits.figures(rows)
    after = audits.figures([row | {"origin": "ai" if row["label"] == "ai" else "unknown"} for row in rows])
    assert before.sensitivity is not None
    assert after.sensitivity is not None
    assert before.sensitivity[0] < 0.7 < after.sensitivity[0] == 1.0


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.dictionaries(st.sampled_from(["ai", "mixed", "human", "unknown"]), st.integers(0, 60)),
    sample=st.integers(1, 150),
    seed=st.integers(0, 99),
)
def test_a_draw_has_each_change_once_and_as_many_as_there_are(
    sizes: dict[str, int], sample: int, seed: int
) -> None:
    rows = [
        {
            "repository": "r",
            "sha": f"{origin}{n}",
            "origin": origin,
            "confidence": "A",
            "landed_at": START + timedelta(hours=n),
        }
        for origin, size in sizes.items()
        for n in range(size)
    ]
    machine = {"repository": "r", "sha": "m", "origin": "automation", "confidence": "A", "landed_at": START}
    if not rows:
        with pytest.raises(MalformedInput):
            audits.draw([machine], sample=sample, seed=seed)
        return
    drawn = audits.draw([*rows, machine], sample=sample, seed=seed)
    assert len(drawn) == len({row["sha"] for row in drawn}) == min(sample, len(rows))
    assert [row["position"] for row in drawn] == list(range(len(drawn)))
    assert all(row["stratum_drawn"] <= row["stratum_size"] for row in drawn)
    assert drawn == audits.draw(rows, sample=sample, seed=seed)
    assert "m" not in {row["sha"] for row in drawn}


def test_the_rates_take_an_audit_for_their_word() -> None:
    """Tags that miss more say that more of the difference is hidden: the corrected ratio lies further from one."""
    rows = population(3000, 5, prevalence=0.4, sensitivity=0.5, specificity=0.99)
    errors = audits.figures(labelled(rows, sample=400, seed=5)).errors
    assert errors is not None
    # A fifth of the changes is marked, and they fail at 1.5 times the rate of the others.
    failed_marked, failed_others = np.array([[0.2 * 0.8 * 1.5]]), np.array([[0.8 * 0.2]])
    by_audit, assumed = (
        float(
            adjusted_ratios.true_ratio(
                failed_marked,
                failed_others,
                np.array([[0.2]]),
                np.array([e.found / e.ai_labelled]),
                np.array([e.passed / e.other_labelled]),
            )[0]
        )
        for e in (errors, ratios.ASSUMED)
    )
    assert by_audit > assumed > 1.5
