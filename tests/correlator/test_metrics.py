"""The metrics against companies small enough to count by hand, and the laws that every answer keeps."""

import json
import math
import random
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_builders import (
    ask,
    change,
    data,
    day,
    deployment,
    incident,
    outcome,
    requests,
    review,
    rework,
)

from correlator import power
from correlator.metric_catalogue import METRICS, SUPPRESSIONS
from correlator.metrics import MetricAnswer, MetricData, MetricRow, answer
from schemas.errors import MalformedInput
from schemas.vocabulary import Caveat

PROPORTIONS = (
    "failure_rate",
    "change_failure_rate",
    "revert_rate",
    "line_rework_rate",
    "share_of_changes_reworked",
    "lines_fixed_rate",
    "ai_share_of_output",
    "deployment_change_failure_rate",
    "deployment_rework_rate",
    "line_survival",
    "firefighting_load",
    "unreviewed_share",
    "first_pass_share",
    "review_escape_rate",
    "coverage",
)


def company(**fields: Any) -> MetricData:
    """Ten AI-written changes a0..a9 and ten by people h0..h9, each of 100 lines, deployed on day 1."""
    changes = [change(f"a{i}", origin="ai") for i in range(10)] + [change(f"h{i}") for i in range(10)]
    return data(changes, **fields)


def by(found: MetricAnswer, *names: str) -> dict[Any, MetricRow]:
    """Rows by the values of the named groups."""
    return {
        row.groups[names[0]] if len(names) == 1 else tuple(row.groups[n] for n in names): row
        for row in found.rows
    }


def only(found: MetricAnswer) -> MetricRow:
    assert len(found.rows) == 1
    return found.rows[0]


# --- rates over deployed changes --------------------------------------------------------------------


def test_failure_rate_counts_a_change_once_and_leaves_incidents_to_their_own_rate():
    outcomes = [
        *outcome("g1", {"a0": 1.0}, kind="failure_group"),
        *outcome("rev", {"a0": 1.0}, kind="revert"),
        *outcome("g2", {"a1": 0.5, "h0": 0.5}, kind="failure_group"),
        *outcome("roll", {"a2": 0.25, "no_change": 0.75}, kind="rollback"),
        *outcome("INC-1", {"h1": 1.0}),
    ]
    rows = by(answer(ask("failure_rate", group_by=("arm",), min_n=1), company(outcomes=outcomes)), "arm")
    assert rows["ai_marked"].numerator == 1.75
    assert rows["ai_marked"].value == 0.175
    assert rows["ai_marked"].n == 10
    assert rows["not_ai_marked"].value == 0.05


def test_change_failure_rate_counts_incidents_by_the_probability_of_at_least_one():
    outcomes = [
        *outcome("INC-1", {"a0": 0.5}),
        *outcome("INC-2", {"a0": 0.5}),
        *outcome("INC-3", {"h0": 1.0}),
    ]
    rows = by(
        answer(ask("change_failure_rate", group_by=("arm",), min_n=1), company(outcomes=outcomes)), "arm"
    )
    assert rows["ai_marked"].numerator == 0.75
    assert rows["not_ai_marked"].value == 0.1


def test_incidents_per_100_changes_counts_every_incident():
    outcomes = [
        *outcome("INC-1", {"a0": 0.5}),
        *outcome("INC-2", {"a0": 0.5}),
        *outcome("INC-3", {"a0": 1.0}),
    ]
    rows = by(
        answer(ask("incidents_per_100_changes", group_by=("arm",), min_n=1), company(outcomes=outcomes)),
        "arm",
    )
    assert rows["ai_marked"].value == 20.0
    assert rows["ai_marked"].denominator == 0.1
    assert rows["not_ai_marked"].value == 0.0


def test_incidents_per_1000_lines_divides_by_the_lines_of_the_same_changes():
    found = answer(ask("incidents_per_1000_lines", min_n=1), company(outcomes=outcome("INC-1", {"a0": 0.8})))
    assert only(found).value == 0.4
    assert only(found).denominator == 2.0


def test_changes_without_lines_have_no_rate_per_line():
    changes = [change(i, lines_added=0) for i in range(10)]
    found = answer(ask("incidents_per_1000_lines", min_n=1), data(changes, outcome("INC-1", {0: 1.0})))
    assert (only(found).value, only(found).status) == (None, "undefined")


def test_failure_groups_per_100_changes_ignores_other_outcomes():
    outcomes = [*outcome("g1", {"a0": 1.0}, kind="failure_group"), *outcome("INC-1", {"a0": 1.0})]
    found = answer(ask("failure_groups_per_100_changes", min_n=1), company(outcomes=outcomes))
    assert only(found).value == 5.0


def test_failure_categories_stand_within_their_arm_and_all_nine_are_there():
    outcomes = [
        *outcome("g1", {"a0": 1.0}, kind="failure_group", category="security"),
        *outcome("g2", {"a1": 0.5, "h0": 0.5}, kind="failure_group", category="integration"),
        *outcome("INC-1", {"h1": 1.0}, category="security"),
    ]
    query = ask("failure_category_rate", group_by=("arm", "category"), min_n=1)
    found = answer(query, company(outcomes=outcomes))
    rows = by(found, "arm", "category")
    assert len(rows) == 18
    assert rows["ai_marked", "security"].value == 10.0
    assert rows["ai_marked", "integration"].value == 5.0
    assert rows["not_ai_marked", "security"].value == 0.0
    assert rows["ai_marked", "security"].extra["share"] == pytest.approx(2 / 3)
    assert [c["category"] for c in found.meta["category_contrasts"]][:2] == [
        "integration",
        "compliance_governance",
    ]
    of_incidents = replace(query, filters={"outcome": ("incident",)})
    assert (
        by(answer(of_incidents, company(outcomes=outcomes)), "arm", "category")[
            "not_ai_marked", "security"
        ].value
        == 10.0
    )


def test_a_failure_of_two_categories_counts_in_both_but_the_change_failed_once():
    outcomes = [
        *outcome("g1", {"a0": 1.0}, kind="failure_group", category="security"),
        *outcome("g2", {"a0": 1.0}, kind="failure_group", category="integration"),
    ]
    split = by(
        answer(ask("failure_rate", group_by=("category",), min_n=1), company(outcomes=outcomes)), "category"
    )
    assert (split["security"].numerator, split["integration"].numerator) == (1.0, 1.0)
    assert only(answer(ask("failure_rate", min_n=1), company(outcomes=outcomes))).numerator == 1.0


