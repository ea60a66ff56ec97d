"""Outcomes of nobody: spread over those who could have done them, and only as far as an interval reaches."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metric_builders import ask, change, data, outcome

from correlator import estimates, metrics
from correlator.metric_cells import cohort_of, grid_of
from correlator.metric_data import MetricData
from correlator.metric_failures import counted_of
from correlator.metric_queries import MetricQuery
from correlator.metric_unattributed import unattributed_of

INCIDENT = ("incident",)


def spread(query: MetricQuery, found: MetricData) -> dict[tuple[str, ...], float]:
    """Unattributed outcomes by the labels of the cell; categories and the like are left to the caller."""
    cohort = cohort_of(query, found, 14)
    grid = grid_of(query, found.change_columns, cohort.mature, found.change_columns.deployed_at)
    counted = counted_of(query, found, cohort, INCIDENT)
    mass = unattributed_of(query, found, cohort, grid, counted)
    depth = mass.size // len(grid.groups)
    return {
        tuple(labels.values()): float(mass[g * depth :][:depth].sum()) for g, labels in enumerate(grid.groups)
    }


def nobody(name: str, at: float, **columns: Any) -> list[dict[str, Any]]:
    return outcome(name, {"unattributed": 1.0}, at=at, **columns)


def test_changes_deployed_within_the_follow_up_before_it_share_an_outcome_of_nobody():
    changes = [
        change("a", origin="ai", deployed=1),
        change("b", deployed=4),
        change("c", deployed=14),
        change("late", deployed=15.5),
        change("docs", deployed=3, is_code=False),
        change("never", deployed=None),
    ]
    found = data(changes, nobody("x", 15.2))
    # a was deployed 14.2 days before and late after it; half each to b and c, none of which AI made.
    assert spread(ask("incidents_per_100_changes", group_by=("arm",)), found) == pytest.approx(
        {("ai_marked",): 0.0, ("not_ai_marked",): 1.0}
    )
    found = data(changes, nobody("x", 14.5))
    assert spread(ask("incidents_per_100_changes", group_by=("arm",)), found) == pytest.approx(
        {("ai_marked",): 1 / 3, ("not_ai_marked",): 2 / 3}
    )


def test_an_outcome_of_a_service_is_spread_over_those_that_ran_there():
    changes = [
        change("a", origin="ai", services=["checkout"]),
        change("b", services=["billing"]),
        change("c", services=["billing", "checkout"]),
    ]
    by_arm = ask("incidents_per_100_changes", group_by=("arm",))
    assert spread(by_arm, data(changes, nobody("x", 2))) == pytest.approx(
        {("ai_marked",): 0.5, ("not_ai_marked",): 0.5}
    )
    # Of a service in which nothing was deployed, or of none at all: anybody's.
    for service in ("search", None):
        assert spread(by_arm, data(changes, nobody("x", 2, service=service))) == pytest.approx(
            {("ai_marked",): 1 / 3, ("not_ai_marked",): 2 / 3}
        )
    by_service = ask("incidents_per_100_changes", group_by=("service",))
    assert spread(by_service, data(changes, nobody("x", 2))) == pytest.approx(
        {("billing",): 0.0, ("checkout",): 1.0}
    )
    only = replace(by_arm, filters={"service": ("billing",)})
    assert spread(only, data(changes, nobody("x", 2))) == pytest.approx(
        {("ai_marked",): 0.0, ("not_ai_marked",): 0.0}
    )


def test_larger_changes_take_more_as_before_any_evidence():
    changes = [change("a", origin="ai", lines_added=400), change("b", lines_added=4)]
    found = spread(ask("incidents_per_100_changes", group_by=("arm",)), data(changes, nobody("x", 2)))
    assert found["ai_marked",] > found["not_ai_marked",] > 0
    assert sum(found.values()) == pytest.approx(1)


def test_categories_keep_their_own():
    rows = nobody("x", 2, category="data_integrity") + nobody("y", 3, category="data_integrity")
    rows += nobody("z", 3, category="configuration_deploy")
    query = ask("failure_category_rate", group_by=("category",))
    found = data([change("a"), change("b")], rows)
    cohort = cohort_of(query, found, 14)
    grid = grid_of(query, found.change_columns, cohort.mature, found.change_columns.deployed_at)
    mass = unattributed_of(query, found, cohort, grid, counted_of(query, found, cohort, INCIDENT))
    assert sorted(mass[mass > 0]) == pytest.approx([1.0, 2.0])


services = st.lists(st.sampled_from(["checkout", "billing", "search"]), unique=True, max_size=3)


@given(
    st.lists(st.tuples(st.floats(0, 20), services, st.integers(1, 2000)), min_size=1, max_size=12),
    st.lists(
        st.tuples(
            st.floats(0, 40),
            st.sampled_from(["checkout", "billing", "search", "mail", None]),
            st.floats(0, 1),
        ),
        max_size=8,
    ),
)
def test_nothing_is_lost_and_nothing_is_made(
    deployed: list[tuple[float, list[str], int]], told: list[tuple[float, str | None, float]]
):
    changes = [
        change(n, origin="ai" if n % 2 else "human", deployed=at, services=sorted(ran), lines_added=lines)
        for n, (at, ran, lines) in enumerate(deployed)
    ]
    rows = []
    for n, (at, service, weight) in enumerate(told):
        rows += outcome(
            f"x{n}",
            {"unattributed": round(weight, 6), "no_change": round(1 - weight, 6)},
            at=at,
            service=service,
        )
    found = spread(ask("incidents_per_100_changes", group_by=("arm",), end=30.0), data(changes, rows))
    whole = sum(
        round(weight, 6)
        for at, _, weight in told
        if any(_us(since) <= _us(at) <= _us(since + 14) for since, _, _ in deployed)
    )
    assert sum(found.values()) == pytest.approx(whole, abs=1e-6)
    assert min(found.values(), default=0) >= 0


def _us(day: float) -> int:
    return round(day * 86_400e6)


def test_the_interval_reaches_for_what_is_nobody_s_and_the_point_does_not():
    changes = [change(n, deployed=1 + n / 100) for n in range(100)]
    blamed = [row for n in range(5) for row in outcome(f"x{n}", {n: 1.0}, at=3)]
    lost = [row for n in range(10) for row in nobody(f"y{n}", 3)]
    asked = ask("change_failure_rate")
    (sure,) = metrics.answer(asked, data(changes, blamed)).rows
    (row,) = metrics.answer(asked, data(changes, blamed + lost)).rows
    assert (row.value, row.numerator) == (sure.value, sure.numerator) == (0.05, 5.0)
    assert row.low is not None
    assert row.high is not None
    assert sure.high is not None
    assert row.high > max(sure.high, 0.15)
    assert row.low < 0.05
    # All ten may be single changes': never more than that.
    (most,) = metrics.answer(
        asked, data(changes, blamed + [r for n in range(10) for r in outcome(f"y{n}", {50 + n: 1.0}, at=3)])
    ).rows
    assert most.high is not None
    assert row.high < most.high


def test_draws_without_anything_of_nobody_are_left_alone():
    drawn = np.array([[1], [2]])
    rng = np.random.default_rng(1)
    assert estimates.with_unattributed(drawn, np.zeros(2), np.array([5, 5]), rng, once=True) is drawn
    many = estimates.with_unattributed(drawn, np.array([0.0, 50.0]), np.array([5, 5]), rng, once=True)
    assert set(many[0]) == {1}
    assert 2 <= many[1].min() < many[1].max() == 5
    counts = estimates.with_unattributed(drawn, np.array([0.0, 4.0]), np.array([5, 5]), rng, once=False)
    assert counts[1].mean() == pytest.approx(2 + 4 / 2, abs=0.3)
