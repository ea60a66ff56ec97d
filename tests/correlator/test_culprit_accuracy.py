"""Accuracy of culprits: counts over rows, paired intervals, calibration."""

import pytest

from correlator import culprit_accuracy
from correlator.culprit_accuracy import Judged


def judged(
    number: int,
    truth: str,
    suspects: list[tuple[str, float]],
    plain: list[str],
    repository: str = "acme/shop",
) -> Judged:
    return Judged(str(number), repository, frozenset(truth), suspects, suspects, plain)


def test_figures_are_summed_over_rows() -> None:
    rows = [
        judged(1, "a", [("a", 0.8), ("b", 0.1)], ["a", "b"]),
        judged(2, "cd", [("c", 0.4), ("x", 0.35)], ["x"]),
        judged(3, "e", [("y", 0.2)], []),
    ]
    found = culprit_accuracy.location(rows, seed=1)
    assert found["ours"]["precision"] == pytest.approx(2 / 3)
    assert found["ours"]["recall"] == pytest.approx(2 / 4)
    assert found["ours"]["f1"] == pytest.approx(4 / 7)
    assert found["ours"]["top1"] == pytest.approx(2 / 3)
    assert found["plain"]["precision"] == pytest.approx(1 / 3)
    assert found["plain"]["no_candidate"] == pytest.approx(1 / 3)
    assert set(found["repositories"]) == {"acme/shop"}


def test_equal_methods_differ_by_nothing_and_a_better_one_by_more() -> None:
    same = [
        judged(n, "a", [("a", 1.0)] if n % 2 else [("b", 1.0)], ["a"] if n % 2 else ["b"]) for n in range(40)
    ]
    found = culprit_accuracy.location(same, seed=3)["difference"]
    assert all(found[key] == {"value": 0, "low": 0, "high": 0} for key in ("f1", "top1"))
    better = [judged(n, "a", [("a", 1.0)], ["a"] if n % 2 else ["b"]) for n in range(40)]
    found = culprit_accuracy.location(better, seed=3)["difference"]["top1"]
    assert found["value"] == pytest.approx(0.5)
    assert 0 < found["low"] < found["value"] < found["high"]
    assert found == culprit_accuracy.location(better, seed=3)["difference"]["top1"], "the seed decides"


def test_weights_that_say_what_happens_are_calibrated() -> None:
    pairs = [(0.75, n % 4 != 0) for n in range(40)] + [(1.0, True)] * 10
    error, table = culprit_accuracy.calibration(pairs)
    assert error == pytest.approx(0)
    assert [row["n"] for row in table] == [0] * 7 + [40, 0, 10]
    error, _ = culprit_accuracy.calibration([(0.9, False)] * 5)
    assert error == pytest.approx(0.9)


def test_ranges_count_the_first_three() -> None:
    rows = [
        judged(1, "c", [("a", 0.5), ("b", 0.3), ("c", 0.2)], ["c"]),
        judged(2, "a", [("a", 0.9), ("b", 0.1)], []),
    ]
    found = culprit_accuracy.ranges(rows, seed=1)
    assert found["ours"]["top1"] == 0.5
    assert found["ours"]["top3"] == 1.0
    assert found["plain"]["top1"] == 0.5
    assert found["plain"]["no_candidate"] == 0.5