def test_an_outcome_counts_from_deployment_to_the_end_of_the_fourteenth_day():
    def rate(at: float, **fields: Any) -> float | None:
        outcomes = outcome("INC-1", {"a0": 1.0}, at=at)
        return only(
            answer(ask("change_failure_rate", min_n=1, **fields), company(outcomes=outcomes))
        ).numerator

    assert [rate(at) for at in (0.9, 1.0, 15.0, 15.1)] == [0.0, 1.0, 1.0, 0.0]
    assert rate(20.0, window_days=28) == 1.0


def test_only_mature_changes_count_above_and_below_the_line():
    changes = [change(i) for i in range(10)] + [change(f"young{i}", deployed=95.0) for i in range(7)]
    outcomes = [*outcome("INC-1", {"young1": 1.0}, at=96.0), *outcome("INC-2", {0: 1.0})]
    found = answer(ask("change_failure_rate", end=100.0, min_n=1), data(changes, outcomes))
    assert (only(found).n, only(found).numerator) == (10, 1.0)
    assert found.meta["immature"] == 7
    assert Caveat.IMMATURE_EXCLUDED in found.meta["caveats"]


def test_when_everything_is_immature_the_rate_is_undefined():
    found = answer(ask("failure_rate", min_n=1), company(as_of=10.0))
    assert (only(found).value, only(found).status, only(found).n) == (None, "undefined", 0)
    assert found.meta["immature"] == 20


def test_changes_never_deployed_are_counted_but_not_exposed():
    changes = [change(i) for i in range(10)] + [change("lost", deployed=None)]
    found = answer(
        ask("failure_rate", min_n=1), data(changes, outcome("g", {"lost": 1.0}, kind="failure_group"))
    )
    assert (only(found).n, only(found).numerator) == (10, 0.0)
    assert found.meta["never_deployed"] == 1


def test_changes_that_are_no_code_count_only_when_asked_for():
    changes = [change(i) for i in range(6)] + [
        change(f"docs{i}", kind="docs", is_code=False) for i in range(5)
    ]
    assert only(answer(ask("failure_rate", min_n=1), data(changes))).n == 6
    every = ask("failure_rate", min_n=1, filters={"is_code": ("true", "false")})
    assert only(answer(every, data(changes))).n == 11


def test_false_alarms_and_duplicates_never_count():
    outcomes = [
        *outcome("INC-1", {"a0": 1.0}),
        *outcome("INC-2", {"a1": 1.0}),
        *outcome("INC-3", {"a2": 1.0}),
    ]
    incidents = [
        incident("INC-1"),
        incident("INC-2", duplicate_of="INC-1"),
        incident("INC-3", is_false_alarm=True),
    ]
    found = answer(ask("incidents_per_100_changes", min_n=1), company(outcomes=outcomes, incidents=incidents))
    assert only(found).numerator == 1.0


def test_editing_an_incident_never_changes_a_count():
    outcomes = outcome("INC-1", {"a0": 0.7})
    first = company(outcomes=outcomes, incidents=[incident("INC-1")])
    edited = company(
        outcomes=outcomes,
        incidents=[incident("INC-1", title="checkout fails again", severity="low", resolved=9.0)],
    )
    for metric in ("change_failure_rate", "incidents_per_100_changes"):
        before, after = (only(answer(ask(metric, min_n=1), d)) for d in (first, edited))
        assert (before.numerator, before.denominator) == (after.numerator, after.denominator)


def test_without_incidents_the_rate_is_zero_with_an_upper_bound():
    found = answer(ask("change_failure_rate", min_n=1), company())
    assert (only(found).value, only(found).low) == (0.0, 0.0)
    assert only(found).high == pytest.approx(0.117, abs=0.01)
    assert Caveat.ZERO_CELL in found.meta["caveats"]


def test_without_changes_nothing_is_defined():
    for metric in METRICS:
        for row in answer(ask(metric), data()).rows:
            assert row.value is None or metric == "deployment_frequency"
            assert row.status in {"undefined", "ok"}


def test_automation_stands_in_neither_arm_and_is_shown_apart():
    changes = [change(f"bot{i}", origin="automation") for i in range(6)] + [change(i) for i in range(6)]
    rows = by(answer(ask("failure_rate", group_by=("arm",), min_n=1), data(changes)), "arm")
    assert {name: row.n for name, row in rows.items()} == {
        "ai_marked": 0,
        "not_ai_marked": 6,
        "automation": 6,
    }


def test_mixed_changes_are_ai_marked_by_default_and_by_majority_when_asked():
    changes = [change(i, origin="mixed", ai_share=0.3) for i in range(6)]
    default = by(answer(ask("failure_rate", group_by=("arm",), min_n=1), data(changes)), "arm")
    majority = by(
        answer(ask("failure_rate", group_by=("arm",), min_n=1, ai_share_min=0.5), data(changes)), "arm"
    )
    assert (default["ai_marked"].n, majority["ai_marked"].n) == (6, 0)


def test_unknown_is_its_own_origin_and_never_human():
    changes = [change(i, origin="unknown") for i in range(6)]
    found = answer(ask("failure_rate", group_by=("origin",), min_n=1), data(changes))
    assert {origin: row.n for origin, row in by(found, "origin").items()} == {
        "ai": 0,
        "mixed": 0,
        "human": 0,
        "automation": 0,
        "unknown": 6,
    }
    assert found.meta["coverage"]["unknown_share"] == 1.0
    assert {Caveat.HIGH_UNKNOWN, Caveat.LOW_TAG_COVERAGE} <= set(found.meta["caveats"])


def test_a_change_in_two_services_stands_in_both_and_its_failure_where_it_happened():
    changes = [change(i, services=["cart", "checkout"]) for i in range(6)]
    outcomes = [
        *outcome("here", {0: 1.0}, service="cart"),
        *outcome("elsewhere", {1: 1.0}, service="gateway"),
    ]
    rows = by(
        answer(ask("change_failure_rate", group_by=("service",), min_n=1), data(changes, outcomes)), "service"
    )
    assert {name: (row.n, row.numerator) for name, row in rows.items()} == {
        "cart": (6, 2.0),
        "checkout": (6, 1.0),
    }
    one = ask("change_failure_rate", filters={"service": ("checkout",)}, min_n=1)
    assert only(answer(one, data(changes, outcomes))).numerator == 1.0


def test_a_change_that_failed_here_and_elsewhere_failed_once_in_the_row_of_a_service():
    changes = [change(i, services=["cart", "checkout"]) for i in range(6)]
    outcomes = [
        *outcome("here", {0: 1.0}, service="cart"),
        *outcome("elsewhere", {0: 0.5}, service="gateway"),
    ]
    query = ask("change_failure_rate", group_by=("service",), min_n=1)
    rows = by(answer(query, data(changes, outcomes)), "service")
    assert {name: row.numerator for name, row in rows.items()} == {"cart": 1.0, "checkout": 0.5}


def test_outcome_filters_narrow_the_numerator_only():
    outcomes = [
        *outcome("INC-1", {"a0": 1.0}, severity="high"),
        *outcome("INC-2", {"a1": 1.0}, severity="low"),
    ]
    found = answer(
        ask("change_failure_rate", min_n=1, filters={"severity": ("high",)}), company(outcomes=outcomes)
    )
    assert (only(found).numerator, only(found).n) == (1.0, 20)


# --- lines ------------------------------------------------------------------------------------------


def test_line_rework_is_weighted_by_lines():
    changes = [change(i) for i in range(3)]
    reworks = [rework(0, lines=100, reworked=50), rework(1, lines=300, reworked=0), rework(2, lines=0)]
    found = answer(
        ask("line_rework_rate", min_n=1),
        data(
            changes + [change(f"x{i}") for i in range(5)],
            reworks=[*reworks, *(rework(f"x{i}", lines=20, reworked=10) for i in range(5))],
        ),
    )
    assert (only(found).value, only(found).n) == (0.2, 7)
    assert only(found).numerator == 100


def test_line_rework_has_windows_of_14_21_and_30_days():
    reworks = [
        rework(i, lines=100, reworked=10, lines_reworked_21d=20, lines_reworked_30d=30) for i in range(6)
    ]
    changes = [change(i) for i in range(6)]
    found = [
        only(answer(ask("line_rework_rate", min_n=1, window_days=w), data(changes, reworks=reworks))).value
        for w in (14, 21, 30)
    ]
    assert found == [0.1, 0.2, 0.3]


def test_lines_observed_for_less_than_the_window_do_not_count():
    changes = [change(i) for i in range(12)]
    reworks = [rework(i, observed_days=29.0 if i < 6 else 31.0, reworked=50) for i in range(12)]
    found = answer(ask("line_rework_rate", min_n=1), data(changes, reworks=reworks))
    assert (only(found).n, found.meta["immature"]) == (6, 6)


def test_a_change_is_reworked_from_a_quarter_of_its_lines_on():
    changes = [change(i) for i in range(10)]
    reworks = [rework(i, lines=100, reworked=(24, 25)[i % 2]) for i in range(10)]
    assert (
        only(answer(ask("share_of_changes_reworked", min_n=1), data(changes, reworks=reworks))).value == 0.5
    )


def test_lines_fixed_are_those_mended_within_30_days():
    changes = [change(i) for i in range(5)]
    reworks = [rework(i, lines=100, reworked=50, lines_fixed_30d=20) for i in range(5)]
    assert only(answer(ask("lines_fixed_rate", min_n=1), data(changes, reworks=reworks))).value == 0.2


def test_a_revert_counts_for_the_change_reverted_within_30_days():
    changes = [change(i) for i in range(10)]
    reworks = [rework(i) for i in range(7)]
    reworks += [rework(7, reverted_at=day(29)), rework(8, reverted_at=day(31)), rework(9, reverted_at=day(2))]
    assert only(answer(ask("revert_rate", min_n=1), data(changes, reworks=reworks))).value == 0.2


def test_ai_share_of_output_is_bounded_by_the_unknown_lines():
    changes = [
        change(0, origin="ai", lines_added=100),
        change(1, origin="mixed", ai_share=0.25, lines_added=100, deployed=None),
        change(2, origin="human", lines_added=200),
        change(3, origin="unknown", lines_added=90),
        change(4, origin="automation", lines_added=10),
    ]
    row = only(answer(ask("ai_share_of_output"), data(changes)))
    assert (row.value, row.low, row.high) == (0.25, 0.25, 0.43)
    assert (row.numerator, row.denominator) == (125.0, 500.0)


# --- delivery ---------------------------------------------------------------------------------------


def test_deployment_failure_rate_has_both_denominators():
    deployments = [
        deployment(1, is_failed=True),
        deployment(2, is_rollback=True, is_unplanned=True),
        deployment(3),
        deployment(4),
        deployment(95, is_failed=True),
    ]
    found = answer(ask("deployment_change_failure_rate", end=100.0, min_n=1), data(deployments=deployments))
    rows = by(found, "deployments")
    assert (rows["all"].value, rows["without_rollbacks"].value) == (0.25, pytest.approx(1 / 3))
    assert found.meta["immature"] == 1


def test_deployment_rework_rate_counts_unplanned_deployments():
    deployments = [deployment(1), deployment(2, is_unplanned=True), deployment(3), deployment(4)]
    assert only(answer(ask("deployment_rework_rate", min_n=1), data(deployments=deployments))).value == 0.25


def test_a_week_without_deployments_is_a_frequency_of_zero():
    deployments = [deployment(d) for d in (0.5, 1.5, 2.5)] + [deployment(15)]
    found = answer(ask("deployment_frequency", end=21.0, interval="week"), data(deployments=deployments))
    assert [row.numerator for row in found.rows] == [3.0, 0.0, 1.0]
    assert [row.value for row in found.rows] == pytest.approx([3 / 7, 0, 1 / 7])
    assert found.rows[1].low == 0.0
    assert found.rows[1].status == "ok"


def test_lead_time_is_the_median_from_landing_to_production():
    changes = [change(i, landed=0.0, deployed=hours / 24) for i, hours in enumerate((1, 2, 3, 4, 50, 60))]
    row = only(answer(ask("lead_time"), data(changes)))
    assert (row.value, row.extra["mean"]) == (3.5, 20.0)


def test_time_to_restore_keeps_open_incidents_as_censored():
    incidents = [incident(f"I{h}", at=2.0, resolved=2.0 + h / 24) for h in (1, 2, 3)]
    incidents += [incident("open1", resolved=None), incident("open2", resolved=None)]
    incidents += [incident("dup", duplicate_of="I1"), incident("alarm", is_false_alarm=True)]
    row = only(answer(ask("time_to_restore"), data(incidents=incidents)))
    assert (row.n, row.value, row.extra["censored"]) == (5, 3.0, 2)


def test_a_median_that_half_have_not_lived_to_is_no_number():
    incidents = [incident(f"open{i}", resolved=None) for i in range(4)] + [incident("done")]
    row = only(answer(ask("time_to_restore"), data(incidents=incidents)))
    assert (row.value, row.status, row.suppressed) == (None, "insufficient", "not_reached")


def test_recovery_time_is_over_failed_deployments_only():
    deployments = [
        deployment(d, is_failed=True, recovered_at=day(d + h / 24))
        for d, h in enumerate((1, 2, 3, 4), start=1)
    ]
    deployments += [deployment(9, is_failed=True), deployment(10)]
    row = only(answer(ask("failed_deployment_recovery_time"), data(deployments=deployments)))
    assert (row.n, row.value, row.extra["censored"]) == (5, 3.0, 1)


def test_detection_delay_is_the_median_in_minutes_of_linked_incidents():
    incidents = [incident(f"I{s}", detection_delay_s=float(s)) for s in (60, 120, 180, 600, 900)]
    incidents.append(incident("unlinked"))
    row = only(answer(ask("detection_delay"), data(incidents=incidents)))
    assert (row.n, row.value) == (5, 3.0)


def test_dora_figures_split_by_service_only():
    deployments = [deployment(1), deployment(2, service="cart", is_unplanned=True)]
    rows = by(
        answer(ask("deployment_rework_rate", group_by=("service",), min_n=1), data(deployments=deployments)),
        "service",
    )
    assert {name: row.value for name, row in rows.items()} == {"cart": 1.0, "checkout": 0.0}
    with pytest.raises(MalformedInput):
        answer(ask("deployment_rework_rate", group_by=("arm",)), data(deployments=deployments))


# --- comparisons ------------------------------------------------------------------------------------


def two_arms(n: int, marked: int, other: int, **fields: Any) -> MetricData:
    """``n`` changes per arm, of which ``marked`` and ``other`` surely failed; one deployment per change."""
    changes = [change(f"a{i}", origin="ai", deployed=1 + i / 1000) for i in range(n)]
    changes += [change(f"h{i}", deployed=1.0005 + i / 1000) for i in range(n)]
    outcomes = [
        row
        for arm, count in (("a", marked), ("h", other))
        for i in range(count)
        for row in outcome(
            f"{arm}{i}",
            {f"{arm}{i}": 1.0},
            kind="failure_group",
            at=1.00001 + i / 1000 + (0.0005 if arm == "h" else 0),
        )
    ]
    return data(changes, outcomes, **fields)


def test_the_ratio_of_known_causes_is_the_ratio_of_the_rates():
    found = answer(ask("failure_ratio"), two_arms(200, 30, 15))
    rows = by(found, "comparison", "method")
    crude = rows["ai_marked:not_ai_marked", "armblind_crude"]
    assert (crude.value, crude.numerator, crude.denominator) == (2.0, 15.0, 7.5)
    assert crude.extra["risk_difference_per_100"] == 7.5
    assert crude.extra["e_value"] == pytest.approx(2 + 2**0.5)
    adjusted = rows["ai_marked:not_ai_marked", "armaware_mh"]
    assert adjusted.value == pytest.approx((15 + 0.5 / 2) / (7.5 + 0.5 / 2), rel=0.02)
    assert rows["ai_marked:human", "armblind_crude"].value == 2.0
    corrected = rows["ai_marked:not_ai_marked", "armaware_mh_tagcorrected"]
    assert corrected.value > adjusted.value
    assert found.meta["assumed"] == {
        "basis": "assumed",
        "sensitivity": 0.8,
        "specificity": 0.98,
        "labelled_ai": 40.0,
        "labelled_other": 200.0,
    }


def test_with_one_change_per_deployment_the_naive_rules_agree_with_the_truth():
    rows = by(answer(ask("failure_ratio"), two_arms(200, 30, 15)), "comparison", "method")
    for method in ("last_deployment", "share_weighted"):
        row = rows["ai_marked:not_ai_marked", method]
        assert row.value == 2.0
        assert row.extra["is_naive"] is True


def test_with_many_changes_per_deployment_the_naive_rules_see_no_difference():
    """Ten of each arm in every deployment: guilt by deployment cannot tell them apart, lines can."""
    changes, outcomes = [], []
    for batch in range(20):
        for i in range(10):
            at = 1 + batch / 10
            changes += [
                change(f"a{batch}x{i}", origin="ai", deployed=at),
                change(f"h{batch}x{i}", deployed=at),
            ]
        who = f"a{batch}x0" if batch < 14 else f"h{batch}x0"
        outcomes += outcome(f"g{batch}", {who: 1.0}, kind="failure_group", at=at + 0.01)
    rows = by(answer(ask("failure_ratio"), data(changes, outcomes)), "comparison", "method")
    assert rows["ai_marked:not_ai_marked", "armblind_crude"].numerator == 7.0
    for method in ("last_deployment", "share_weighted"):
        assert rows["ai_marked:not_ai_marked", method].value == 1.0


def test_a_ratio_is_hidden_until_both_arms_hold_100_changes_and_says_how_many_are_missing():
    found = answer(ask("failure_ratio"), two_arms(60, 12, 6))
    row = by(found, "comparison", "method")["ai_marked:not_ai_marked", "armblind_crude"]
    assert (row.value, row.status, row.suppressed) == (None, "insufficient", "small_n")
    assert row.low is not None
    assert row.extra["needed"] == row.extra["needed_per_arm"] - 60
    assert found.meta["decidable"] is False
    assert "more mature changes per arm" in found.meta["statement"]


def test_a_ratio_is_hidden_while_an_arm_has_fewer_than_five_events():
    rows = by(answer(ask("failure_ratio"), two_arms(150, 12, 4)), "comparison", "method")
    assert rows["ai_marked:not_ai_marked", "armblind_crude"].suppressed == "few_events"


def test_an_adjusted_ratio_needs_changes_of_both_arms_in_the_same_strata():
    changes = [change(f"a{i}", origin="ai", size_band="large") for i in range(120)]
    changes += [change(f"h{i}", size_band="small") for i in range(120)]
    outcomes = [
        row
        for arm in "ah"
        for i in range(10)
        for row in outcome(f"{arm}{i}", {f"{arm}{i}": 1.0}, kind="failure_group")
    ]
    found = answer(ask("failure_ratio"), data(changes, outcomes))
    rows = by(found, "comparison", "method")
    assert rows["ai_marked:not_ai_marked", "armblind_crude"].status == "ok"
    adjusted = rows["ai_marked:not_ai_marked", "armaware_mh"]
    assert (adjusted.value, adjusted.suppressed, adjusted.extra["overlap_share"]) == (
        None,
        "low_overlap",
        0.0,
    )
    assert Caveat.LOW_OVERLAP in found.meta["caveats"]


def test_a_clear_difference_is_said_in_one_sentence():
    meta = answer(ask("failure_ratio"), two_arms(400, 80, 20)).meta
    assert (meta["decidable"], meta["verdict"]) == (True, "higher")
    assert meta["statement"].startswith("AI-marked changes failed more often")
    meta = answer(ask("failure_ratio"), two_arms(400, 20, 80)).meta
    assert meta["verdict"] == "lower"


def test_change_failure_ratio_is_about_incidents():
    source = two_arms(150, 20, 10)
    rows = by(answer(ask("change_failure_ratio"), source), "comparison", "method")
    assert rows["ai_marked:not_ai_marked", "armblind_crude"].extra["events_ai_marked"] == 0
    as_incidents = ask("change_failure_ratio", filters={"outcome": ("failure_group",)})
    rows = by(answer(as_incidents, source), "comparison", "method")
    assert rows["ai_marked:not_ai_marked", "armblind_crude"].value == 2.0


def test_a_told_ratio_says_how_unequal_marks_would_have_to_be():
    rows = by(answer(ask("failure_ratio"), two_arms(200, 30, 15)), "comparison", "method")
    row = rows["ai_marked:not_ai_marked", "armaware_mh"]
    assert row.low > 1
    # As many changes marked as not: u = low / (0.5 + 0.5 low), sensitivity 0.8 / u.
    assert row.extra["tipping_sensitivity"] == pytest.approx(0.8 * (0.5 + 0.5 * row.low) / row.low)
    assert row.extra["e_value_nearest"] == pytest.approx(row.low + (row.low * (row.low - 1)) ** 0.5)
    assert row.extra["decidable_by"] is None
    assert row.extra["width_over_known"] == pytest.approx(1.0, abs=0.08)
    undecided = by(answer(ask("failure_ratio"), two_arms(200, 18, 15)), "comparison", "method")
    assert undecided["ai_marked:not_ai_marked", "armaware_mh"].extra["tipping_sensitivity"] is None


def test_unknown_changes_are_counted_on_either_side_in_turn():
    """Ten in a hundred of the AI-marked fail, five of the others, eight of the unknown."""
    changes, outcomes = [], []
    for origin, failed in (("ai", 20), ("human", 10), ("unknown", 16)):
        changes += [change(f"{origin}{i}", origin=origin) for i in range(200)]
        for i in range(failed):
            outcomes += outcome(f"{origin}{i}", {f"{origin}{i}": 1.0}, kind="failure_group")
    found = answer(ask("failure_ratio"), data(changes, outcomes)).meta["unknown_bounds"]
    assert found["as_human"]["value"] == pytest.approx((20 / 200) / (26 / 400), rel=0.03)
    assert found["as_ai"]["value"] == pytest.approx((36 / 400) / (10 / 200), rel=0.03)
    assert found["as_ai"]["low"] < found["as_ai"]["value"] < found["as_ai"]["high"]
    none = answer(ask("failure_ratio"), two_arms(200, 30, 15)).meta["unknown_bounds"]
    assert none["as_human"] == none["as_ai"]


def test_where_one_arm_is_watched_better_the_adjusted_ratio_compares_changes_seen_alike():
    """Both arms fail at 1 in 5. Of AI-marked changes 180 of 200 run where all failures are seen, of others 60."""
    changes, outcomes = [], []
    for arm, origin, watched in (("a", "ai", 180), ("h", "human", 60)):
        for i in range(200):
            is_seen = i < watched
            changes.append(change(f"{arm}{i}", origin=origin, has_traces=is_seen, has_revision=is_seen))
            if i % 5 == 0 and (is_seen or i % 15 == 0):
                outcomes += outcome(f"{arm}{i}", {f"{arm}{i}": 1.0}, kind="failure_group")
    found = answer(ask("failure_ratio"), data(changes, outcomes))
    rows = by(found, "comparison", "method")
    assert rows["ai_marked:not_ai_marked", "armblind_crude"].value > 1.5
    adjusted = rows["ai_marked:not_ai_marked", "armaware_mh"]
    assert adjusted.value == pytest.approx(1.0, abs=0.1)
    assert found.meta["verdict"] == "no_difference_shown"
    assert {Caveat.UNEQUAL_DETECTION, Caveat.CONFOUNDED_CRUDE} <= set(found.meta["caveats"])


def test_no_verdict_rests_on_the_crude_ratio():
    changes = [change(f"a{i}", origin="ai", size_band="large") for i in range(200)]
    changes += [change(f"h{i}", size_band="small") for i in range(200)]
    outcomes = [
        row
        for arm, count in (("a", 60), ("h", 10))
        for i in range(count)
        for row in outcome(f"{arm}{i}", {f"{arm}{i}": 1.0}, kind="failure_group")
    ]
    meta = answer(ask("failure_ratio"), data(changes, outcomes)).meta
    assert (meta["decidable"], meta["verdict"]) == (False, "not_enough_data")
    assert "different places" in meta["statement"]


def test_an_undecided_ratio_says_by_when_it_could_be_decided_at_the_present_pace():
    """400 changes on one day of 60, half of them marked; with the same again and again the day of promise moves as the error."""
    found = answer(ask("failure_ratio"), two_arms(200, 14, 12))
    row = by(found, "comparison", "method")["ai_marked:not_ai_marked", "armaware_mh"]
    error = math.log(row.high / row.low) / (2 * 1.959964)
    factor = power.decided_at(math.log(row.value), error)
    assert row.extra["decidable_by"] == day(60 * factor + 14).date().isoformat()
    assert found.meta["decidable_by"] == row.extra["decidable_by"]
    assert f"by {row.extra['decidable_by']}" in found.meta["statement"]
    assert answer(ask("failure_ratio"), two_arms(400, 80, 20)).meta["decidable_by"] is None


def test_doubtful_weights_qualify_a_ratio_that_they_widen():
    changes = [change(f"a{i}", origin="ai") for i in range(300)] + [change(f"h{i}") for i in range(300)]
    outcomes = [
        row
        for i in range(80)
        for row in outcome(f"g{i}", {f"a{i}": 0.4, f"h{i}": 0.4, "no_change": 0.2}, kind="failure_group")
    ]
    found = answer(ask("failure_ratio"), data(changes, outcomes))
    row = by(found, "comparison", "method")["ai_marked:not_ai_marked", "armaware_mh"]
    assert row.extra["width_over_known"] > 1.3
    assert Caveat.DIFFUSE_ATTRIBUTION in found.meta["caveats"]
    assert Caveat.UNCERTAIN_TAGS in found.meta["caveats"]


def test_a_change_is_visible_where_traces_name_the_revision_and_incidents_are_reported():
    changes = [change(f"a{i}", origin="ai") for i in range(10)]
    changes += [change(f"h{i}", services=["cart"]) for i in range(8)]
    changes += [change(f"n{i}", has_revision=False) for i in range(2)]
    source = data(changes, incidents=[incident("INC-1", service="checkout")])
    rows = by(answer(ask("coverage", group_by=("arm",)), source), "figure", "arm")
    assert rows["failures_visible", "ai_marked"].value == 1.0
    assert rows["failures_visible", "not_ai_marked"].numerator == 0.0
    assert Caveat.UNEQUAL_DETECTION in answer(ask("failure_rate"), source).meta["caveats"]
    everywhere = data(changes, incidents=[incident("INC-1", service=None)])
    rows = by(answer(ask("coverage", group_by=("arm",)), everywhere), "figure", "arm")
    assert rows["failures_visible", "not_ai_marked"].numerator == 8.0


def test_line_rework_ratio_is_the_ratio_of_the_line_rates():
    changes = [change(f"a{i}", origin="ai") for i in range(120)] + [change(f"h{i}") for i in range(120)]
    reworks = [rework(f"a{i}", reworked=20 + i % 21) for i in range(120)]
    reworks += [rework(f"h{i}", reworked=10 + i % 11) for i in range(120)]
    rows = by(answer(ask("line_rework_ratio"), data(changes, reworks=reworks)), "comparison", "method")
    crude = rows["ai_marked:not_ai_marked", "armblind_crude"]
    marked = sum(20 + i % 21 for i in range(120)) / 12000
    other = sum(10 + i % 11 for i in range(120)) / 12000
    assert crude.value == pytest.approx(marked / other)
    assert crude.low < crude.value < crude.high
    adjusted = rows["ai_marked:not_ai_marked", "armaware_mh"]
    assert adjusted.value == pytest.approx(crude.value)
    assert "last_deployment" not in {method for _, method in rows}


def test_a_ratio_can_be_asked_for_each_repository():
    first = two_arms(120, 20, 10)
    found = answer(ask("failure_ratio", group_by=("repository",)), first)
    assert {row.groups["repository"] for row in found.rows} == {"acme/shop"}
    assert by(found, "comparison", "method")["ai_marked:not_ai_marked", "armblind_crude"].value == 2.0


# --- hidden, undefined, covered ---------------------------------------------------------------------


def test_points_below_30_changes_are_hidden_with_interval_count_reason_and_need():
    found = answer(ask("failure_rate"), company(outcomes=outcome("g", {"a0": 1.0}, kind="failure_group")))
    row = only(found)
    assert (row.value, row.status, row.suppressed) == (None, "insufficient", "small_n")
    assert (row.n, row.numerator, row.extra["needed"]) == (20, 1.0, 10)
    assert row.low is not None
    assert row.high is not None
    assert found.meta["needed"] == 10


def test_cells_of_fewer_than_five_are_hidden_whoever_asks():
    row = only(answer(ask("failure_rate", min_n=0), data([change(i) for i in range(4)])))
    assert (row.value, row.low, row.high, row.n, row.numerator) == (None, None, None, None, None)
    assert row.suppressed == "cohort_below_5"


def test_one_change_gives_nothing_away():
    assert only(answer(ask("failure_rate", min_n=0), data([change(0)]))).suppressed == "cohort_below_5"


def test_groups_within_an_arm_are_held_against_all_the_others():
    """Of 100 changes by each tool 30 and 10 failed: three times as often, and both say so with the same q-value."""
    tools = ("codex", "cursor")
    changes = [change(f"{t}{i}", origin="ai", tools=[t]) for t in tools for i in range(100)]
    outcomes = [
        row
        for t, failed in zip(tools, (30, 10), strict=True)
        for i in range(failed)
        for row in outcome(f"{t}{i}", {f"{t}{i}": 1.0}, kind="revert")
    ]
    query = ask("failure_rate", group_by=("tool",), filters={"arm": ("ai_marked",)})
    found = answer(query, data(changes, outcomes)).meta["contrasts"]
    assert [(row["group"], row["n"], row["n_others"]) for row in found] == [
        ("codex", 100, 100),
        ("cursor", 100, 100),
    ]
    assert found[0]["ratio"] == pytest.approx(3.0, rel=0.1)
    assert found[0]["low"] > 1 > found[1]["high"]
    assert found[0]["q_value"] < 0.01
    assert "contrasts" not in answer(replace(query, interval="week"), data(changes, outcomes)).meta


def test_a_change_of_two_teams_stands_in_both_and_a_deployment_with_the_first():
    changes = [change(i, services=["cart"]) for i in range(6)]
    teams = {"web": ("cart",), "shop": ("acme/*",)}
    source = data(changes, deployments=[deployment(d, service="cart") for d in range(6)], teams=teams)
    rows = by(answer(ask("failure_rate", group_by=("team",), min_n=1), source), "team")
    assert {name: row.n for name, row in rows.items()} == {"shop": 6, "web": 6}
    rows = by(answer(ask("deployment_rework_rate", group_by=("team",), min_n=1), source), "team")
    assert {name: row.n for name, row in rows.items()} == {"web": 6}


def test_coverage_says_what_the_figures_can_see():
    changes = [change(i, origin="ai") for i in range(5)]
    changes += [change(f"u{i}", origin="unknown", has_traces=False, has_revision=False) for i in range(5)]
    changes += [change(f"n{i}", deployed=None) for i in range(10)]
    outcomes = [
        *outcome("INC-1", {0: 0.5, "no_change": 0.25}),
        *outcome("g1", {1: 1.0}, kind="failure_group"),
    ]
    rows = by(answer(ask("coverage"), data(changes, outcomes)), "figure")
    assert {name: row.value for name, row in rows.items()} == {
        "tagged_share": 0.5,
        "unknown_share": 0.5,
        "automation_share": 0.0,
        "services_with_traces": 0.5,
        "services_with_revision": 0.5,
        "failures_visible": 0.0,
        "deployed_share": 0.5,
        "attributed_mass": None,
        "no_change_mass": None,
        "unattributed_mass": None,
    }
    block = answer(
        ask("failure_rate", filters={"outcome": ("incident", "failure_group")}), data(changes, outcomes)
    )
    coverage = block.meta["coverage"]
    assert (coverage["attributed_mass"], coverage["no_change_mass"], coverage["unattributed_mass"]) == (
        0.75,
        0.125,
        0.125,
    )
    assert coverage["by_arm"]["ai_marked"]["services_with_traces"] == 1.0
    assert coverage["by_arm"]["not_ai_marked"]["services_with_traces"] == 0.0
    assert Caveat.UNEQUAL_DETECTION in block.meta["caveats"]


def test_assumed_human_changes_are_no_evidence_and_said_so():
    changes = [change(i, origin="human", origin_basis="policy") for i in range(6)]
    policy = {"acme/shop": datetime(2026, 1, 1, tzinfo=UTC)}
    found = answer(ask("failure_rate", min_n=1), data(changes, repositories_policy=policy))
    assert found.meta["coverage"]["tagged_share"] == 0.0
    assert Caveat.ASSUMED_HUMAN in found.meta["caveats"]
    assert found.meta["repositories_policy"] == {"acme/shop": "2026-01-01T00:00:00+00:00"}


# --- windows and time -------------------------------------------------------------------------------


def test_weeks_start_on_monday_in_the_zone_asked_for():
    changes = [change(i, deployed=d) for i, d in enumerate((0.5, 6.95, 7.5))]
    query = ask("failure_rate", end=14.0, interval="week", min_n=0)
    utc = answer(query, data([*changes, *(change(f"x{i}", deployed=1) for i in range(9))]))
    assert [(row.time, row.n) for row in utc.rows] == [(day(0), 11), (day(7), None)]
    berlin = answer(
        replace(query, tz="Europe/Berlin"),
        data([*changes, *(change(f"x{i}", deployed=8) for i in range(9))]),
    )
    assert [row.time.isoformat() for row in berlin.rows] == [
        "2026-05-31T22:00:00+00:00",
        "2026-06-07T22:00:00+00:00",
        "2026-06-14T22:00:00+00:00",
    ]
    assert [row.n for row in berlin.rows] == [None, 11, 0]


def test_months_are_calendar_months():
    found = answer(
        ask("deployment_frequency", end=70.0, interval="month"), data(deployments=[deployment(35)])
    )
    assert [row.time.month for row in found.rows] == [6, 7, 8]
    assert [row.numerator for row in found.rows] == [0.0, 1.0, 0.0]


def test_as_of_leaves_out_what_came_later():
    source = company(outcomes=outcome("INC-1", {"a0": 1.0}, at=10.0))
    early = ask("change_failure_rate", min_n=1, window_days=7, as_of=day(9))
    assert only(answer(early, source)).numerator == 0.0
    assert answer(early, source).meta["as_of"].startswith("2026-06-10")


@pytest.mark.parametrize(
    "fields",
    [
        {"metric": "happiness"},
        {"group_by": ("author",)},
        {"group_by": ("arm", "arm")},
        {"group_by": ("category", "severity")},
        {"metric": "unreviewed_share", "filters": {"outcome": ("revert",)}},
        {"filters": {"author": ("x",)}},
        {"filters": {"outcome": ("typo",)}},
        {"metric": "line_rework_rate", "filters": {"category": ("security",)}},
        {"metric": "time_to_restore", "filters": {"origin": ("ai",)}},
        {"filters": {"is_code": ("maybe",)}},
        {"window_days": 13},
        {"interval": "decade"},
        {"tz": "Mars/Olympus", "interval": "day"},
        {"level": 2.0},
        {"start": 5.0, "end": 5.0},
        {"interval": "day", "end": 9000.0},
    ],
)
def test_questions_that_make_no_sense_are_refused(fields):
    with pytest.raises(MalformedInput) as refused:
        answer(ask(**{"metric": "failure_rate", **fields}), company())
    assert refused.value.hint


# --- laws -------------------------------------------------------------------------------------------


TEAMS = {"shop": ("acme/sh*", "gateway"), "all": ("acme/*",), "web": ("cart",)}


def random_company(seed: int) -> dict[str, list[dict[str, Any]]]:
    chance = random.Random(seed)
    names = list(range(chance.randint(0, 60)))
    changes = [
        change(
            n,
            origin=chance.choice(["ai", "mixed", "human", "automation", "unknown"]),
            landed=chance.uniform(0, 50),
            deployed=chance.choice([None, chance.uniform(50, 90)]),
            services=chance.choice([[], ["cart"], ["cart", "checkout"]]),
            repository=chance.choice(["acme/shop", "acme/web"]),
            size_band=chance.choice(["small", "large"]),
            lines_added=chance.randint(0, 300),
            lines_deleted=chance.randint(0, 50),
            models=chance.choice([[], ["m-1"], ["m-1", "m-2"]]),
        )
        for n in names
    ]
    by_sha = {row["sha"]: row["repository"] for row in changes}
    outcomes = []
    for i in range(chance.randint(0, 25)):
        weights = [chance.random() for _ in range(4)]
        picked = chance.sample(names, min(3, len(names)))
        shared = {n: round(w / sum(weights), 6) for n, w in zip(picked, weights, strict=False)}
        rows = outcome(
            f"o{i}",
            shared if chance.random() < 0.7 or not picked else {picked[0]: 1.0},
            kind=chance.choice(["incident", "failure_group", "revert"]),
            at=chance.uniform(40, 99),
            service=chance.choice(["", "cart", "gateway"]),
            category=chance.choice(["security", "unknown"]),
            severity=chance.choice([None, "high", "low"]),
        )
        outcomes += [{**row, "repository": by_sha.get(row["sha"])} for row in rows]
    reworks = [
        {
            **rework(n, lines=(lines := chance.randint(0, 200)), reworked=chance.randint(0, lines)),
            "repository": changes[n]["repository"],
        }
        for n in names
    ]
    deployments = [
        deployment(d, is_failed=chance.random() < 0.3, is_rollback=chance.random() < 0.2) for d in range(30)
    ]
    incidents = [
        incident(
            f"o{i}", at=chance.uniform(0, 50), resolved=chance.choice([None, 60.0]), detection_delay_s=9.0
        )
        for i in range(10)
    ]
    reviewed = [
        {
            **review(
                n,
                chance.choice(["approved_at_once", "approved_after_changes", "not_approved", "unreviewed"]),
                opened=chance.choice([None, chance.uniform(0, 20)]),
                approved=chance.uniform(0, 40),
                comment_count=chance.randint(0, 9),
            ),
            "repository": changes[n]["repository"],
        }
        for n in names
        if chance.random() < 0.8
    ]
    answered = [
        requests(d, chance.uniform(0, 1e6), service=s, is_known=s != "gateway" or d > 3)
        for d in range(60)
        for s in ("cart", "gateway")
    ]
    return {
        "changes": changes,
        "reviews": reviewed,
        "request_days": answered,
        "outcomes": outcomes,
        "reworks": reworks,
        "deployments": deployments,
        "incidents": incidents,
    }


def every_question(end: float = 100.0) -> list[Any]:
    """Each metric without groups by month, and by some of its groups over the whole window."""
    questions = []
    for metric in METRICS.values():
        questions.append(ask(metric.id, end=end, interval="month", min_n=0))
        ends = (metric.group_bys[0], metric.group_bys[-1])
        category = ("tool", "category") if metric.group_bys[-2:] == ("severity", "outcome") else ()
        for group_by in dict.fromkeys([(), metric.group_bys[:2], ends, category]):
            questions.append(ask(metric.id, end=end, group_by=group_by, min_n=0))
    return questions


@pytest.mark.parametrize("seed", range(2))
def test_the_order_of_rows_in_the_tables_does_not_matter_to_the_last_digit(seed):
    rows = random_company(seed)
    shuffled = {name: random.Random(seed + 1).sample(listed, len(listed)) for name, listed in rows.items()}
    first, second = data(**rows, teams=TEAMS), data(**shuffled, teams=TEAMS)
    assert first.digest == second.digest
    for query in every_question():
        assert answer(query, first).as_dict() == answer(query, second).as_dict()


EDGES = {
    "nothing": {},
    "one change": {"changes": [change(0)]},
    "all unknown": {"changes": [change(i, origin="unknown") for i in range(40)]},
    "no failure": {
        "changes": [change(i, origin="ai" if i % 2 else "human") for i in range(80)],
        "reworks": [rework(i) for i in range(80)],
        "deployments": [deployment(i) for i in range(40)],
    },
    "all immature": {
        "changes": [change(i, landed=98, deployed=99) for i in range(40)],
        "reworks": [rework(i, observed_days=2.0) for i in range(40)],
        "outcomes": outcome("INC-1", {0: 1.0}, at=99.5),
        "deployments": [deployment(99 + i / 100) for i in range(40)],
    },
    "everything failed": {
        "changes": [change(i, origin="ai" if i % 2 else "human") for i in range(40)],
        "outcomes": [
            row
            for i in range(40)
            for kind in ("incident", "failure_group")
            for row in outcome(f"{kind}-{i}", {i: 1.0}, kind=kind)
        ],
        "reworks": [rework(i, reworked=100, lines_alive_7d=0) for i in range(40)],
        "deployments": [deployment(i, is_failed=True, is_unplanned=True) for i in range(40)],
        "reviews": [review(i) for i in range(40)],
    },
}


@pytest.mark.parametrize("edge", EDGES)
def test_the_laws_hold_at_the_edges(edge):
    assert_laws(data(**EDGES[edge], teams=TEAMS))


def test_at_the_edges_the_figures_are_the_obvious_ones():
    def value(metric: str, edge: str) -> Any:
        row = answer(ask(metric, end=100.0), data(**EDGES[edge])).rows[0]
        return row.value, row.status

    for metric in ("failure_rate", "change_failure_rate", "line_rework_rate", "deployment_rework_rate"):
        assert value(metric, "nothing") == (None, "undefined")
        assert value(metric, "no failure") == (0.0, "ok")
        assert value(metric, "everything failed") == (1.0, "ok")
    for metric in (
        "failure_rate",
        "change_failure_rate",
        "line_rework_rate",
        "deployment_change_failure_rate",
    ):
        assert value(metric, "all immature") == (None, "undefined")
    assert value("failure_rate", "one change") == (None, "insufficient")
    assert value("unreviewed_share", "all unknown") == (None, "undefined")
    assert value("line_survival", "everything failed") == (0.0, "ok")
    assert value("review_escape_rate", "everything failed") == (1.0, "ok")


@settings(max_examples=3, deadline=None)
@given(st.integers(0, 10_000))
def test_every_answer_keeps_the_laws(seed):
    assert_laws(data(**random_company(seed), teams=TEAMS))


def assert_laws(source: MetricData) -> None:
    """Every question to ``source`` is answered within the rules: hidden is hidden, intervals hold, shares stay in [0, 1]."""
    for query in every_question():
        found = answer(query, source)
        json.dumps(dict(found.meta))
        assert set(found.meta["caveats"]) <= set(METRICS[query.metric].caveats)
        for row in found.rows:
            assert tuple(row.groups)[: len(query.group_by)] == query.group_by
            assert row.suppressed is None or row.suppressed in SUPPRESSIONS
            assert (row.status == "insufficient") == (row.suppressed is not None)
            if row.status != "ok":
                assert row.value is None
                continue
            assert row.value is not None
            assert row.low is None or row.low <= row.value
            assert row.high is None or row.value <= row.high
            if query.metric in PROPORTIONS:
                assert row.low is not None
                assert row.high is not None
                assert row.low >= 0.0
                assert row.high <= 1.0


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), max_size=8))
def test_no_edit_of_an_incident_changes_a_count(seed, edits):
    rows = random_company(seed)
    edited = [dict(row) for row in rows["incidents"]]
    for number, what in edits:
        edited[number] |= (
            {"title": "it fails again"},
            {"resolved_at": day(77), "status": "resolved"},
            {"severity": "low", "labels": '{"team": "other"}'},
            {"url": "https://pager.example/7", "category_reason": "somebody said so"},
        )[what]
    before, after = data(**rows), data(**{**rows, "incidents": edited})
    for metric in (
        "change_failure_rate",
        "incidents_per_100_changes",
        "incidents_per_100_deployments",
        "time_to_restore",
    ):
        query = ask(metric, end=100.0, min_n=0)
        first, second = answer(query, before).rows, answer(query, after).rows
        counts = [[(row.n, row.numerator, row.denominator) for row in listed] for listed in (first, second)]
        assert counts[0] == counts[1]


def test_equal_questions_get_equal_digits_and_new_data_new_draws():
    outcomes = [
        row for i in range(8) for row in outcome(f"g{i}", {f"a{i}": 0.6, f"h{i}": 0.3}, kind="revert")
    ]
    query = ask("failure_rate", group_by=("arm",), min_n=1)
    assert (
        answer(query, company(outcomes=outcomes)).as_dict()
        == answer(query, company(outcomes=outcomes)).as_dict()
    )
    later = answer(query, company(outcomes=outcomes, as_of=101.0))
    assert later.rows == answer(query, company(outcomes=outcomes)).rows
    other = company(outcomes=outcomes[2:])
    assert (
        answer(query, other).meta["data_digest"]
        != answer(query, company(outcomes=outcomes)).meta["data_digest"]
    )
